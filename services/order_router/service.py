"""Builds the order router's process. No decisions here."""

from __future__ import annotations

from services.order_router.config import load
from services.order_router.core import NAME, RouterCore
from shared.kernel.outputs import Core
from shared.runtime.host import Service
from shared.runtime.run_folder import RunFolder


def make_core(run: RunFolder) -> Core:
    """The core, as the run's config wants it."""
    return RouterCore(load(run))


def build(run: RunFolder) -> Service:
    """Return the service of this run."""
    return Service(NAME, make_core(run))
