"""`bulkhead replay --lockstep`: the whole run in this process, in virtual time, byte for byte."""

from __future__ import annotations

import time
from pathlib import Path

from proto_schemas.control import StatusReport
from services.cli.exit_codes import TimedOut
from services.cli.follow import field
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
    """Says how far it is, and ends a run that takes longer than it may."""

    def __init__(self, title: str | None, deadline_s: float | None) -> None:
        self._title, self._deadline_s = title, deadline_s
        self._said_at = time.monotonic()
        if title is not None:
            note(f"{title}, in lockstep: {BANNER}")

    def look(self, report: StatusReport) -> None:
        """Called every virtual second."""
        now = time.monotonic()
        if self._deadline_s is not None and now > self._deadline_s:
            raise TimedOut(
                "RUN_TIMEOUT",
                field="--timeout",
                value=f"at feed row {field(report, 'feed_seq')}",
                fix="Give it more time.",
            )
        if self._title is not None and now - self._said_at >= PLAIN_LINE_EVERY_S:
            self._said_at = now
            phase, row = field(report, "phase"), field(report, "feed_seq")
            note(f"{phase or 'starting'}  row {row}  position {field(report, 'position_lots')}")
