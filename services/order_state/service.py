"""Puts the ledger's core into the one host."""

from __future__ import annotations

from services.order_state.config import load
from services.order_state.core import OrderStateCore
from shared.kernel.outputs import Core
from shared.runtime.host import Service
from shared.runtime.run_folder import RunFolder


def make_core(run: RunFolder) -> Core:
    """The core, as the run's config wants it."""
    return OrderStateCore(load(run))


def build(run: RunFolder) -> Service:
    """One process: the core and nothing else."""
    return Service("order_state", make_core(run))
