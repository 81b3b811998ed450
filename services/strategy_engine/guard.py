"""Runs a strategy's hook, and cuts it off if it takes too long. The only clock near a strategy.

What is measured is processor time of this process, so that a busy machine does not make a good
strategy a slow one. The alarm raises inside the hook: an endless loop ends, and nothing else is
hurt. It comes again and again until the hook has ended. It is no `Exception`, so `except Exception`
does not stop it; the loader refuses what would.

A restart steps the journal again without the limit: what was cut off then is cut off by its record,
and what was not must not be cut off now because the machine is slower.

Limit: a single call into C code that takes for ever hears no signal; then the dead-man timer of the
process ends it, and a restart comes to the same call again: a crash loop, which is a trip.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType
from typing import Any

from services.strategy_engine.hooks import HookOverran
from shared.kernel.clock import SECOND

AGAIN_S = 0.05


class TimedGuard:
    """Calls hooks under a limit of processor time. Main thread only: signals arrive there."""

    def __init__(self, limit_ns: int) -> None:
        self._limit_s = limit_ns / SECOND
        self._armed = False
        signal.signal(signal.SIGPROF, self._on_alarm)

    def arm(self) -> None:
        """From now on hooks are live."""
        self._armed = True

    def __call__(self, hook: Callable[..., object], *arguments: Any) -> object:
        """What the hook returns; `HookOverran` if it was cut off."""
        if not self._armed:
            return hook(*arguments)
        try:
            signal.setitimer(signal.ITIMER_PROF, self._limit_s, AGAIN_S)
            return hook(*arguments)
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _on_alarm(self, _number: int, _frame: FrameType | None) -> None:
        if signal.getitimer(signal.ITIMER_PROF)[0] > 0:  # not one that was late and is disarmed
            raise HookOverran
