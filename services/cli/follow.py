"""Follows a run until the watchdog says CLOSED: flat and reconciled after the end of the stream.

Each look asks supervisord (who is up?) and the monitor (what do they say?), shows both, and
compares with two limits: an overall deadline, and a stall (neither the feed nor the phase has
moved). Either ends the run with a time-out that names what was waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from proto_schemas.control import StatusReport
from proto_schemas.enums import SessionPhase
from services.cli.client import MonitorClient
from services.cli.exit_codes import TimedOut
from services.cli.supervisor import Supervised
from services.cli.supervisor_control import Processes

LOOK_EVERY_S = 0.25
ANSWER_WITHIN_S = 1.0
STALL_S = 60.0
# What moves in the monitor's fields while a run is getting on.
PROGRESS_FIELDS = ("phase", "feed_seq")


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at one moment. No report: the monitor did not answer (yet)."""

    seconds: float
    processes: Processes
    report: StatusReport | None

    @property
    def phase(self) -> str:
        """The watchdog's phase word, or nothing."""
        return str(field(self.report, "phase") or "")


def field(report: StatusReport | None, name: str) -> str | int | bool | None:
    """One field of a report; None if there is none."""
    return report.fields.get(name) if report is not None else None


def where(report: StatusReport | None) -> str:
    """How far the run is, to be compared with an earlier look."""
    return str([field(report, name) for name in PROGRESS_FIELDS])


def follow(
    supervised: Supervised, show: Callable[[Look], None], deadline_s: float | None
) -> StatusReport:
    """Look until CLOSED and return the last report. `deadline_s`: on the monotonic clock."""
    began = time.monotonic()
    moved_at, moved_to = began, ""
    with MonitorClient(supervised.run) as monitor:
        while True:
            report = monitor.status(ANSWER_WITHIN_S)
            now = time.monotonic()
            look = Look(now - began, supervised.check(), report)
            show(look)
            if report is not None and look.phase == SessionPhase.CLOSED:
                return report
            here = where(report)
            if report is not None and here != moved_to:
                moved_at, moved_to = now, here
            _refuse_waiting(look, now, deadline_s, now - moved_at)
            time.sleep(LOOK_EVERY_S)


def _refuse_waiting(look: Look, now: float, deadline_s: float | None, still_s: float) -> None:
    if deadline_s is not None and now > deadline_s:
        raise TimedOut(
            "RUN_TIMEOUT",
            field=f"after {look.seconds:.0f} s",
            value=waiting_for(look),
            fix="Give it more time, or read the logs in the run's folder.",
        )
    if still_s > STALL_S:
        raise TimedOut(
            "RUN_STALLED",
            field=f"no progress for {still_s:.0f} s",
            value=waiting_for(look),
            fix="Read the logs in the run's folder.",
        )


def waiting_for(look: Look) -> str:
    """One line that says what has not happened yet."""
    down = [name for name, info in look.processes.items() if info.pid == 0]
    if look.report is None:
        return f"an answer from the monitor; processes down: {', '.join(down) or 'none'}"
    silent = [service.service for service in look.report.services if not service.alive]
    return (
        f"phase CLOSED, seen {look.phase or 'none'} at feed row {field(look.report, 'feed_seq')}; "
        f"silent services: {', '.join(silent) or 'none'}"
    )
