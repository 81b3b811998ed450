"""Puts the risk engine's core into the one host."""

from __future__ import annotations

from services.risk_engine.config import load
from services.risk_engine.core import RiskCore
from shared.kernel.outputs import Core
from shared.runtime.host import Service
from shared.runtime.run_folder import RunFolder


def make_core(run: RunFolder) -> Core:
    """The core, as the run's config wants it."""
    return RiskCore(load(run))


def build(run: RunFolder) -> Service:
    """One process: the core and nothing else."""
    return Service("risk_engine", make_core(run))
