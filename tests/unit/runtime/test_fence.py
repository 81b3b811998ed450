"""Ending another process by force: the right one, or none."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.runtime.fence import GONE, OTHER_PROCESS, fence
from shared.runtime.run_folder import RunFolder
from tests.unit.runtime.runs import make_run

SLEEP = "import time; time.sleep(60)"


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return make_run(tmp_path)


@pytest.fixture
def sleeping(run: RunFolder) -> Iterator[subprocess.Popen[bytes]]:
    """A process that looks like the router of this run."""
    words = ["-m", "services.order_router", "--run", str(run.root)]
    process = subprocess.Popen([sys.executable, "-c", SLEEP, *words])
    command = Path(f"/proc/{process.pid}/cmdline")
    while b"order_router" not in command.read_bytes():
        time.sleep(0.001)  # the kernel shows the new command a moment after the exec
    yield process
    process.kill()
    process.wait()


def test_the_named_process_is_ended_even_when_it_is_stopped(
    run: RunFolder, sleeping: subprocess.Popen[bytes]
) -> None:
    os.kill(sleeping.pid, signal.SIGSTOP)
    assert fence(run, "order_router", sleeping.pid) == "ENDED"
    assert sleeping.wait(timeout=10) == -signal.SIGKILL


def test_another_service_or_run_or_program_under_this_id_is_left_alone(
    run: RunFolder, sleeping: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    assert fence(run, "risk_engine", sleeping.pid) == OTHER_PROCESS
    assert fence(make_run(other), "order_router", sleeping.pid) == OTHER_PROCESS
    assert fence(run, "order_router", os.getpid()) == OTHER_PROCESS
    assert sleeping.poll() is None


def test_one_that_is_gone_is_said_to_be_gone(
    run: RunFolder, sleeping: subprocess.Popen[bytes]
) -> None:
    sleeping.kill()
    sleeping.wait()
    assert fence(run, "order_router", sleeping.pid) == GONE
