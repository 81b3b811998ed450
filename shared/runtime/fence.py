"""Ends another process of the same run by force: the last resort when it does not answer.

A process id alone proves nothing, because ids are used again: the process must have the very
command of that service and this run. In another container the id means nothing, and then nothing is
ended; whoever asked must not rely on it.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from shared.runtime.run_folder import RunFolder

ENDED = "ENDED"
GONE = "GONE"
OTHER_PROCESS = "OTHER_PROCESS"
NOT_ALLOWED = "NOT_ALLOWED"


def fence(run: RunFolder, service: str, pid: int) -> str:
    """SIGKILL the service's process; returns what came of it as a fixed word."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return GONE
    command = raw.decode(errors="replace").split("\0")
    if f"services.{service}" not in command or str(run.root) not in command:
        return OTHER_PROCESS
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return GONE
    except PermissionError:
        return NOT_ALLOWED
    return ENDED
