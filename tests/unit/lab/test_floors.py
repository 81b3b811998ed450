"""The floors return every message in order, leave no process behind, and fail loudly."""

import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from services.lab import floors

KINDS: list[floors.Kind] = ["unix", "zmq"]
both_kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> "list[subprocess.Popen[bytes]]":
    """Every relay that the test starts."""
    relays: list[subprocess.Popen[bytes]] = []
    start = subprocess.Popen

    def remember(*arguments: Any, **options: Any) -> "subprocess.Popen[bytes]":
        relays.append(start(*arguments, **options))
        return relays[-1]

    monkeypatch.setattr(subprocess, "Popen", remember)
    return relays


def assert_nothing_left(relays: "list[subprocess.Popen[bytes]]", run_dir: Path) -> None:
    assert len(relays) == len(floors.RELAYS)
    assert all(relay.returncode is not None for relay in relays)  # ended and reaped
    assert not any(Path(f"/proc/{relay.pid}").exists() for relay in relays)
    assert list(run_dir.iterdir()) == []


@both_kinds
def test_paced_run(
    kind: floors.Kind, tmp_path: Path, started: "list[subprocess.Popen[bytes]]"
) -> None:
    result = floors.measure_floor(kind, tmp_path, rate_per_s=200, seconds=1)
    assert (result.sent, result.received, result.saturation_per_s) == (200, 200, None)
    assert 0 < result.p50_us < result.p99_us
    assert_nothing_left(started, tmp_path)


@both_kinds
def test_saturation(
    kind: floors.Kind, tmp_path: Path, started: "list[subprocess.Popen[bytes]]"
) -> None:
    assert floors.saturation(kind, tmp_path, seconds=0.3) > 200
    assert_nothing_left(started, tmp_path)


@both_kinds
@pytest.mark.parametrize("victim", range(len(floors.RELAYS)))
def test_dead_relay_is_an_error(
    kind: floors.Kind,
    victim: int,
    tmp_path: Path,
    started: "list[subprocess.Popen[bytes]]",
) -> None:
    with pytest.raises(floors.FloorError, match=f"{floors.RELAYS[victim]} exited with -9"):
        with floors.running_chain(kind, tmp_path) as chain:
            killer = threading.Timer(0.1, chain.relays[victim].kill)
            killer.start()
            try:
                chain.run_paced(200, 2000)
            finally:
                killer.join()
    assert_nothing_left(started, tmp_path)


@both_kinds
def test_relay_that_cannot_start_is_an_error(
    kind: floors.Kind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(floors.FloorError, match="did not start"):
        floors.measure_floor(kind, tmp_path, 200, 1)
    assert list(tmp_path.iterdir()) == []


@both_kinds
def test_hung_relay_is_an_error_and_is_killed(
    kind: floors.Kind,
    tmp_path: Path,
    started: "list[subprocess.Popen[bytes]]",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(floors, "STALL_S", 0.3)
    monkeypatch.setattr(floors, "STOP_S", 0.3)
    with pytest.raises(floors.FloorError, match="silence for 0.3 s.*risk runs"):
        with floors.running_chain(kind, tmp_path) as chain:
            chain.relays[2].send_signal(signal.SIGSTOP)
            chain.run_paced(200, 20)
    assert_nothing_left(started, tmp_path)
    assert -signal.SIGKILL in {relay.returncode for relay in started}


def test_lost_or_reordered_message_is_an_error(tmp_path: Path) -> None:
    with floors.running_chain("unix", tmp_path) as chain:
        chain.sent_ns.append(0)  # as if message 0 had been sent and lost
        with pytest.raises(floors.FloorError, match="got message 1, expected 0"):
            chain.run_closed(0.1)
