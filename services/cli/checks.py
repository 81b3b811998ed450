"""Validates a run's config the way its services will: with their own loaders, and its strategy."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from proto_schemas.registry import SERVICES
from services.cli.runs import Tables, toml_text
from services.cli.strategies_folder import absolute_in, refuse_missing, with_default
from services.strategy_engine.config import load as strategy_engine
from services.strategy_engine.loader import load_strategy
from shared.kernel.errors import OperatorFault
from shared.runtime import priority
from shared.runtime.run_folder import RunFolder
from shared.runtime.settings import read_toml

# For a file with settings only: the tables without which it is no run.
STAND_IN: Tables = {
    "run": {
        "stage": "replay",
        "run_id": "check",
        "install_id": "000000000000",
        "instrument": "ESM30",
        "strategy": "ema_cross",
        "sock_dir": "/nowhere",
    },
    "venue": {"data_path": "/nowhere"},
}


def check_run(run: RunFolder) -> dict[str, dict[str, Any]]:
    """The effective settings of every service; `OperatorFault` for the first that is wrong."""
    refuse_unknown_tables(read_toml(run.config))
    _check_strategy(run)
    of_run = {"run": asdict(run.settings), priority.TABLE: asdict(priority.read(run))}
    return {**of_run, **{name: _settings(run, name) for name in SERVICES}}


def refuse_unknown_tables(tables: Mapping[str, Any]) -> None:
    """Every key stands in a table of a service, or in `[run]`."""
    known = ("run", priority.TABLE, *SERVICES)
    for table, content in tables.items():
        if table not in known or not isinstance(content, dict):
            raise OperatorFault(
                "CONFIG_UNKNOWN_TABLE", field=table, value="", fix=f"Tables: {', '.join(known)}."
            )


def _check_strategy(run: RunFolder) -> None:
    """Load it, unless the run has traded: then its journal says which code goes on."""
    engine = strategy_engine(run)
    if not run.journal("strategy_engine").exists():
        refuse_missing(engine.tunables.strategies_dir)
        load_strategy(engine.strategy, *engine.folders)


def _settings(run: RunFolder, service: str) -> dict[str, Any]:
    config = import_module(f"services.{service}.config").load(run)
    return asdict(config) if is_dataclass(config) and not isinstance(config, type) else {}


@contextmanager
def opened(path: Path) -> Iterator[RunFolder]:
    """A run's folder or a config file as a run; what only a run knows gets a stand-in."""
    if path.is_dir():
        yield RunFolder.open(path.resolve())
        return
    tables = with_default(absolute_in(read_toml(path), path))
    with tempfile.TemporaryDirectory(prefix="bulkhead-check-") as folder:
        copy = Path(folder) / "config.toml"
        copy.write_text(toml_text(_as_run(tables)))
        yield RunFolder.open(Path(folder))


def _as_run(tables: Tables) -> dict[str, Any]:
    """What only a run knows gets a stand-in; of `[run]` a config file may say a part."""
    refuse_unknown_tables(tables)
    return {**STAND_IN, **tables, "run": {**STAND_IN["run"], **tables.get("run", {})}}
