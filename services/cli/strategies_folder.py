"""Where a person's own strategies are: a folder that the config names, else `./strategies`.

The services are told an absolute path, because they start somewhere else. A relative one in a
config file counts from that file.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from services.cli.runs import Tables
from shared.kernel.errors import OperatorFault

TABLE, KEY = "strategy_engine", "strategies_dir"
FOLDER_NAME = "strategies"


def default_folder() -> Path:
    """`strategies` in the folder that the command is run in; it need not exist."""
    return Path(FOLDER_NAME).absolute()


def named_in(tables: Mapping[str, Any]) -> str:
    """The folder that these settings name; empty if none."""
    table = tables.get(TABLE)
    found = table.get(KEY, "") if isinstance(table, Mapping) else ""
    return found if isinstance(found, str) else ""


def absolute_in(tables: dict[str, Any], config: Path) -> dict[str, Any]:
    """The settings of this config file, with the folder's path made absolute."""
    named = named_in(tables)
    return {**with_folder(tables, config.absolute().parent / named)} if named else tables


def with_default(tables: Tables, before: Tables | None = None) -> Tables:
    """Settings that name a folder, or none, as they are; else that from before, or the default."""
    if KEY in tables.get(TABLE, {}):
        return tables
    old = named_in(before or {})
    folder = Path(old) if old else default_folder()
    return with_folder(tables, folder) if old or folder.is_dir() else tables


def with_folder(tables: Tables, folder: Path) -> Tables:
    """The settings with this folder in them."""
    return {**tables, TABLE: {**tables.get(TABLE, {}), KEY: str(folder)}}


def refuse_missing(named: str) -> None:
    """A folder that the config names must be there."""
    if named and not Path(named).is_dir():
        raise OperatorFault(
            "STRATEGIES_MISSING",
            field=f"{TABLE}.{KEY}",
            value=named,
            fix="Make this folder, or name another in the config.",
        )
