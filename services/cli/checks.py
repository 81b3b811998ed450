"""Validates a run's config the way its services will: with their own loaders, and its strategy."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from proto_schemas.registry import SERVICES
from services.cli.runs import toml_text
from services.strategy_engine.loader import load_strategy
from shared.kernel.errors import OperatorFault
from shared.runtime.run_folder import RunFolder
from shared.runtime.settings import read_toml

# For a file with settings only: the least that makes it a run.
STAND_IN = {
    "stage": "replay",
    "run_id": "check",
    "install_id": "000000000000",
    "instrument": "ESM30",
    "strategy": "ema_cross",
    "sock_dir": "/nowhere",
}


def check_run(run: RunFolder) -> dict[str, dict[str, Any]]:
    """The effective settings of every service; `OperatorFault` for the first that is wrong."""
    known = ("run", *SERVICES)
    for table, content in read_toml(run.config).items():
        if table not in known or not isinstance(content, dict):
            raise OperatorFault(
                "CONFIG_UNKNOWN_TABLE", field=table, value="", fix=f"Tables: {', '.join(known)}."
            )
    load_strategy(run.settings.strategy)
    return {"run": asdict(run.settings), **{name: _settings(run, name) for name in SERVICES}}


def _settings(run: RunFolder, service: str) -> dict[str, Any]:
    config = import_module(f"services.{service}.config").load(run)
    return asdict(config) if is_dataclass(config) and not isinstance(config, type) else {}


@contextmanager
def opened(path: Path) -> Iterator[RunFolder]:
    """A run's folder or a config file as a run; a file without `[run]` gets a stand-in for it."""
    if path.is_dir():
        yield RunFolder.open(path.resolve())
        return
    tables = read_toml(path)
    with tempfile.TemporaryDirectory(prefix="bulkhead-check-") as folder:
        copy = Path(folder) / "config.toml"
        shutil.copyfile(path, copy)
        if "run" not in tables:
            copy.write_text(f"{toml_text({'run': STAND_IN})}\n{path.read_text()}")
        yield RunFolder.open(Path(folder))
