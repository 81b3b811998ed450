"""`bulkhead replay --lockstep`: the whole run in this process, in virtual time, byte for byte."""

from __future__ import annotations

import time
from pathlib import Path

from proto_schemas.control import StatusReport
from services.cli.exit_codes import TimedOut
from services.cli.follow import STALL_S, field, where
from services.cli.outcome import Outcome, summary_of
from services.cli.output import note
from services.cli.playing import checked_run
from services.cli.runs import NewRun
from services.cli.screen import BANNER, PLAIN_LINE_EVERY_S
from services.cli.service_log import strategy_trouble
from shared.runtime.run_folder import RunFolder


def play_in_lockstep(
    new: NewRun, root: Path, title: str | None, deadline_s: float | None, outcome: Outcome
) -> RunFolder:
    """Run everything once, from start to CLOSED; fills in the outcome. No title: no notes."""
    from services.lab.lockstep import run_lockstep
    from services.monitor.audit_source import rebuild

    run = checked_run(new, root)
    outcome.run = str(run.root)
    watch = _Watch(title, deadline_s)
    outcome.report = run_lockstep(run, watch.look)
    rebuild(run)
    # Virtual times say nothing about how long anything takes.
    outcome.summary = {**summary_of(run), "latency_us": None}
    outcome.error = strategy_trouble(run)
    return run


class _Watch:
    """Says how far it is, and ends a run that stands still or takes longer than it may."""

    def __init__(self, title: str | None, deadline_s: float | None) -> None:
        self._title, self._deadline_s = title, deadline_s
        self._said_at = time.monotonic()
        self._moved_to, self._still_s = "", 0
        if title is not None:
            note(f"{title}, in lockstep: {BANNER}")

    def look(self, report: StatusReport) -> None:
        """Called every virtual second."""
        now, here = time.monotonic(), where(report)
        self._still_s = self._still_s + 1 if here == self._moved_to else 0
        self._moved_to = here
        row = f"at feed row {field(report, 'feed_seq')}"
        if self._deadline_s is not None and now > self._deadline_s:
            raise TimedOut("RUN_TIMEOUT", field="--timeout", value=row, fix="Give it more time.")
        if self._still_s > STALL_S:
            about = f"no progress for {self._still_s} virtual s"
            fix = "Read the logs in the run's folder."
            raise TimedOut("RUN_STALLED", field=about, value=row, fix=fix)
        if self._title is not None and now - self._said_at >= PLAIN_LINE_EVERY_S:
            self._said_at = now
            phase, position = field(report, "phase"), field(report, "position_lots")
            note(f"{phase or 'starting'}  row {field(report, 'feed_seq')}  position {position}")
