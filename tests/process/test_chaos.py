"""`bulkhead chaos` on real processes, and its judge on evidence that was tampered with."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from proto_schemas.registry import SERVICES
from tests.process.conftest import ROOT, Bulkhead

if TYPE_CHECKING:
    from collections.abc import Iterator

KILLS = 30
RECOVERY_P50_MS_MAX = 2_000


@pytest.fixture(scope="module")
def chaos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Thirty kills while ema_cross trades: the report."""
    made = Bulkhead(tmp_path_factory.mktemp("bh"))
    ended = made("chaos", "--kills", str(KILLS), "--seed", "7", "--json", timeout_s=400)
    assert ended.code == 0, (ended.out, ended.err[-3000:])
    yield ended.report
    assert made.left_over() == []


@pytest.mark.timeout(420)
def test_thirty_kills_lose_and_double_nothing_and_everybody_is_back_in_time(
    chaos: dict[str, Any],
) -> None:
    print(json.dumps(chaos["recovery_ms"]))
    assert chaos["ok"] is True and chaos["kills"] == KILLS
    assert chaos["orders_in_venue_record"] == chaos["orders_in_ledger"] > 5
    assert (chaos["lost"], chaos["duplicated"], chaos["position_equal"]) == (0, 0, True)
    assert set(chaos["recovery_ms"]) <= set(SERVICES) and len(chaos["recovery_ms"]) >= 6
    for name, times in chaos["recovery_ms"].items():
        assert times["p50"] <= RECOVERY_P50_MS_MAX, (name, times)


def test_what_was_killed_steps_again_to_the_same(chaos: dict[str, Any]) -> None:
    """Every decision of every life, made again, byte for byte."""
    run = Path(chaos["run"])
    ended = Bulkhead(run.parents[1])("verify", str(run), "--json")
    assert ended.code == 0, (ended.out, ended.err)
    assert ended.report["ok"] is True and ended.report["frames_compared"] > 1_000


@pytest.mark.timeout(300)
def test_kills_amid_working_orders_cancels_and_replaces_lose_and_double_nothing(
    bulkhead: Bulkhead,
) -> None:
    options = ("--kills", "8", "--seed", "3", "--strategy", "quote_fade", "--json")
    ended = bulkhead("chaos", *options, timeout_s=280)
    found = ended.report
    assert found["ok"] is True, (found, ended.err[-3000:])
    assert found["kills"] == 8 and found["strategy"] == "quote_fade"
    print(json.dumps(found))
    assert found["orders_in_venue_record"] == found["orders_in_ledger"] > 5, "legs included"
    assert found["cancels"] + found["replaces"] > 0, "changes were in flight"
    assert set(found["position_lots"].values()) == {0}, "what worked was ended"


def judged(run: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "services.lab.chaos_check", str(run)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (0 if found["ok"] else 1), done.stderr
    return found


def lines_of(run: Path) -> list[str]:
    return (run / "venue" / "received.log").read_text().splitlines()


def is_order(line: str) -> bool:
    return b"\xa9new_order" in bytes.fromhex(line.split(" ")[1])


def order_twice(run: Path) -> None:
    lines = lines_of(run)
    again = next(line for line in lines if is_order(line))
    (run / "venue" / "received.log").write_text("\n".join([*lines, again]) + "\n")


def order_gone(run: Path) -> None:
    lines = lines_of(run)
    first = next(line for line in lines if is_order(line))
    lines.remove(first)
    (run / "venue" / "received.log").write_text("\n".join(lines) + "\n")


def ledger_cut_short(run: Path) -> None:
    path = run / "journals" / "order_state.journal"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def session_cut_short(run: Path) -> None:
    path = run / "journals" / "order_router.journal"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def journal_flipped(run: Path) -> None:
    path = run / "journals" / "order_state.journal"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def service_never_back(run: Path) -> None:
    path = run / "chaos" / "history.jsonl"
    lines = [line for line in path.read_text().splitlines() if '"serving"' not in line]
    path.write_text("\n".join(lines) + "\n")


TAMPERED: dict[str, tuple[Callable[[Path], None], Callable[[dict[str, Any]], bool]]] = {
    "an order twice": (order_twice, lambda found: found["duplicated"] == 1),
    "an order gone": (order_gone, lambda found: found["lost"] == 1),
    "half a ledger": (ledger_cut_short, lambda found: found["lost"] > 0),
    "half a session": (session_cut_short, lambda found: "error" in found or found["lost"] > 0),
    "a flipped bit": (journal_flipped, lambda found: "not proven" in found["error"]),
    "a service that stays away": (service_never_back, lambda found: bool(found["not_recovered"])),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_the_judge_sees_tampered_evidence(chaos: dict[str, Any], tmp_path: Path, what: str) -> None:
    copy = tmp_path / "run"
    shutil.copytree(chaos["run"], copy)
    assert judged(copy)["ok"] is True
    tamper, seen = TAMPERED[what]
    tamper(copy)
    found = judged(copy)
    assert found["ok"] is False and seen(found), found
