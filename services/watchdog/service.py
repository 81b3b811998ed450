"""Builds the watchdog's process. No decisions here."""

from __future__ import annotations

from services.watchdog.closing import NAME
from services.watchdog.config import load
from services.watchdog.core import WatchdogCore
from services.watchdog.ways_in import WaysIn
from shared.runtime.host import Service
from shared.runtime.run_folder import RunFolder

LINGER_MS = {"sub": 20}
"""What it hears of others may wait a moment: its limits are in seconds. Commands and the broker's
word do not wait."""


def make_core(run: RunFolder) -> WatchdogCore:
    """The core, as the run's config wants it."""
    return WatchdogCore(load(run))


def build(run: RunFolder) -> Service:
    """Return the service of this run."""
    core = make_core(run)
    return Service(NAME, core, WaysIn(run, lambda: core.state().epoch > 1), linger_ms=LINGER_MS)
