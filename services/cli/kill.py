"""`bulkhead kill`: stop everything of one run, close every position, stay stopped.

The wish goes to the watchdog first, before anything else is looked at. If the watchdog does not
answer, a file named KILL in the run's folder says the same, and the watchdog reads it as soon as it
lives. Only after that does this command look and wait: what it sees changes nothing any more, and
ending this command does not take the kill back.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path

from proto_schemas.control import KillRequest, StatusReport
from proto_schemas.enums import SessionPhase
from proto_schemas.signals import Ack
from services.cli.client import MonitorClient, ServiceClient, sendable
from services.cli.exit_codes import NOT_OK, OK, TIMED_OUT
from services.cli.follow import field
from services.cli.output import note, print_json, say
from services.cli.runs import find_run, is_ours
from shared.kernel.errors import OurFault
from shared.runtime.run_folder import RunFolder

WATCHDOG = "watchdog"
LATCHED_WITHIN_S = 3.0
ID_WITHIN_S = 2.0
FLAT_WITHIN_S = 30.0
RECONCILED_WITHIN_S = 2.0
ANSWER_WITHIN_S = 1.0
LOOK_EVERY_S = 0.1
CLOSED_PHASES = (SessionPhase.FLAT, SessionPhase.CLOSED)


@dataclass(frozen=True, slots=True)
class KillOptions:
    """The options of the command."""

    reason: str
    run: Path | None
    root: Path
    wait: bool
    as_json: bool


@dataclass(frozen=True, slots=True)
class KillResult:
    """How it ended; the keys that scripts rely on."""

    ok: bool
    kill_id: str | None
    flat: bool
    position_lots: int | None
    broker_position_lots: int | None
    seconds: float
    error: str | None


def run_kill(options: KillOptions) -> int:
    """Kill, wait until it is flat, report; the exit code."""
    run = find_run(options.run, options.root)
    began = time.monotonic()
    if not Path(run.settings.sock_dir).exists():
        return _report(_result(None, 0.0, f"no run is up: {run.root}"), NOT_OK, options.as_json)
    latched = ask_watchdog(run, options.reason)
    if latched:
        note("the watchdog has latched the kill; this command may end, the kill holds")
    else:
        make_kill_file(run)
        note(f"the watchdog is silent; {run.kill_file} is there: it reads it as soon as it lives")
    seen = wait_for(run, began + (FLAT_WITHIN_S if options.wait else ID_WITHIN_S), options.wait)
    seconds = time.monotonic() - began
    if is_flat(seen):
        seen = wait_reconciled(run) or seen
    result, code = judge(seen, latched, options.wait, seconds)
    return _report(result, code, options.as_json)


def ask_watchdog(run: RunFolder, reason: str) -> bool:
    """True once the watchdog says that the latch stands on disk."""
    if not is_ours(run):
        return False
    with ServiceClient(run, WATCHDOG) as watchdog:
        wish = KillRequest("cli", sendable(reason))
        return watchdog.ask(wish, (Ack,), LATCHED_WITHIN_S) is not None


def make_kill_file(run: RunFolder) -> None:
    """The way in that needs no process at all."""
    try:
        run.kill_file.touch(mode=0o600)
    except OSError as error:
        raise OurFault(
            "KILL_FILE",
            field=str(run.kill_file),
            value=str(error),
            fix="NOT KILLED. Send SIGUSR1 to the watchdog, or close by hand at the broker.",
        ) from error


def wait_for(run: RunFolder, deadline_s: float, flat: bool) -> StatusReport | None:
    """The last status seen: latched, and flat if that is asked for, unless time ran out."""
    seen = None
    with MonitorClient(run) as monitor:
        while time.monotonic() < deadline_s:
            seen = monitor.status(ANSWER_WITHIN_S) or seen
            if is_latched(seen) and (is_flat(seen) or not flat):
                break
            time.sleep(LOOK_EVERY_S)
    return seen


def is_latched(report: StatusReport | None) -> bool:
    """True if this report was made while a kill held; one from before it proves nothing."""
    return field(report, "kill_id") is not None


def is_flat(report: StatusReport | None) -> bool:
    """True if the watchdog has proven, after the kill, that nothing is open."""
    closed = field(report, "phase") in CLOSED_PHASES
    return is_latched(report) and closed and field(report, "flat") is True


def is_reconciled(report: StatusReport | None) -> bool:
    """True if ledger and broker were compared after it was flat; what was seen before is old."""
    return is_flat(report) and field(report, "reconciled") is True


def wait_reconciled(run: RunFolder) -> StatusReport | None:
    """Give the last reconcile a moment; it needs a router that lives, and flat does not."""
    deadline_s = time.monotonic() + RECONCILED_WITHIN_S
    with MonitorClient(run) as monitor:
        while time.monotonic() < deadline_s:
            seen = monitor.status(ANSWER_WITHIN_S)
            if is_reconciled(seen):
                return seen
            time.sleep(LOOK_EVERY_S)
    return None


def judge(
    seen: StatusReport | None, latched: bool, wait: bool, seconds: float
) -> tuple[KillResult, int]:
    """What to report, and the exit code."""
    if is_flat(seen) or (is_latched(seen) and not wait) or (latched and not wait):
        return _result(seen, seconds, None), OK
    if latched or is_latched(seen):
        error = "not flat in time; it stays latched and goes on closing: see bulkhead status"
    else:
        error = "no answer yet; the file KILL is there and the watchdog reads it when it lives"
    return _result(seen, seconds, error), TIMED_OUT


def _result(seen: StatusReport | None, seconds: float, error: str | None) -> KillResult:
    return KillResult(
        error is None,
        _text(field(seen, "kill_id")),
        is_flat(seen),
        _lots(field(seen, "position_lots")),
        _lots(field(seen, "broker_position_lots")) if is_reconciled(seen) else None,
        round(seconds, 3),
        error,
    )


def _text(value: str | int | bool | None) -> str | None:
    return None if value is None else str(value)


def _lots(value: str | int | bool | None) -> int | None:
    return value if isinstance(value, int) else None


def _report(result: KillResult, code: int, as_json: bool) -> int:
    if as_json:
        print_json(asdict(result))
        return code
    if result.error is not None:
        note(result.error)
    if result.kill_id is not None:
        word = "flat" if result.flat else "NOT flat yet"
        say(f"KILLED: {result.kill_id}, {word} after {result.seconds:.1f} s")
        broker = result.broker_position_lots
        word = "not compared yet" if broker is None else f"{broker} lots"
        say(f"ledger {result.position_lots} lots, broker {word}")
        say(f"It stays stopped until: {resume_command(result.kill_id)}")
    return code


def resume_command(kill_id: str) -> str:
    """What ends this kill."""
    return f"bulkhead resume --kill-id {kill_id} --operator NAME --reason TEXT"
