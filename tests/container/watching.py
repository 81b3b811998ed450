"""What the monitor says, once a second, from one command that goes on: `status --watch --json`.

A command for each look would cost a second of processor time, on the two cores that have to trade
at the same time. The command ends with the container that it runs in; then it is started again.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

START_AGAIN_S = 1.0
OLD_S = 5.0


class Watching:
    """Reads in a thread; `latest` never waits. `line`: the command, run in `folder`."""

    def __init__(self, line: tuple[str, ...], folder: Path) -> None:
        self._line, self._folder = line, folder
        self._process: subprocess.Popen[str] | None = None
        self._started_s = 0.0
        self._last: tuple[float, dict[str, Any]] = (0.0, {})

    def latest(self) -> dict[str, Any]:
        """What was said last; empty while nobody answers."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        heard_s, report = self._last
        return report if report.get("ok") and time.monotonic() - heard_s < OLD_S else {}

    def end(self) -> None:
        """No more looks."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)

    def _start(self) -> None:
        if time.monotonic() - self._started_s < START_AGAIN_S:
            return
        self._started_s = time.monotonic()
        self._last = (0.0, {})
        self._process = subprocess.Popen(
            self._line,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            if line.startswith("{"):
                self._last = (time.monotonic(), json.loads(line))
