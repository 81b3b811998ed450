"""`bulkhead replay`: recorded data, or made-up rows, through the real processes, nothing lost.

At `--speed max` the feed is paced by credit alone. There is no overall limit unless `--timeout`
sets one; a minute without progress ends it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from services.cli.data_span import probe
from services.cli.exit_codes import NOT_OK, OK
from services.cli.lockstep import play_in_lockstep
from services.cli.outcome import Outcome
from services.cli.output import note, print_json
from services.cli.playing import play, reporting
from services.cli.result_text import say_result
from services.cli.runs import NewRun, Scalar
from services.cli.screen import Viewing
from services.cli.service_log import bad_rows
from services.cli.strategies_folder import with_default
from shared.kernel.errors import OperatorFault
from shared.runtime.run_folder import RunFolder

BAD_ROWS_SHOWN_MAX = 20
SPEED_MAX = "max"
SEED = 1


@dataclass(frozen=True, slots=True)
class ReplayOptions:
    """The options of the command."""

    data: Path | None
    made_up_rows: int | None
    instrument: str
    strategy: str
    speed: str
    timeout_s: float | None
    in_lockstep: bool
    root: Path
    as_json: bool


def run_replay(options: ReplayOptions) -> int:
    """Run it and report; the exit code."""
    outcome = Outcome("replay")
    with reporting(outcome):
        name, feed = _feed_of(options)
        tables = with_default({"venue": {**feed, **speed_setting(options.speed)}})
        new = NewRun("replay", options.instrument, options.strategy, tables, options.in_lockstep)
        title = None if options.as_json else f"replay of {name}"
        limit_s = options.timeout_s
        deadline_s = None if limit_s is None else time.monotonic() + limit_s
        if options.in_lockstep:
            run = play_in_lockstep(new, options.root, title, deadline_s, outcome)
        else:
            run = play(new, options.root, Viewing(title), deadline_s, outcome)
    _name_bad_rows(run)
    if options.as_json:
        print_json(outcome.to_json())
    else:
        say_result(outcome, run)
    return OK if outcome.ok else NOT_OK


def _feed_of(options: ReplayOptions) -> tuple[str, dict[str, Scalar]]:
    """Its name for people, and the venue's setting; a path is looked at before anything starts."""
    if (options.data is None) == (options.made_up_rows is None):
        raise OperatorFault(
            "OPTION_MISSING",
            field="PATH or --catalogue, --made-up",
            value=(options.data, options.made_up_rows),
            fix="Name recorded data, or say how many rows of the made-up market: one of the two.",
        )
    if options.data is None:
        rows = options.made_up_rows or 0
        return f"{rows:,} made-up rows", {"synthetic_seed": SEED, "synthetic_rows": rows}
    path = options.data.absolute()
    if probe(path, options.instrument):
        note(
            "bars are played as four trades each: prices and closes are real, what happens"
            " within a bar is made up (docs/data.md)"
        )
    return path.name, {"data_path": str(path)}


def speed_setting(speed: str) -> dict[str, Scalar]:
    """`max`, or a multiple of real speed with at most three decimals, as the venue's setting."""
    if speed == SPEED_MAX:
        return {"speed_milli": 0}
    whole, _, fraction = speed.partition(".")
    digits = whole + fraction.ljust(3, "0")
    if not (digits.isascii() and digits.isdecimal() and len(fraction) <= 3 and int(digits) > 0):
        raise OperatorFault(
            "OPTION_SPEED",
            field="--speed",
            value=speed,
            fix="Write max, or how many times real speed: 1, 60, 0.5.",
        )
    return {"speed_milli": int(digits)}


def _name_bad_rows(run: RunFolder) -> None:
    rows = bad_rows(run)
    for row in rows[:BAD_ROWS_SHOWN_MAX]:
        note(f"bad row: {row.get('file')}:{row.get('line')}: {row.get('reason')}")
    if len(rows) > BAD_ROWS_SHOWN_MAX:
        note(f"and {len(rows) - BAD_ROWS_SHOWN_MAX} more bad rows: see {run.log('venue')}")
