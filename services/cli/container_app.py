"""The commands that containers run: `prepare` once before the services, `health` beside each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.cli.app import AsJson, RunName, RunsDir, app, finish


def prepare(
    config: Annotated[Path, typer.Option("--config", help="A file with settings, as for `up`.")],
    sockets: Annotated[Path, typer.Option("--sockets", help="The folder that all share.")],
    runs_dir: RunsDir = None,
    as_json: AsJson = False,
) -> None:
    """Make or check the paper run whose services are containers; start nothing."""

    def work() -> int:
        from services.cli.prepare import run_prepare
        from services.cli.runs import runs_root

        return run_prepare(config, sockets, runs_root(runs_dir), as_json)

    finish(work, as_json)


def health(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="Such as order_router.")],
    sockets: Annotated[
        Path | None, typer.Option("--sockets", help="The run's sockets' folder; saves a look-up.")
    ] = None,
    run: RunName = None,
    runs_dir: RunsDir = None,
    as_json: AsJson = False,
) -> None:
    """Does this service's main loop turn? Exit code 1 if it does not."""

    def work() -> int:
        from services.cli.health import run_health

        return run_health(service, sockets or _sockets_of(run, runs_dir), as_json)

    finish(work, as_json)


def _sockets_of(run: Path | None, runs_dir: Path | None) -> Path:
    from services.cli.runs import find_run, runs_root

    return Path(find_run(run, runs_root(runs_dir)).settings.sock_dir)


def register() -> None:
    """Add them to the app; called once, after the commands of daily use."""
    for command in (prepare, health):
        app.command()(command)
