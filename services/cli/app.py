"""The command line's frame: the app, the options that many commands share, and the one way out.

Every command goes through `finish`, the one place that turns faults into a line on stderr and an
exit code; the codes are in exit_codes.py. There are no prompts.
"""

from __future__ import annotations

import signal
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from services.cli import exit_codes
from services.cli.output import CommandFailed, ReaderGone, fault_json, note, print_fault, print_json
from shared.kernel.errors import Fault, OurFault

DEFAULT_STRATEGY = "ema_cross"

app = typer.Typer(
    help="An automated futures trading system built from watertight compartments.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
bench_app = typer.Typer(help="Measure.", no_args_is_help=True, rich_markup_mode=None)
config_app = typer.Typer(
    help="Check and show settings.", no_args_is_help=True, rich_markup_mode=None
)
data_app = typer.Typer(
    help="Your own market data: import it, list it.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(bench_app, name="bench")
app.add_typer(config_app, name="config")
app.add_typer(data_app, name="data")

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object as the last line of stdout.")]
RunsDir = Annotated[
    Path | None,
    typer.Option("--runs-dir", help="Where runs are; else $BULKHEAD_RUNS, else ./runs."),
]
RunName = Annotated[
    Path | None, typer.Option("--run", help="A run's folder or id; else the latest.")
]
ConfigPath = Annotated[
    Path | None, typer.Argument(metavar="[PATH]", help="A config file or a run's folder.")
]
CatalogueDir = Annotated[
    Path | None,
    typer.Option("--catalogue", help="Its folder; else $BULKHEAD_CATALOGUE, else ./catalogue."),
]
Strategy = Annotated[str, typer.Option("--strategy", help="Name of the strategy.")]


def finish(work: Callable[[], int], as_json: bool) -> NoReturn:
    """Do a command's work and end with its exit code, whatever happens in it."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    raise typer.Exit(_guarded(work, as_json))


def _guarded(work: Callable[[], int], as_json: bool) -> int:
    try:
        return work()
    except CommandFailed as failed:
        fault, report = failed.fault, failed.report
    except Fault as error:
        fault, report = error, fault_json(error)
    except ReaderGone:
        return exit_codes.OK
    except KeyboardInterrupt:
        note("interrupted; what this command had started is stopped")
        if as_json:
            print_json({"ok": False, "error": "interrupted"})
        return exit_codes.INTERRUPTED
    except Exception as error:
        traceback.print_exc()
        seen = f"{type(error).__name__}: {error}"
        fault = OurFault("BUG", field="bulkhead", value=seen, fix="Report it with the lines above.")
        report = fault_json(fault)
    print_fault(fault)
    if as_json:
        print_json(report)
    return fault.exit_code


def _interrupt(number: int, frame: FrameType | None) -> None:
    """SIGTERM and a closed terminal end a command the way Ctrl-C does.

    Set for SIGINT too: a command started in the background inherits it as ignored.
    """
    raise KeyboardInterrupt
