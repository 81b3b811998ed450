"""Settings of the strategy engine: table `[strategy_engine]`, and what the run says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, StrictInt

from shared.kernel.clock import MS, SECOND
from shared.runtime.run_folder import RunFolder
from shared.runtime.settings import load as load_table


@dataclass(frozen=True, slots=True)
class Tunables:
    """The table. `intent_ttl_ns`: after it nobody may act on an intent any more.

    `hook_limit_ns`: processor time that one call of a hook may take; the strategy is paused then.

    `behind_after_ns`: how old the market may be when the strategy sees it before it is told so.

    `progress_every`: trades between two reports to the ingestor; the feed's pace follows them.
    """

    intent_ttl_ns: Annotated[StrictInt, Field(ge=10 * MS, le=60 * SECOND)] = 2 * SECOND
    hook_limit_ns: Annotated[StrictInt, Field(ge=10 * MS, le=3 * SECOND)] = SECOND
    progress_every: Annotated[StrictInt, Field(ge=1, le=10_000)] = 32
    behind_after_ns: Annotated[StrictInt, Field(ge=MS, le=60 * SECOND)] = 250 * MS


@dataclass(frozen=True, slots=True)
class StrategyEngineConfig:
    """One instrument, one strategy by name, and the tunables."""

    instrument: str
    strategy: str
    tunables: Tunables = Tunables()


def load(run: RunFolder) -> StrategyEngineConfig:
    """Read and validate the table; instrument and strategy come from `[run]`."""
    tunables = load_table(Tunables, run.config, "strategy_engine")
    return StrategyEngineConfig(run.settings.instrument, run.settings.strategy, tunables)
