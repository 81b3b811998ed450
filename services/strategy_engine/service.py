"""Builds the strategy engine's process. No decisions here."""

from __future__ import annotations

from services.strategy_engine.config import load
from services.strategy_engine.core import NAME, Guard, StrategyEngineCore, call_directly
from services.strategy_engine.guard import TimedGuard
from services.strategy_engine.loader import load_strategy
from shared.runtime.host import Service
from shared.runtime.run_folder import RunFolder


def make_core(run: RunFolder, guard: Guard = call_directly) -> StrategyEngineCore:
    """The core with its strategy; without a guard no hook is cut off."""
    config = load(run)
    return StrategyEngineCore(config, load_strategy(config.strategy), guard)


def build(run: RunFolder) -> Service:
    """Return the service of this run, with its strategy loaded and checked."""
    guard = TimedGuard(load(run).tunables.hook_limit_ns)
    core = make_core(run, guard)
    return Service(NAME, core, verdict=core.verdict, went_live=guard.arm)
