"""Health of a real process: it asks whether the loop turns, and not whether there is a market."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli.runs import NewRun, create_run, discard_run
from shared.runtime.run_folder import RunFolder
from tests.process.conftest import ROOT, finish
from tests.process.trading import wait_until

SERVICE = "market_data"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunFolder]:
    made = create_run(
        NewRun("paper", "ESM30", "ema_cross", {"venue": {"synthetic_seed": 1}}), tmp_path
    )
    yield made
    discard_run(made)


def health(run: RunFolder) -> tuple[int, str]:
    """The check as a container makes it."""
    done = subprocess.run(
        [sys.executable, "-m", "services.cli.health", SERVICE, run.settings.sock_dir],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.strip()


def test_it_is_well_without_any_market_ill_when_frozen_and_when_gone(run: RunFolder) -> None:
    assert health(run) == (1, f"{SERVICE}: its main loop has not turned yet")
    process = subprocess.Popen(
        [sys.executable, "-m", f"services.{SERVICE}", "--run", str(run.root)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        wait_until("nobody sends it anything, and it is well", lambda: health(run)[0] == 0)
        os.kill(process.pid, signal.SIGSTOP)
        wait_until("it is frozen, and ill", lambda: health(run)[0] == 1)
        assert "silent for" in health(run)[1]
    finally:
        # Frozen for longer than the dead-man timer allows: woken, it ends itself.
        os.kill(process.pid, signal.SIGCONT)
        process.terminate()
        finish(process, 20)
    wait_until("it is gone, and ill", lambda: health(run)[0] == 1)
