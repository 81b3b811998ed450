"""`bulkhead config check` and `bulkhead config show`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from services.cli.checks import check_run, opened
from services.cli.exit_codes import OK
from services.cli.output import print_json, say
from services.cli.runs import find_run
from shared.runtime.run_folder import RunFolder


def run_config_check(path: Path | None, named: Path | None, root: Path, as_json: bool) -> int:
    """Ends with the first fault; otherwise says that all is well."""
    with _chosen(path, named, root) as run:
        tables = check_run(run)
        config_hash = run.config_hash
    if as_json:
        print_json({"ok": True, "config_hash": config_hash, "tables": list(tables), "error": None})
    else:
        say(f"ok: {len(tables)} tables, hash {config_hash}")
    return OK


def run_config_show(path: Path | None, named: Path | None, root: Path, as_json: bool) -> int:
    """Effective values, defaults included."""
    with _chosen(path, named, root) as run:
        tables = check_run(run)
        config_hash = run.config_hash
    if as_json:
        print_json({"ok": True, "config_hash": config_hash, "tables": tables, "error": None})
    else:
        _say_tables(tables, config_hash)
    return OK


@contextmanager
def _chosen(path: Path | None, named: Path | None, root: Path) -> Iterator[RunFolder]:
    if path is None:
        yield find_run(named, root)
        return
    with opened(path) as run:
        yield run


def _say_tables(tables: dict[str, dict[str, Any]], config_hash: str) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table("table", "key", title=f"config {config_hash}")
    table.add_column("value", overflow="fold")
    for name, values in tables.items():
        for key, value in values.items():
            table.add_row(name, key, escape(str(value)))
    Console().print(table)
