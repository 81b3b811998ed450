"""Ways to stop that need no message: a file named KILL in the run's folder, and a signal.

The host asks this source between turns, twenty times a second. The first thing it hands over in
every life is what the two latch files say, before the core can grant anything.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType

from proto_schemas.base import Message
from proto_schemas.control import KillSeen
from services.watchdog.latch import FILE, read_latch
from shared.kernel.clock import MS, Now
from shared.runtime.run_folder import RunFolder
from shared.runtime.twins import read_twins

POLL_EVERY_NS = 50 * MS
KILL_SIGNAL = signal.SIGUSR1


class WaysIn:
    """The watchdog's source. `traded_before`: whether its journal held anything at the start."""

    def __init__(self, run: RunFolder, traded_before: Callable[[], bool]) -> None:
        self._run = run
        self._traded_before = traded_before
        self._told_latch = self._told_file = False
        self._signalled = False
        self._look_at_ns = 0
        signal.signal(KILL_SIGNAL, self._on_signal)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {KILL_SIGNAL})  # see `__main__`

    def next_input(self, now: Now) -> tuple[Message, int] | None:
        """The latch once, then any wish to kill: a file once for each time that it is made."""
        if not self._told_latch:
            self._told_latch = True
            data, damaged = read_twins(self._run.twins(FILE))
            return read_latch(data, damaged, not self._traded_before()), now.stream_ns
        if self._signalled:
            self._signalled = False
            return KillSeen("signal", KILL_SIGNAL.name), now.stream_ns
        if now.boot_ns < self._look_at_ns:
            return None
        self._look_at_ns = now.boot_ns + POLL_EVERY_NS
        there, told = self._run.kill_file.exists(), self._told_file
        self._told_file = there
        if told or not there:
            return None
        return KillSeen("file", str(self._run.kill_file)), now.stream_ns

    def next_due_ns(self, now: Now) -> int | None:
        """Soon: a person waits."""
        if not self._told_latch or self._signalled:
            return now.boot_ns
        return max(now.boot_ns, self._look_at_ns) + POLL_EVERY_NS

    def close(self) -> None:
        """Nothing is open."""

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._signalled = True
