"""The command line `bulkhead`. Start reading here; each command's work is in the file of its name.

Modules are imported when their command runs, so that `bulkhead --help` is quick. Every command goes
through `finish`, the one place that turns faults into a line on stderr and an exit code; the codes
are in exit_codes.py. There are no prompts.
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
from services.cli.output import CommandFailed, fault_json, note, print_fault, print_json
from shared.kernel.errors import Fault, OurFault

USAGE_ERROR = 2  # what the option parser ends with
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
app.add_typer(bench_app, name="bench")
app.add_typer(config_app, name="config")

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
Strategy = Annotated[str, typer.Option("--strategy", help="Name of the strategy.")]


@app.command()
def demo(
    data: Annotated[
        Path | None, typer.Option("--data", help="Your own data; else a sample.")
    ] = None,
    instrument: Annotated[
        str | None, typer.Option("--instrument", help="Contract of the data, such as ESM18.")
    ] = None,
    strategy: Strategy = DEFAULT_STRATEGY,
    runs_dir: RunsDir = None,
    as_json: AsJson = False,
) -> None:
    """Something alive within a minute: a fresh run on a sample, closed flat at its end."""

    def work() -> int:
        from services.cli.demo import DemoOptions, run_demo
        from services.cli.runs import runs_root

        return run_demo(DemoOptions(data, instrument, strategy, runs_root(runs_dir), as_json))

    finish(work, as_json)


@app.command()
def replay(
    data: Annotated[Path, typer.Argument(metavar="PATH", help="A data file or a folder of them.")],
    instrument: Annotated[str, typer.Option("--instrument", help="Contract, such as ESM18.")],
    strategy: Strategy = DEFAULT_STRATEGY,
    speed: Annotated[str, typer.Option("--speed", help="max, or times real speed.")] = "max",
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=1, help="Seconds for the whole run.")
    ] = None,
    runs_dir: RunsDir = None,
    as_json: AsJson = False,
) -> None:
    """Recorded data through the real processes."""

    def work() -> int:
        from services.cli.replay import ReplayOptions, run_replay
        from services.cli.runs import runs_root

        root = runs_root(runs_dir)
        return run_replay(ReplayOptions(data, instrument, strategy, speed, timeout, root, as_json))

    finish(work, as_json)


@app.command()
def trace(
    trace_id: Annotated[str, typer.Argument(metavar="ID", help="Correlation or client order id.")],
    run: RunName = None,
    runs_dir: RunsDir = None,
    as_json: AsJson = False,
) -> None:
    """One trade from tick to fill, with the time of each step."""

    def work() -> int:
        from services.cli.runs import runs_root
        from services.cli.trace import run_trace

        return run_trace(trace_id, run, runs_root(runs_dir), as_json)

    finish(work, as_json)


@app.command()
def status(run: RunName = None, runs_dir: RunsDir = None, as_json: AsJson = False) -> None:
    """What the monitor sees now; exit code 1 if no run is up."""

    def work() -> int:
        from services.cli.runs import runs_root
        from services.cli.status import run_status

        return run_status(run, runs_root(runs_dir), as_json)

    finish(work, as_json)


@app.command()
def kill(
    reason: Annotated[str, typer.Option("--reason", help="Why; it goes into the record.")],
    run: RunName = None,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait up to 30 s until it is proven flat.")
    ] = True,
    runs_dir: RunsDir = None,
    as_json: AsJson = False,
) -> None:
    """Stop everything now: cancel all orders, close every position, stay stopped.

    The watchdog latches the kill on disk, then shuts, cancels and closes. A restart does not clear
    it; only `bulkhead resume` does. If the watchdog does not answer within 3 s, a file named KILL
    is made in the run's folder, and the watchdog reads it as soon as it lives.

    Exit codes: 0 flat; 75 not flat in time, it stays latched and goes on closing; 1 no run is up.

    Ways in without this command: `touch KILL` in the run's folder; SIGUSR1 to the watchdog.
    """

    def work() -> int:
        from services.cli.kill import KillOptions, run_kill
        from services.cli.runs import runs_root

        return run_kill(KillOptions(reason, run, runs_root(runs_dir), wait, as_json))

    finish(work, as_json)


@app.command()
def resume(
    operator: Annotated[str, typer.Option("--operator", help="Who you are.")],
    reason: Annotated[str, typer.Option("--reason", help="Why it may go on.")],
    kill_id: Annotated[
        str | None, typer.Option("--kill-id", help="Which kill; `bulkhead status` shows it.")
    ] = None,
    run: RunName = None,
    runs_dir: RunsDir = None,
    as_json: AsJson = False,
) -> None:
    """End one kill and trade again. Needs its id, your name and a reason.

    The watchdog refuses (exit code 64) if another kill holds, or while the account is not proven
    flat and reconciled.

    If a file KILL is still in the run's folder, it is removed first, but only when the kill that
    holds is the one named here: left there, the watchdog's next life would read it again and stop.
    """

    def work() -> int:
        from services.cli.resume import ResumeOptions, run_resume
        from services.cli.runs import runs_root

        root = runs_root(runs_dir)
        return run_resume(ResumeOptions(kill_id, operator, reason, run, root, as_json))

    finish(work, as_json)


@app.command()
def sim(
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How many.")] = 200,
    first_seed: Annotated[int, typer.Option("--first-seed", min=0, help="The first.")] = 1,
    replay_seed: Annotated[
        int | None, typer.Option("--replay", min=0, help="Tell the story of one seed.")
    ] = None,
    kills: Annotated[
        int, typer.Option("--kills", min=0, max=50, help="Pull the kill switch so often a seed.")
    ] = 0,
    jobs: Annotated[
        int | None, typer.Option("--jobs", min=1, help="Processes; else one for each core.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """The fault simulator: lost, late and doubled messages, kills, all from a seed."""

    def work() -> int:
        from services.cli.lab_commands import SimOptions, run_sim, tell_seed

        if replay_seed is not None:
            return tell_seed(replay_seed, kills, as_json)
        return run_sim(SimOptions(first_seed, seeds, kills, jobs, as_json))

    finish(work, as_json)


@bench_app.command()
def chain(
    rounds: Annotated[
        int, typer.Option("--rounds", min=1, help="Rounds, each with its floors.")
    ] = 5,
    seconds: Annotated[int, typer.Option("--seconds", min=1, help="Length of a round.")] = 10,
    rate_per_s: Annotated[int, typer.Option("--rate", min=1, help="Ticks per second.")] = 300,
    runs_dir: RunsDir = None,
    as_json: AsJson = False,
) -> None:
    """Tick to order through the real processes, as a ratio to bare sockets."""

    def work() -> int:
        from services.cli.lab_commands import BenchOptions, run_bench_chain
        from services.cli.runs import runs_root

        root = runs_root(runs_dir)
        return run_bench_chain(BenchOptions(rounds, seconds, rate_per_s, root, as_json))

    finish(work, as_json)


@config_app.command()
def check(
    path: ConfigPath = None, run: RunName = None, runs_dir: RunsDir = None, as_json: AsJson = False
) -> None:
    """Validate every table with the services' own loaders."""

    def work() -> int:
        from services.cli.config_commands import run_config_check
        from services.cli.runs import runs_root

        return run_config_check(path, run, runs_root(runs_dir), as_json)

    finish(work, as_json)


@config_app.command()
def show(
    path: ConfigPath = None, run: RunName = None, runs_dir: RunsDir = None, as_json: AsJson = False
) -> None:
    """Effective values, defaults included, with their hash."""

    def work() -> int:
        from services.cli.config_commands import run_config_show
        from services.cli.runs import runs_root

        return run_config_show(path, run, runs_root(runs_dir), as_json)

    finish(work, as_json)


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


def main() -> int:
    """Entry point; the exit code. A wrong option is the operator's fault, like a wrong value."""
    try:
        app()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else exit_codes.OK
        return exit_codes.OPERATOR if code == USAGE_ERROR else code
    return exit_codes.OK
