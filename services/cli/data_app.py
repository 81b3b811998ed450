"""The commands about recorded data: `data import`, `data list`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.cli.app import AsJson, CatalogueDir, data_app, finish


def import_(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A file, or a folder of files.")],
    instrument: Annotated[str, typer.Option("--instrument", help="One contract, such as ESZ13.")],
    catalogue: CatalogueDir = None,
    as_json: AsJson = False,
) -> None:
    """Put a contract's data into the catalogue, from any known format.

    Formats: LEAN futures zips, Databento DBN, NinjaTrader and IQFeed exports, CSV. A file that is
    in already adds nothing; an import that was stopped goes on when it is started again.

    Exit codes: 0 all is in; 65 bad rows were left out and are named; 64 the file, the contract or
    the disk is not right. The catalogue is whole in every case.
    """

    def work() -> int:
        from services.cli.data_commands import catalogue_dir, run_import

        return run_import(path, instrument, catalogue_dir(catalogue), as_json)

    finish(work, as_json)


def list_(catalogue: CatalogueDir = None, as_json: AsJson = False) -> None:
    """What the catalogue holds: contracts, tables, rows, days."""

    def work() -> int:
        from services.cli.data_commands import catalogue_dir, run_list

        return run_list(catalogue_dir(catalogue), as_json)

    finish(work, as_json)


def register() -> None:
    """Put them into the app."""
    data_app.command("import")(import_)
    data_app.command("list")(list_)
