"""`bulkhead kill` and `bulkhead resume`: what they ask, what they believe, how they end."""

from __future__ import annotations

import json
import stat
import time
from typing import Any

import pytest

from proto_schemas.base import Message
from proto_schemas.broker import BrokerPosition
from proto_schemas.control import AccountView, Control, KillRequest, ResumeRequest, StatusReport
from proto_schemas.enums import Mode, SessionPhase
from proto_schemas.signals import Ack, Nack
from services.cli import kill, resume
from services.cli.client import ServiceClient
from services.cli.exit_codes import TimedOut
from services.cli.kill import KillOptions, judge, run_kill
from services.cli.resume import ResumeOptions, refuse, run_resume
from services.cli.runs import remove_sockets
from services.cli.status import run_status, status_json
from services.cli.watchdog_view import Seen
from shared.kernel.errors import OperatorFault, OurFault
from shared.kernel.text import sendable
from shared.runtime.run_folder import RunFolder
from tests.unit.cli.answering import answering, says, silent

ID = "kill-1-1"
KEYS = {"ok", "kill_id", "flat", "position_lots", "broker_position_lots", "seconds", "error"}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kill, "LATCHED_WITHIN_S", 0.3)
    monkeypatch.setattr(kill, "FLAT_WITHIN_S", 0.9)
    monkeypatch.setattr(kill, "ANSWER_WITHIN_S", 0.3)
    monkeypatch.setattr(resume, "ANSWER_WITHIN_S", 0.3)
    monkeypatch.setattr(resume, "HEARD_WITHIN_S", 0.3)


def report(
    phase: str, flat: bool, kill_id: str | None = ID, reconciled: bool = True
) -> StatusReport:
    fields = {"phase": phase, "flat": flat, "kill_id": kill_id, "reconciled": reconciled}
    return StatusReport((), {**fields, "position_lots": 0, "broker_position_lots": 0})


def control(phase: str, flat: bool, kill_id: str | None = ID) -> Control:
    mode = Mode.NORMAL if kill_id is None else Mode.HALT
    return Control(1, mode, SessionPhase(phase), "x", flat, True, kill_id)


def account(lots: int = 0) -> AccountView:
    return AccountView((BrokerPosition("ESM30", lots),) if lots else (), 0, 1)


def repeating(*bodies: Message) -> Any:
    """A watchdog that says these over and over."""
    return lambda: list(bodies)


def kill_options(run: RunFolder, wait: bool = True, reason: str = "x") -> KillOptions:
    return KillOptions(reason, run.root, run.root.parents[1], wait, True)


def resume_options(run: RunFolder, kill_id: str | None = ID) -> ResumeOptions:
    return ResumeOptions(kill_id, "anna", "all clear", run.root, run.root.parents[1], True)


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert isinstance(found, dict)
    return found


# --- the client -----------------------------------------------------------------------------------


@pytest.mark.parametrize("first", [True, False])
def test_any_command_goes_to_any_service_and_only_the_wanted_answers_count(
    run: RunFolder, first: bool
) -> None:
    both = (Ack(), report("OPEN", False))
    with (
        answering(run, order_state=says(*(both if first else both[::-1]))) as asked,
        ServiceClient(run, "order_state") as client,
    ):
        assert client.ask(KillRequest("cli", "x"), (Nack, Ack), 2.0) == Ack()
        assert client.ask(KillRequest("cli", "x"), (Nack,), 0.4) is None
    ids = [event.envelope.id for event in asked]
    assert len(set(ids)) == 2, "a wish is repeated under its own id, the next one has another"
    assert len(ids) > 2
    assert {event.envelope.stream for event in asked} == {"to.order_state"}


def test_a_later_client_with_the_same_process_id_is_not_taken_for_the_first(
    run: RunFolder,
) -> None:
    with answering(run, watchdog=says(Ack())) as asked:
        for _ in range(2):
            with ServiceClient(run, "watchdog") as client:
                assert client.ask(KillRequest("cli", "x"), (Ack,), 2.0) == Ack()
    assert len({event.envelope.id for event in asked}) == 2
    assert len({event.envelope.epoch for event in asked}) == 2
    assert len({event.envelope.producer for event in asked}) == 2, "a name of its own, too"


