"""Builds the strategy engine's process. No decisions here."""

from __future__ import annotations

from services.strategy_engine.config import load
from services.strategy_engine.core import NAME, StrategyEngineCore
from services.strategy_engine.guard import TimedGuard
from services.strategy_engine.hooks import Guard, call_directly
from services.strategy_engine.loader import run_source
from services.strategy_engine.source_file import SourceFile
from shared.runtime.host import Service
from shared.runtime.log import open_log
from shared.runtime.run_folder import RunFolder


def make_core(run: RunFolder, guard: Guard = call_directly) -> StrategyEngineCore:
    """The core, which gets its strategy from the journal; without a guard no hook is cut off."""
    return StrategyEngineCore(load(run), guard=guard, load=run_source)


def build(run: RunFolder) -> Service:
    """Return the service of this run; its strategy comes out of the journal, or out of its file."""
    config = load(run)
    guard = TimedGuard(config.tunables.hook_limit_ns)
    core = make_core(run, guard)
    file = SourceFile(core, config.strategy, config.folders, guard)

    def went_live() -> None:
        guard.arm()
        _tell_if_changed(run, file, core)

    return Service(
        NAME,
        core,
        source=file,
        verdict=core.verdict,
        went_live=went_live,
        first_input=file.first_input,
    )


def _tell_if_changed(run: RunFolder, file: SourceFile, core: StrategyEngineCore) -> None:
    """A restart runs the code that ran before, so a person who edited the file must be told."""
    found = file.differs() if core.running.text else None
    if found is not None:
        open_log(NAME, run.settings.run_id).warning(
            "strategy_file_differs",
            path=found.path,
            runs=core.running.source_hash,
            in_folder=found.source_hash,
            fix="bulkhead reload takes the file.",
        )
