"""`bulkhead kill`: stop everything of one run, close every position, stay stopped.

The wish goes to the watchdog first, before anything else is looked at. If the watchdog does not
answer, a file named KILL in the run's folder says the same, and the watchdog reads it as soon as it
lives. Only after that does this command look and wait: what it sees changes nothing any more, and
ending this command does not take the kill back. It believes the watchdog alone, which believes the
broker alone.
"""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from proto_schemas.control import KillRequest
from proto_schemas.signals import Ack
from services.cli.active import active_runs
from services.cli.client import MonitorClient, ServiceClient
from services.cli.exit_codes import NOT_OK, OK, TIMED_OUT
from services.cli.follow import field
from services.cli.output import note, print_json, say
from services.cli.runs import find_run, is_ours
from services.cli.watchdog_view import Seen, WatchdogView
from shared.kernel.errors import OurFault
from shared.kernel.text import sendable
from shared.runtime.run_folder import RunFolder

WATCHDOG = "watchdog"
COMMAND_VARIABLE = "BULKHEAD_COMMAND"
LATCHED_WITHIN_S = 3.0
ID_WITHIN_S = 2.0
FLAT_WITHIN_S = 30.0
ANSWER_WITHIN_S = 1.0


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
    """Kill, wait until it is flat, report; the exit code. Without a name: every run that is up."""
    runs = active_runs(options.root) if options.run is None else []
    runs = runs or [find_run(options.run, options.root)]
    with ExitStack() as stack:
        # All of them first, and only then the waiting.
        killings = [Killing.begin(run, options.reason, stack) for run in runs]
        results = [killing.end(options.wait) for killing in killings]
    result, code = max(results, key=lambda each: each[1])
    for other, other_code in results:
        if other is not result and not options.as_json:
            _report(other, other_code, as_json=False)
    return _report(result, code, options.as_json)


@dataclass(frozen=True, slots=True)
class Killing:
    """A kill of one run that is on its way. No view: the run is not up."""

    run: RunFolder
    began_s: float
    latched: bool
    view: WatchdogView | None

    @classmethod
    def begin(cls, run: RunFolder, reason: str, stack: ExitStack) -> Killing:
        """Ask the watchdog, or leave the file."""
        began_s = time.monotonic()
        if not Path(run.settings.sock_dir).exists():
            return cls(run, began_s, False, None)
        view = stack.enter_context(WatchdogView(run))
        latched = ask_watchdog(run, reason)
        if latched:
            note("the watchdog has latched the kill; this command may end, the kill holds")
        else:
            make_kill_file(run)
            note(f"the watchdog is silent; {run.kill_file} is there for when it lives")
        return cls(run, began_s, latched, view)

    def end(self, wait: bool) -> tuple[KillResult, int]:
        """Wait until it is latched, and flat if that is asked for: the result and exit code."""
        if self.view is None:
            return _nobody(self.run), NOT_OK
        deadline_s = self.began_s + (FLAT_WITHIN_S if wait else ID_WITHIN_S)
        seen = wait_for(self.view, deadline_s, wait)
        result, code = judge(seen, self.latched, wait, time.monotonic() - self.began_s)
        return replace(result, position_lots=_ledger_lots(self.run)), code


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


def wait_for(view: WatchdogView, deadline_s: float, flat: bool) -> Seen:
    """The last that was seen: latched, and flat if that is asked for, unless time ran out."""
    while (left_s := deadline_s - time.monotonic()) > 0:
        seen = view.look(left_s)
        if seen.kill_id is not None and (seen.is_flat or not flat):
            break
    return view.seen


def judge(seen: Seen, latched: bool, wait: bool, seconds: float) -> tuple[KillResult, int]:
    """What to report, and the exit code."""
    latched = latched or seen.kill_id is not None
    if seen.is_flat or (latched and not wait):
        return _result(seen, seconds, None), OK
    if latched:
        error = "not flat in time; it stays latched and goes on closing: see bulkhead status"
    else:
        error = "no answer yet; the file KILL is there and the watchdog reads it when it lives"
    return _result(seen, seconds, error), TIMED_OUT


def _result(seen: Seen, seconds: float, error: str | None) -> KillResult:
    ok, lots, took_s = error is None, seen.broker_lots, round(seconds, 3)
    return KillResult(ok, seen.kill_id, seen.is_flat, None, lots, took_s, error)


def _nobody(run: RunFolder) -> KillResult:
    return KillResult(False, None, False, None, None, 0.0, f"no run is up: {run.root}")


def _ledger_lots(run: RunFolder) -> int | None:
    """What the ledger says now, by the monitor; a kill does not need either of them."""
    if not is_ours(run):
        return None
    with MonitorClient(run) as monitor:
        lots = field(monitor.status(ANSWER_WITHIN_S), "position_lots")
    return lots if isinstance(lots, int) else None


def _report(result: KillResult, code: int, as_json: bool) -> int:
    if as_json:
        print_json(asdict(result))
        return code
    if result.error is not None:
        note(result.error)
    if result.kill_id is not None:
        word = "flat" if result.flat else "NOT flat yet"
        say(f"KILLED: {result.kill_id}, {word} after {result.seconds:.1f} s")
        ledger = "not seen" if result.position_lots is None else f"{result.position_lots} lots"
        say(f"broker {result.broker_position_lots} lots, ledger {ledger}")
        say(f"It stays stopped until: {resume_command(result.kill_id)}")
    return code


def resume_command(kill_id: str) -> str:
    """What ends this kill, as the operator types it: from outside, if this is a container."""
    bulkhead = os.environ.get(COMMAND_VARIABLE) or "bulkhead"
    return f"{bulkhead} resume --kill-id {kill_id} --operator NAME --reason TEXT"
