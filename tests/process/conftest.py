"""Fixtures for tests with real processes: a runs folder with a short path, `bulkhead` as a child.

Nothing may outlive a test: `bulkhead` ends its own processes, and the fixture checks that it did.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-m", "services.cli")


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """The JSON object on the last line of stdout."""
        lines = self.out.strip().splitlines()
        assert lines, f"nothing on stdout; exit code {self.code}, stderr: {self.err[-3000:]}"
        found = json.loads(lines[-1])
        assert isinstance(found, dict)
        return found


@dataclass
class Bulkhead:
    """Runs commands with one runs folder."""

    runs_dir: Path

    def __call__(self, *args: str, timeout_s: float = 60) -> Ended:
        """Run a command to its end."""
        return finish(self.start(*args), timeout_s)

    def start(self, *args: str) -> subprocess.Popen[str]:
        """Start a command and go on."""
        environment = {**os.environ, "BULKHEAD_RUNS": str(self.runs_dir)}
        return subprocess.Popen(
            [*COMMAND, *args],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def service_pids(self) -> dict[str, int]:
        """Service -> process id, of every service of any run in this runs folder."""
        return {
            command[2].removeprefix("services."): pid
            for pid, command in self._commands()
            if command[1:2] == ["-m"] and command[2].startswith("services.") and "--run" in command
        }

    def left_over(self) -> list[tuple[int, list[str]]]:
        """Every process that names this runs folder."""
        return [(pid, command) for pid, command in self._commands() if pid != os.getpid()]

    def kill(self, service: str, number: int = signal.SIGKILL) -> int:
        """Send a signal to a service that is up; its process id."""
        pid = self.service_pids()[service]
        os.kill(pid, number)
        return pid

    def wait_for(self, service: str, other_than: int = 0, timeout_s: float = 20) -> int:
        """The process id of a service once it is up as another process than the one given."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            pid = self.service_pids().get(service, 0)
            if pid not in (0, other_than):
                return pid
            time.sleep(0.05)
        raise AssertionError(f"{service} did not come up within {timeout_s} s")

    def _commands(self) -> Iterator[tuple[int, list[str]]]:
        for entry in Path("/proc").iterdir():
            if entry.name.isdecimal():
                try:
                    raw = (entry / "cmdline").read_bytes()
                except OSError:
                    continue
                command = raw.decode(errors="replace").split("\0")[:-1]
                if any(str(self.runs_dir) in part for part in command):
                    yield int(entry.name), command


def finish(process: subprocess.Popen[str], timeout_s: float) -> Ended:
    """Wait for the end; a command that hangs is interrupted, and the test fails."""
    try:
        out, err = process.communicate(timeout=timeout_s)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        try:
            out, err = process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
        pytest.fail(f"no end within {timeout_s} s; stderr: {err[-3000:]}")
    return Ended(process.returncode, out, err)


@pytest.fixture
def bulkhead() -> Iterator[Bulkhead]:
    """`bulkhead` with an empty runs folder; the test fails if a process is left over."""
    with tempfile.TemporaryDirectory(prefix="bh-") as folder:
        made = Bulkhead(Path(folder) / "runs")
        yield made
        left = made.left_over()
        for pid, _ in left:
            os.kill(pid, signal.SIGKILL)
        assert left == [], "processes outlived their command"


@pytest.fixture
def paper(bulkhead: Bulkhead) -> Iterator[Bulkhead]:
    """Whatever a test leaves up is taken down."""
    yield bulkhead
    bulkhead("down", "--json")
