"""The commands about your own strategies: `new-strategy` and `reload`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.cli.app import AsJson, RunName, RunsDir, app, finish


def new_strategy(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Such as my_first.")],
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Where to put it; else ./strategies.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write a strategy to start from into ./strategies; a file that is there is never touched."""

    def work() -> int:
        from services.cli.new_strategy import run_new_strategy

        return run_new_strategy(name, folder, as_json)

    finish(work, as_json)


def reload(
    keep_position: Annotated[
        bool,
        typer.Option(
            "--keep-position", help="Also with a position or open orders: the new code has them."
        ),
    ] = False,
    run: RunName = None,
    runs_dir: RunsDir = None,
    as_json: AsJson = False,
) -> None:
    """Run the strategy's file as it stands now; nothing else restarts.

    The new code begins with an empty memory, so it is taken only while the strategy is flat and has
    no open order. With --keep-position it takes over what is there: orders at the broker stay.

    A file that cannot run is refused with its line and the fix, and the code that ran goes on. A
    strategy that was paused runs again.
    """

    def work() -> int:
        from services.cli.reload import ReloadOptions, run_reload
        from services.cli.runs import runs_root

        return run_reload(ReloadOptions(keep_position, run, runs_root(runs_dir), as_json))

    finish(work, as_json)


def register() -> None:
    """Put them into the app."""
    app.command()(new_strategy)
    app.command()(reload)
