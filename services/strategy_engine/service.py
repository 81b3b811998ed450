"""Builds the strategy engine's process. No decisions here."""

from __future__ import annotations

from services.strategy_engine.config import load
from services.strategy_engine.core import NAME, StrategyEngineCore
from services.strategy_engine.guard import TimedGuard
from services.strategy_engine.loader import load_strategy
from shared.runtime.host import Service
from shared.runtime.run_folder import RunFolder


def build(run: RunFolder) -> Service:
    """Return the service of this run, with its strategy loaded and checked."""
    config = load(run)
    guard = TimedGuard(config.tunables.hook_limit_ns)
    core = StrategyEngineCore(config, load_strategy(config.strategy), guard)
    return Service(NAME, core, verdict=core.verdict, went_live=guard.arm)
