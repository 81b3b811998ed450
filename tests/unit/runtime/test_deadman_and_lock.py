"""A process that stalls is ended; a second process for the same endpoints is refused."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.kernel.errors import OperatorFault
from shared.runtime.effects import Transmit
from shared.runtime.run_folder import RunFolder
from shared.runtime.wires import Wires, concrete
from tests.unit.runtime.runs import make_run

STALLS = """
import time
from shared.runtime.deadman import Deadman
def stuck_in_the_loop():
    time.sleep(30)
Deadman(1)
stuck_in_the_loop()
"""
LIVES = """
import time
from shared.runtime.deadman import Deadman
deadman = Deadman(1)
for _ in range(8):
    time.sleep(0.2)
    deadman.alive()
deadman.disarm()
time.sleep(1.2)
print("lived")
"""


def run_script(script: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )


def test_a_loop_that_stalls_is_ended_with_its_stack_on_stderr(repository_root: Path) -> None:
    result = run_script(STALLS, repository_root)
    assert result.returncode == -signal.SIGALRM
    assert "stuck_in_the_loop" in result.stderr


def test_a_loop_that_makes_progress_lives_and_a_clean_end_disarms(repository_root: Path) -> None:
    result = run_script(LIVES, repository_root)
    assert (result.returncode, result.stdout, result.stderr) == (0, "lived\n", "")


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunFolder]:
    """A run whose socket folder has a short path: a Unix socket allows 107 characters."""
    with tempfile.TemporaryDirectory(prefix="bh", dir="/tmp") as sock_dir:
        yield make_run(tmp_path, sock_dir)


def test_a_second_process_of_a_service_is_refused_until_the_first_is_gone(run: RunFolder) -> None:
    first = Wires(run, "venue")
    try:
        with pytest.raises(OperatorFault) as caught:
            Wires(run, "venue")
        assert (caught.value.code, caught.value.value) == ("SERVICE_RUNNING", "venue")
        Wires(run, "market_data").close()
    finally:
        first.close()
    Wires(run, "venue").close()


def test_a_stream_template_is_filled_in_with_the_instrument_of_the_run(run: RunFolder) -> None:
    assert concrete("market.{instrument}", run) == "market.ESZ24"
    assert concrete("ledger", run) == "ledger"


def test_a_frame_for_a_peer_that_is_away_is_refused_not_queued(run: RunFolder) -> None:
    wires = Wires(run, "order_router")
    try:
        for route, peer in (("dealer", "venue"), ("router", "watchdog")):
            assert wires.send([Transmit(route, peer, b"frame", "id", "kind")]) is False
        assert wires.send([Transmit("pub", "", b"frame", "id", "kind")]) is True
        assert list(wires.poll(0)) == []
    finally:
        wires.close()
