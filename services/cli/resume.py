"""`bulkhead resume`: a person ends one kill, by its id, with a name and a reason.

The decision is the watchdog's; here a refusal becomes a sentence that says what to do. A file
KILL that still lies in the run's folder would be read again by the watchdog's next life, so it is
removed first, but only when the kill that holds is the one named: the latch holds without the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from proto_schemas.base import Message
from proto_schemas.control import ResumeRequest
from proto_schemas.signals import Ack, Nack
from services.cli.client import ServiceClient
from services.cli.exit_codes import NOT_OK, OK, TimedOut
from services.cli.kill import WATCHDOG
from services.cli.output import note, print_json, say
from services.cli.runs import find_run, is_ours
from services.cli.watchdog_view import WatchdogView
from shared.kernel.errors import OperatorFault
from shared.kernel.text import sendable
from shared.runtime.run_folder import RunFolder

HEARD_WITHIN_S = 2.0
ANSWER_WITHIN_S = 3.0
# The watchdog's refusals: the option that is wrong, and what to do about it.
REFUSALS: dict[str, tuple[str, str]] = {
    "NOT_KILLED": ("--kill-id", "Nothing to resume."),
    "KILL_ID_DIFFERS": (
        "--kill-id",
        "The kill that holds is {needed}: read in `bulkhead status` why, then name that one.",
    ),
    "OPERATOR_MISSING": ("--operator and --reason", "Say who you are and why it may go on."),
    "NOT_FLAT": (
        "account",
        "Wait until `bulkhead status` says FLAT, flat and reconciled; CLOSED is the end.",
    ),
}


@dataclass(frozen=True, slots=True)
class ResumeOptions:
    """The options of the command."""

    kill_id: str | None
    operator: str
    reason: str
    run: Path | None
    root: Path
    as_json: bool


def run_resume(options: ResumeOptions) -> int:
    """Ask the watchdog; 0 if it said yes. A refusal is the operator's fault."""
    if not options.kill_id:
        raise OperatorFault(
            "OPTION_MISSING",
            field="--kill-id",
            value=options.kill_id,
            fix="`bulkhead status` shows the id of the kill that holds.",
        )
    run = find_run(options.run, options.root)
    if not is_ours(run):
        return _nobody(run, options)
    removed = remove_kill_file(run, options.kill_id)
    wish = ResumeRequest(*map(sendable, (options.kill_id, options.operator, options.reason)))
    with ServiceClient(run, WATCHDOG) as watchdog:
        answer = watchdog.ask(wish, (Ack, Nack), ANSWER_WITHIN_S)
    refuse(answer, options)
    if options.as_json:
        print_json({"ok": True, **_who(options), "file_removed": removed, "error": None})
    else:
        say(f"resumed: {options.kill_id}, by {options.operator}: {options.reason}")
    return OK


def refuse(answer: Message | None, options: ResumeOptions) -> None:
    """Raise the fault that says why it did not go ahead; nothing if it did."""
    if answer is None:
        raise TimedOut(
            "WATCHDOG_SILENT",
            field=f"after {ANSWER_WITHIN_S:.0f} s",
            value="an answer from the watchdog",
            fix="It may still hear this: look at `bulkhead status` before you try again.",
        )
    if isinstance(answer, Nack):
        field_name, fix = REFUSALS.get(answer.code, (answer.field, "See services/watchdog."))
        given = {
            "--kill-id": options.kill_id,
            "--operator and --reason": f"{options.operator}, {options.reason}",
        }
        value = given.get(field_name, f"not {answer.value}")
        fix = fix.format(needed=answer.value)
        raise OperatorFault(answer.code, field=field_name, value=value, fix=fix)


def remove_kill_file(run: RunFolder, kill_id: str) -> bool:
    """Take the file KILL away if the kill that holds is this one; True if it was there."""
    if not run.kill_file.exists():
        return False
    with WatchdogView(run) as view:
        control = view.first_control(HEARD_WITHIN_S)
    held = control.kill_id if control else None
    if held != kill_id:
        note(f"{run.kill_file} stays: the kill that holds is {held}, not {kill_id}")
        return False
    run.kill_file.unlink(missing_ok=True)
    note(f"removed {run.kill_file}")
    return True


def _who(options: ResumeOptions) -> dict[str, str | None]:
    return {
        "kill_id": options.kill_id,
        "operator": options.operator,
        "reason": options.reason,
    }


def _nobody(run: RunFolder, options: ResumeOptions) -> int:
    error = f"no run is up: {run.root}"
    if options.as_json:
        print_json({"ok": False, **_who(options), "file_removed": False, "error": error})
    else:
        say(error)
    return NOT_OK
