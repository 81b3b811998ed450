"""Builds the monitor's process: its core, and the follower of everyone's journals."""

from __future__ import annotations

import os

from services.monitor.audit_source import AuditSource
from services.monitor.config import load
from services.monitor.core import NAME, MonitorCore
from shared.runtime.host import Service
from shared.runtime.run_folder import RunFolder

LINGER_MS = {"sub": 20}
"""Nobody waits for it but a person, and who asks for the status gets it at once."""


def make_core(run: RunFolder) -> MonitorCore:
    """The core, as the run's config wants it."""
    return MonitorCore(load(run))


def build(run: RunFolder) -> Service:
    """Return the service of this run."""
    core = make_core(run)
    core.pid = os.getpid()
    source = AuditSource(run, load(run).tunables)
    return Service(NAME, core, source, paths=source.paths, linger_ms=LINGER_MS)
