"""`bulkhead demo`: something alive in a minute, without keys, accounts or a download.

The shipped sample, or your own file, goes through all processes at a speed at which it takes about
fifteen seconds. The watchdog closes at the end of the stream; then everything is taken down and the
journals are asked what happened.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from services.cli.data_span import DataSpan, measure
from services.cli.exit_codes import NOT_OK, OK
from services.cli.outcome import Outcome
from services.cli.output import note, print_json, say
from services.cli.playing import play, reporting
from services.cli.result_text import say_result
from services.cli.runs import NewRun, Tables
from services.cli.screen import Viewing
from services.cli.strategies_folder import with_default

DATA_SECONDS = 15
OVERALL_SECONDS_MAX = 50.0  # the rest of the promised minute is for stopping and reading journals
SAMPLE_INSTRUMENT = "ESM30"


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """The options of the command. No data: the shipped sample."""

    data: Path | None
    instrument: str | None
    strategy: str
    root: Path
    as_json: bool


def run_demo(options: DemoOptions) -> int:
    """Run it and report; the exit code."""
    outcome = Outcome("demo")
    with reporting(outcome):
        deadline_s = time.monotonic() + OVERALL_SECONDS_MAX
        path, instrument = _data_of(options)
        span = _measured(path, instrument, options.as_json)
        tables: Tables = {
            "venue": {"data_path": str(path), "speed_milli": span.speed_milli(DATA_SECONDS)}
        }
        new = NewRun("demo", instrument, options.strategy, with_default(tables))
        viewing = Viewing(None if options.as_json else f"demo of {instrument}", span.rows)
        run = play(new, options.root, viewing, deadline_s, outcome)
    if options.as_json:
        print_json(outcome.to_json())
    else:
        say_result(outcome, run)
        say(f"Next: bulkhead trace {outcome.summary.get('trace_id') or 'ID'}, bulkhead replay PATH")
    return OK if outcome.ok else NOT_OK


def _data_of(options: DemoOptions) -> tuple[Path, str]:
    from shared.feeds import SAMPLE_PATH
    from shared.kernel.errors import OperatorFault

    if options.data is None:
        return SAMPLE_PATH.resolve(), options.instrument or SAMPLE_INSTRUMENT
    if options.instrument is None:
        raise OperatorFault(
            "OPTION_MISSING", field="--instrument", value=None, fix="Say what --data holds: ESM18."
        )
    return options.data.absolute(), options.instrument


def _measured(path: Path, instrument: str, as_json: bool) -> DataSpan:
    def progress(rows: int) -> None:
        if not as_json:
            note(f"reading {path.name}: {rows:,} rows so far")

    span = measure(path, instrument, progress)
    if not as_json:
        hours = (span.last_ns - span.first_ns) / 3.6e12
        note(f"{path.name}: {span.rows:,} trades over {hours:.1f} h, shown in {DATA_SECONDS} s")
    return span
