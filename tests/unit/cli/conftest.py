"""A run whose services are stand-ins, for the commands that ask them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli.runs import NewRun, create_run, remove_sockets
from shared.runtime.run_folder import RunFolder


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunFolder]:
    """A run's folder and the folder of its sockets; nobody serves there yet."""
    made = create_run(NewRun("demo", "ESM30", "ema_cross"), tmp_path)
    yield made
    remove_sockets(made)
