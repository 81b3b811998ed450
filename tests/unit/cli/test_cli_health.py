"""`bulkhead health`: well means that the main loop turned lately, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from proto_schemas.enums import ServiceState
from services.cli.health import SILENT_S, illness, run_health
from shared.kernel.errors import OperatorFault
from shared.runtime.beat import Beat, BeatFile
from shared.runtime.host import DEADMAN_S, boot_ns

SECOND_NS = 10**9
NOW_NS = 1_000 * SECOND_NS


def beat(age_ns: int, state: str = "TRADING") -> Beat:
    return Beat(NOW_NS - age_ns, 7, 1, state, 55)


@pytest.mark.parametrize("state", ServiceState)
def test_a_loop_that_turns_is_well_in_every_state(state: str) -> None:
    """The ingestor is STARTING all through a night without a market, and nothing is wrong."""
    assert illness(beat(0, state), NOW_NS) == ""
    assert illness(beat(SILENT_S * SECOND_NS, state), NOW_NS) == ""


def test_why_it_is_not_well() -> None:
    assert "has not turned yet" in illness(None, NOW_NS)
    silent = illness(beat(SILENT_S * SECOND_NS + 1), NOW_NS)
    assert f"silent for {SILENT_S}.0 s" in silent and "progress 55" in silent
    assert "since this machine was started" in illness(beat(-5 * SECOND_NS), NOW_NS)


def test_a_hanging_loop_is_reported_before_it_is_ended() -> None:
    assert SILENT_S < DEADMAN_S


def test_the_answer_and_the_exit_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_health("venue", tmp_path, as_json=False) == 1
    assert capsys.readouterr().out == "venue: its main loop has not turned yet\n"
    file = BeatFile(tmp_path, "venue")
    file.write(Beat(boot_ns(), 7, 1, "TRADING", 55))
    file.close()
    assert run_health("venue", tmp_path, as_json=False) == 0
    assert capsys.readouterr().out == "venue turns: TRADING, progress 55, process 7\n"
    assert run_health("venue", tmp_path, as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {
        "ok": True,
        "service": "venue",
        "state": "TRADING",
        "progress": 55,
        "error": None,
    }


def test_a_name_that_is_no_service_is_named_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(OperatorFault, match=r"SERVICE_UNKNOWN.*venu'.*watchdog"):
        run_health("venu", tmp_path, as_json=False)
