"""`bulkhead reload`: what it asks, and how it ends for each answer, and for none."""

from __future__ import annotations

import json

import pytest

from proto_schemas.control import ReloadRequest, StrategyReloaded
from proto_schemas.signals import Nack
from services.cli import reload
from services.cli.exit_codes import TimedOut
from services.cli.reload import ReloadOptions, run_reload
from services.cli.runs import remove_sockets
from shared.kernel.errors import OperatorFault, OurFault
from shared.kernel.outputs import Event
from shared.runtime.run_folder import RunFolder
from tests.unit.cli.answering import answering, says, silent

HASH = "a" * 64


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "ANSWER_WITHIN_S", 0.3)


def options(run: RunFolder, keep_position: bool = False) -> ReloadOptions:
    return ReloadOptions(keep_position, run.root, run.root.parent, as_json=True)


@pytest.mark.parametrize(("code", "changed"), [("OK", True), ("UNCHANGED", False)])
def test_it_says_which_code_runs_now_and_whether_that_is_new(
    run: RunFolder, capsys: pytest.CaptureFixture[str], code: str, changed: bool
) -> None:
    answer = StrategyReloaded(code, "", "", "", HASH)
    with answering(run, strategy_engine=says(answer)) as asked:
        assert run_reload(options(run, keep_position=True)) == 0
    assert [event.body for event in asked] == [ReloadRequest(keep_position=True)]
    found = json.loads(capsys.readouterr().out)
    assert found == {
        "ok": True, "strategy": "ema_cross", "changed": changed, "source_hash": HASH, "error": None
    }  # fmt: skip


@pytest.mark.parametrize(
    ("code", "old_code_goes_on"), [("STRATEGY_SYNTAX", True), ("STRATEGY_PAUSED", False)]
)
def test_a_refusal_has_the_engines_words_and_tells_what_runs(
    run: RunFolder, capsys: pytest.CaptureFixture[str], code: str, old_code_goes_on: bool
) -> None:
    answer = StrategyReloaded(code, "line", "7", "Mend line 7.", HASH)
    with answering(run, strategy_engine=says(answer)), pytest.raises(OperatorFault) as caught:
        run_reload(options(run))
    assert (caught.value.code, caught.value.field, caught.value.value) == (code, "line", "7")
    assert caught.value.fix == "Mend line 7."
    said = "the code of ema_cross that ran goes on" in capsys.readouterr().err
    assert said is old_code_goes_on


def test_an_engine_that_does_not_know_the_wish_is_of_another_release(run: RunFolder) -> None:
    nack = Nack("KIND_UNKNOWN", "kind", "reload_request")
    with answering(run, strategy_engine=says(nack)), pytest.raises(OurFault, match="one release"):
        run_reload(options(run))


def test_silence_is_no_answer_and_the_wish_was_repeated_with_one_id(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "ANSWER_WITHIN_S", 1.0)
    asked: list[Event]
    with (
        answering(run, strategy_engine=silent) as asked,
        pytest.raises(TimedOut, match="RELOAD_TIMEOUT: strategy_engine.*bulkhead status"),
    ):
        run_reload(options(run))
    assert len(asked) > 1 and len({event.envelope.id for event in asked}) == 1


def test_without_a_run_nothing_is_asked(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    remove_sockets(run)
    assert run_reload(options(run)) == 1
    assert "no run is up" in json.loads(capsys.readouterr().out)["error"]
