"""The command line `bulkhead`. Start reading here; each command's work is in the file of its name.

Modules are imported when their command runs, so that `bulkhead --help` is quick. Here are the
commands of daily use; those about your own strategies are in strategy_app.py, those for containers
in container_app.py, those that measure and check in lab_app.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.cli import container_app, data_app, exit_codes, lab_app, strategy_app
from services.cli.app import (
    DEFAULT_STRATEGY,
    AsJson,
    CatalogueDir,
    RunName,
    RunsDir,
    Strategy,
    app,
    finish,
)

USAGE_ERROR = 2  # what the option parser ends with


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
    instrument: Annotated[str, typer.Option("--instrument", help="Contract, such as ESM18.")],
    data: Annotated[
        Path | None,
        typer.Argument(metavar="[PATH]", help="A data file or a folder of them; else a catalogue."),
    ] = None,
    catalogue: CatalogueDir = None,
    made_up: Annotated[
        int | None, typer.Option("--made-up", min=1, help="Instead: rows of the made-up market.")
    ] = None,
    strategy: Strategy = DEFAULT_STRATEGY,
    speed: Annotated[str, typer.Option("--speed", help="max, or times real speed.")] = "max",
    timeout: Annotated[
        float | None, typer.Option("--timeout", min=1, help="Seconds for the whole run.")
    ] = None,
    lockstep: Annotated[
        bool,
        typer.Option("--lockstep", help="In one process and virtual time: same bytes."),
    ] = False,
    runs_dir: RunsDir = None,
    as_json: AsJson = False,
) -> None:
    """Recorded data, of files or of a catalogue, through the real processes.

    With --lockstep through the same cores in one process, in step.
    """

    def work() -> int:
        from services.cli.data_commands import recorded_path
        from services.cli.replay import ReplayOptions, run_replay
        from services.cli.runs import runs_root

        recorded = made_up is None or data is not None or catalogue is not None
        path = recorded_path(data, catalogue) if recorded else None
        root = runs_root(runs_dir)
        options = ReplayOptions(
            path, made_up, instrument, strategy, speed, timeout, lockstep, root, as_json
        )
        return run_replay(options)

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
def incident(
    wanted: Annotated[
        str, typer.Argument(metavar="ID", help="Of an order, a signal, an execution or a kill.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="The file, - for stdout; else incident-ID.md here.")
    ] = None,
    run: RunName = None,
    runs_dir: RunsDir = None,
    as_json: AsJson = False,
) -> None:
    """One file with all that is known about a trade or a kill, fit to be mailed.

    Chain with stamps, market, limits, lease, broker's and exchange's words, ledger before and
    after, code, config, logs. Values that look like secrets are left out.
    """

    def work() -> int:
        from services.cli.incident import IncidentOptions, run_incident
        from services.cli.runs import runs_root

        return run_incident(IncidentOptions(wanted, out, run, runs_root(runs_dir), as_json))

    finish(work, as_json)


@app.command()
def up(
    config: Annotated[
        Path | None, typer.Option("--config", help="A file with settings: strategy, limits, feed.")
    ] = None,
    strategy: Annotated[str | None, typer.Option("--strategy", help="For a new run.")] = None,
    instrument: Annotated[str | None, typer.Option("--instrument", help="For a new run.")] = None,
    speed: Annotated[
        str | None, typer.Option("--speed", help="Times real speed; else as it was, first 1.")
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="A new paper account; the old run is moved aside.")
    ] = False,
    runs_dir: RunsDir = None,
    as_json: AsJson = False,
) -> None:
    """Paper trading in the background, on a made-up market: no keys, nothing live.

    The run lasts: `down` and `up` again go on where it stopped. Returns when everything serves.
    """

    def work() -> int:
        from services.cli.paper import Wanted
        from services.cli.replay import speed_setting
        from services.cli.runs import runs_root
        from services.cli.up import UpOptions, run_up

        milli = None if speed is None else speed_setting(speed)
        wanted = Wanted(config, instrument, strategy, milli, fresh)
        return run_up(UpOptions(wanted, runs_root(runs_dir), as_json))

    finish(work, as_json)


@app.command()
def down(run: RunName = None, runs_dir: RunsDir = None, as_json: AsJson = False) -> None:
    """Stop a run that is up. Closes nothing: a position stays open in the account."""

    def work() -> int:
        from services.cli.runs import runs_root
        from services.cli.up import run_down

        return run_down(run, runs_root(runs_dir), as_json)

    finish(work, as_json)


@app.command()
def restart(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="Such as order_router.")],
    run: RunName = None,
    runs_dir: RunsDir = None,
    as_json: AsJson = False,
) -> None:
    """Restart one service of a run that is up; the others go on."""

    def work() -> int:
        from services.cli.restart import run_restart
        from services.cli.runs import runs_root

        return run_restart(service, run, runs_root(runs_dir), as_json)

    finish(work, as_json)


@app.command()
def logs(
    service: Annotated[str | None, typer.Argument(metavar="[SERVICE]", help="Else all.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="Last lines to show.")] = 50,
    run: RunName = None,
    runs_dir: RunsDir = None,
    as_json: AsJson = False,
) -> None:
    """What the services say, in order of time; --json shows the lines as they are."""

    def work() -> int:
        from services.cli.logs import LogOptions, run_logs
        from services.cli.runs import runs_root

        root = runs_root(runs_dir)
        return run_logs(LogOptions(service, lines, follow, run, root, as_json))

    finish(work, as_json)


@app.command()
def doctor(runs_dir: RunsDir = None, as_json: AsJson = False) -> None:
    """Is this box fit to trade? Exit code 1 if anything must be mended first."""

    def work() -> int:
        from services.cli.doctor import run_doctor
        from services.cli.runs import runs_root

        return run_doctor(runs_root(runs_dir), as_json)

    finish(work, as_json)


@app.command()
def status(
    run: RunName = None,
    watch: Annotated[bool, typer.Option("--watch", help="Once a second until Ctrl-C.")] = False,
    runs_dir: RunsDir = None,
    as_json: AsJson = False,
) -> None:
    """What is up, who may trade, position and P&L; exit code 1 if no run is up."""

    def work() -> int:
        from services.cli.runs import runs_root
        from services.cli.status import run_status

        return run_status(run, runs_root(runs_dir), watch, as_json)

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


strategy_app.register()
container_app.register()
data_app.register()
lab_app.register()


def main() -> int:
    """Entry point; the exit code. A wrong option is the operator's fault, like a wrong value."""
    try:
        app()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else exit_codes.OK
        return exit_codes.OPERATOR if code == USAGE_ERROR else code
    return exit_codes.OK
