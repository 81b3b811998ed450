"""A dead-man timer: the kernel ends this process if its main loop stalls.

Supervisors restart what exits, not what hangs. The loop re-arms the timer after real progress; if
it does not for `limit_s`, SIGALRM writes the stack to the log and ends the process.
"""

from __future__ import annotations

import faulthandler
import signal
import sys
import time


class Deadman:
    """Armed from construction on; call `alive` from the main loop."""

    def __init__(self, limit_s: int) -> None:
        self._limit_s = limit_s
        self._armed_at = 0.0
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        faulthandler.register(signal.SIGALRM, file=sys.stderr, all_threads=True, chain=True)
        self.alive()

    def alive(self) -> None:
        """Re-arm; does nothing more often than ten times a second."""
        now = time.monotonic()
        if now - self._armed_at > 0.1:
            self._armed_at = now
            signal.setitimer(signal.ITIMER_REAL, self._limit_s)

    def disarm(self) -> None:
        """For a clean end."""
        signal.setitimer(signal.ITIMER_REAL, 0)
