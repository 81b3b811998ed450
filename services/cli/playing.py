"""The machinery of `demo` and `replay`: folder, config check, processes, watching, evidence.

The order matters. Everything that a person can have got wrong is found before the first process
starts, and then no folder is left behind. After the processes have ended, and only then, the
journals are read for the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from proto_schemas.control import StatusReport
from services.cli.checks import check_run
from services.cli.follow import Look, follow
from services.cli.outcome import Outcome, summary_of
from services.cli.output import CommandFailed
from services.cli.runs import NewRun, create_run, discard_run, publish_run, remove_sockets
from services.cli.screen import Viewing, watching
from services.cli.service_log import strategy_trouble
from services.cli.supervisor import Supervised
from shared.kernel.errors import Fault
from shared.runtime.run_folder import RunFolder


@contextmanager
def reporting(outcome: Outcome) -> Iterator[None]:
    """A fault inside ends the command, with what is known so far as its report."""
    try:
        yield
    except Fault as fault:
        outcome.error = str(fault)
        raise CommandFailed(fault, outcome.to_json()) from fault


def play(
    new: NewRun, root: Path, viewing: Viewing, deadline_s: float | None, outcome: Outcome
) -> RunFolder:
    """Run everything once, from start to CLOSED; fills in the outcome.

    `deadline_s` (monotonic clock): without it only a stall ends the run.
    """
    run = checked_run(new, root)
    outcome.run = str(run.root)
    with watching(viewing) as show:
        outcome.report = followed(run, show, deadline_s)
    outcome.summary = summary_of(run)
    outcome.error = strategy_trouble(run)
    return run


def followed(
    run: RunFolder, show: Callable[[Look], None], deadline_s: float | None = None
) -> StatusReport:
    """Start everything, look until CLOSED, end everything; the last report."""
    try:
        with Supervised(run) as supervised:
            return follow(supervised, show, deadline_s)
    finally:
        remove_sockets(run)


def checked_run(new: NewRun, root: Path) -> RunFolder:
    """Make the run, or refuse it with nothing left behind."""
    run = create_run(new, root)
    try:
        check_run(run)
        publish_run(run, root)
    except BaseException:
        discard_run(run)
        raise
    return run
