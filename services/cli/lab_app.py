"""The commands that measure and check: `sim`, `verify`, `bench`, `config`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.cli.app import (
    DEFAULT_STRATEGY,
    AsJson,
    ConfigPath,
    RunName,
    RunsDir,
    app,
    bench_app,
    config_app,
    finish,
)

Rate = Annotated[int, typer.Option("--rate", min=1, help="Ticks per second.")]


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


def chaos(
    kills: Annotated[int, typer.Option("--kills", min=1, max=10_000, help="How often.")] = 30,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of market and nemesis.")] = 1,
    strategy: Annotated[
        str, typer.Option("--strategy", help="Who trades: quote_fade has orders that work.")
    ] = DEFAULT_STRATEGY,
    runs_dir: RunsDir = None,
    as_json: AsJson = False,
) -> None:
    """Kill and freeze real processes while a strategy trades; nothing may be lost or doubled."""

    def work() -> int:
        from services.cli.chaos import ChaosOptions, run_chaos
        from services.cli.runs import runs_root

        return run_chaos(ChaosOptions(kills, seed, strategy, runs_root(runs_dir), as_json))

    finish(work, as_json)


def verify(
    run: Annotated[
        Path | None, typer.Argument(metavar="RUN", help="Folder or id of a run; else the latest.")
    ] = None,
    runs_dir: RunsDir = None,
    as_json: AsJson = False,
) -> None:
    """Every decision of a recorded run, made again and compared byte for byte."""

    def work() -> int:
        from services.cli.runs import runs_root
        from services.cli.verify import run_verify

        return run_verify(run, runs_root(runs_dir), as_json)

    finish(work, as_json)


def chain(
    rounds: Annotated[
        int, typer.Option("--rounds", min=1, help="Rounds, each with its floors.")
    ] = 5,
    seconds: Annotated[int, typer.Option("--seconds", min=1, help="Length of a round.")] = 10,
    rate_per_s: Rate = 300,
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


def feed(
    rows: Annotated[
        int, typer.Option("--rows", min=1_000, help="Made-up rows to send through.")
    ] = 120_000,
    runs_dir: RunsDir = None,
    as_json: AsJson = False,
) -> None:
    """Market events a second from ingestor to strategy, gaps, and what limits it."""

    def work() -> int:
        from services.cli.bench_feed import FeedBenchOptions, run_bench_feed
        from services.cli.runs import runs_root

        return run_bench_feed(FeedBenchOptions(rows, runs_root(runs_dir), as_json))

    finish(work, as_json)


def figures(
    seconds: Annotated[int, typer.Option("--seconds", min=2, help="Length of a run.")] = 10,
    rate_per_s: Rate = 300,
    runs_dir: RunsDir = None,
    as_json: AsJson = False,
) -> None:
    """Hop by hop, processor time per order, memory of the stack, orders a second at most."""

    def work() -> int:
        from services.cli.bench_figures import FiguresOptions, run_bench_figures
        from services.cli.runs import runs_root

        root = runs_root(runs_dir)
        return run_bench_figures(FiguresOptions(seconds, rate_per_s, root, as_json))

    finish(work, as_json)


def check(
    path: ConfigPath = None, run: RunName = None, runs_dir: RunsDir = None, as_json: AsJson = False
) -> None:
    """Validate every table with the services' own loaders."""

    def work() -> int:
        from services.cli.config_commands import run_config_check
        from services.cli.runs import runs_root

        return run_config_check(path, run, runs_root(runs_dir), as_json)

    finish(work, as_json)


def show(
    path: ConfigPath = None, run: RunName = None, runs_dir: RunsDir = None, as_json: AsJson = False
) -> None:
    """Effective values, defaults included, with their hash."""

    def work() -> int:
        from services.cli.config_commands import run_config_show
        from services.cli.runs import runs_root

        return run_config_show(path, run, runs_root(runs_dir), as_json)

    finish(work, as_json)


def register() -> None:
    """Put them into the app, behind the commands of daily use."""
    app.command()(sim)
    app.command()(chaos)
    app.command()(verify)
    bench_app.command()(chain)
    bench_app.command()(feed)
    bench_app.command()(figures)
    config_app.command()(check)
    config_app.command()(show)
