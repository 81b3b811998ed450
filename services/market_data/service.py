"""Puts the ingestor together: a core and nothing else."""

from __future__ import annotations

from services.market_data.config import load
from services.market_data.core import MarketDataCore
from shared.kernel.outputs import Core
from shared.runtime.host import Service
from shared.runtime.run_folder import RunFolder


def make_core(run: RunFolder) -> Core:
    """The core, as the run's config wants it."""
    return MarketDataCore(load(run))


def build(run: RunFolder) -> Service:
    """Make the service from a run's config."""
    return Service("market_data", make_core(run))