def test_what_was_asked_of_nobody_does_not_wait_for_whoever_comes_later(run: RunFolder) -> None:
    with ServiceClient(run, "watchdog") as client:
        assert client.ask(KillRequest("cli", "x"), (Ack,), 0.2) is None
        with answering(run, watchdog=silent) as asked:
            time.sleep(0.3)  # it is connected within 20 ms
    assert asked == []


@pytest.mark.parametrize("text", ["x" * 2_000, "\udcff odd", "", "grüße"])
def test_no_text_is_too_long_or_too_odd_for_a_kill(run: RunFolder, text: str) -> None:
    with answering(run, watchdog=says(Ack())) as asked:
        assert kill.ask_watchdog(run, text)
    assert asked[0].body == KillRequest("cli", sendable(text))


# --- kill -----------------------------------------------------------------------------------------


def test_a_kill_is_flat_when_the_watchdog_has_proven_it(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    phases = iter([control("OPEN", False, None)] * 20 + [control("REVOKING", False)] * 5)
    end = control("FLAT", True)
    with answering(
        run,
        watchdog_says=lambda: [account(), next(phases, end)],
        watchdog=says(Ack()),
        monitor=says(report("FLAT", True)),
    ) as asked:
        assert run_kill(kill_options(run)) == 0
    found = told(capsys)
    assert set(found) == KEYS
    assert (found["ok"], found["kill_id"], found["flat"]) == (True, ID, True)
    assert (found["position_lots"], found["broker_position_lots"]) == (0, 0)
    assert isinstance(asked[0].body, KillRequest), "nothing is asked before the wish is out"
    assert not run.kill_file.exists()


def test_a_kill_needs_no_monitor_and_no_ledger(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    said = repeating(control("FLAT", True), account())
    with answering(run, watchdog_says=said, watchdog=says(Ack())):
        assert run_kill(kill_options(run)) == 0
    found = told(capsys)
    assert (found["flat"], found["position_lots"], found["broker_position_lots"]) == (True, None, 0)


@pytest.mark.parametrize(
    ("said", "flat"),
    [
        (control("FLAT", True), True),
        (control("CLOSED", True), True),
        (control("CLOSED", True, None), False),
        (control("FLAT", False), False),
        (control("VERIFYING", True), False),
        (None, False),
    ],
)
def test_only_a_proof_made_under_the_kill_counts_as_flat(said: Control | None, flat: bool) -> None:
    seen = Seen(said, account())
    assert seen.is_flat is flat
    result, code = judge(seen, True, True, 0.0)
    assert (result.ok, code) == ((True, 0) if flat else (False, 75))


def test_not_flat_in_time_is_75_and_it_stays_latched(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    said = repeating(control("FLATTENING", False), account(3))
    with answering(run, watchdog_says=said, watchdog=says(Ack())):
        assert run_kill(kill_options(run)) == 75
    found = told(capsys)
    assert (found["ok"], found["kill_id"], found["flat"]) == (False, ID, False)
    assert found["broker_position_lots"] == 3
    assert "stays latched" in found["error"]


def test_without_waiting_it_ends_as_soon_as_it_is_latched(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    said = repeating(control("REVOKING", False))
    with answering(run, watchdog_says=said, watchdog=says(Ack())):
        assert run_kill(kill_options(run, wait=False)) == 0
    found = told(capsys)
    assert (found["ok"], found["kill_id"], found["flat"]) == (True, ID, False)


def test_a_silent_watchdog_gets_the_file(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(run, watchdog_says=repeating(control("OPEN", False, None)), watchdog=silent):
        assert run_kill(kill_options(run)) == 75
        assert stat.S_IMODE(run.kill_file.stat().st_mode) == 0o600
        out, err = capsys.readouterr()
        assert str(run.kill_file) in err
        assert "KILL" in json.loads(out)["error"]
        assert run_kill(kill_options(run, wait=False)) == 75, "a file that is there is no fault"


def test_a_file_that_the_watchdog_then_reads_ends_flat(run: RunFolder) -> None:
    with answering(run, watchdog_says=repeating(control("FLAT", True)), watchdog=silent):
        assert run_kill(kill_options(run)) == 0


def test_a_file_that_cannot_be_made_is_said_aloud(run: RunFolder) -> None:
    run.kill_file.mkdir()
    run.kill_file.rmdir()
    run.kill_file.symlink_to(run.root / "no" / "such" / "folder")
    with pytest.raises(OurFault, match="NOT KILLED"):
        kill.make_kill_file(run)


def test_a_run_that_is_over_ends_with_1(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    remove_sockets(run)
    assert run_kill(kill_options(run)) == 1
    found = told(capsys)
    assert set(found) == KEYS and "no run is up" in found["error"]
    assert not run.kill_file.exists()
    assert run_resume(resume_options(run)) == 1
    assert "no run is up" in told(capsys)["error"]


# --- resume ---------------------------------------------------------------------------------------


def test_a_resume_says_who_and_why(run: RunFolder, capsys: pytest.CaptureFixture[str]) -> None:
    with answering(run, watchdog=says(Ack())) as asked:
        assert run_resume(resume_options(run)) == 0
    assert [event.body for event in asked] == [ResumeRequest(ID, "anna", "all clear")]
    found = told(capsys)
    assert (found["ok"], found["kill_id"], found["file_removed"]) == (True, ID, False)


@pytest.mark.parametrize(
    ("nack", "parts"),
    [
        (Nack("NOT_KILLED", "resume", "no kill holds"), ("--kill-id", "Nothing to resume")),
        (Nack("KILL_ID_DIFFERS", "resume", ID), ("--kill-id", ID, "bulkhead status")),
        (Nack("NOT_FLAT", "resume", "flat and reconciled"), ("flat and reconciled", "Wait")),
        (Nack("OPERATOR_MISSING", "resume", "an operator and a reason"), ("--operator",)),
        (Nack("SOMETHING_NEW", "resume", "a key"), ("SOMETHING_NEW", "a key")),
    ],
)
def test_a_refusal_names_the_code_what_is_needed_and_the_fix(
    nack: Nack, parts: tuple[str, ...], run: RunFolder
) -> None:
    with pytest.raises(OperatorFault) as caught:
        refuse(nack, resume_options(run, "kill-9-9"))
    if nack.code in ("NOT_KILLED", "KILL_ID_DIFFERS"):
        assert caught.value.value == "kill-9-9"
    assert (caught.value.code, caught.value.exit_code) == (nack.code, 64)
    assert all(part in str(caught.value) for part in parts)


def test_a_silent_watchdog_resumes_nothing(run: RunFolder) -> None:
    with answering(run, watchdog=silent), pytest.raises(TimedOut, match="WATCHDOG_SILENT"):
        run_resume(resume_options(run))


def test_without_an_id_it_says_where_the_id_is(run: RunFolder) -> None:
    with pytest.raises(OperatorFault, match="--kill-id.*bulkhead status"):
        run_resume(resume_options(run, None))


@pytest.mark.parametrize(("held", "removed"), [(ID, True), ("kill-2-1", False), (None, False)])
def test_the_file_goes_only_with_the_kill_that_holds(
    run: RunFolder, capsys: pytest.CaptureFixture[str], held: str | None, removed: bool
) -> None:
    run.kill_file.touch()
    said = repeating(control("FLAT", True, held))
    with answering(run, watchdog_says=said, watchdog=says(Ack())) as asked:
        run_resume(resume_options(run))
    assert run.kill_file.exists() is not removed
    assert told(capsys)["file_removed"] is removed
    assert isinstance(asked[-1].body, ResumeRequest), "the file goes first, then the wish"


def test_a_watchdog_that_was_not_heard_leaves_the_file_where_it_is(run: RunFolder) -> None:
    run.kill_file.touch()
    with answering(run, watchdog=says(Ack())):
        assert run_resume(resume_options(run)) == 0
    assert run.kill_file.exists()


# --- status ---------------------------------------------------------------------------------------


def test_the_status_says_how_to_clear_a_kill_and_nothing_of_it_without_one(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(run, monitor=says(report("FLAT", True))):
        assert run_status(run.root, run.root, False, False) == 0
    line = f"KILLED: {ID}; clear it with: bulkhead resume --kill-id {ID} "
    assert [each for each in capsys.readouterr().out.splitlines() if each.startswith(line)]
    with answering(run, monitor=says(report("OPEN", False, None))):
        assert run_status(run.root, run.root, False, False) == 0
    assert "KILLED" not in capsys.readouterr().out
    assert status_json(run, report("FLAT", True), {})["kill_id"] == ID
    assert status_json(run, None, {})["kill_id"] is None
