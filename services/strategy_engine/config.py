"""Settings of the strategy engine: table `[strategy_engine]`, and what the run says."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, StrictInt, StrictStr

from shared.kernel.clock import MS, SECOND
from shared.runtime.run_folder import RunFolder
from shared.runtime.settings import load as load_table

CAME_ALONG = Path(__file__).resolve().parent / "strategies"


@dataclass(frozen=True, slots=True)
class Tunables:
    """The table. `intent_ttl_ns`: after it nobody may act on an intent any more.

    `hook_limit_ns`: processor time that one call of a hook may take; the strategy is paused then.

    `behind_after_ns`: how old the market may be when the strategy sees it before it is told so.

    `progress_every`: trades between two reports to the ingestor; the feed's pace follows them.

    `strategies_dir`: the folder with your own strategies; empty for none.
    """

    intent_ttl_ns: Annotated[StrictInt, Field(ge=10 * MS, le=60 * SECOND)] = 2 * SECOND
    hook_limit_ns: Annotated[StrictInt, Field(ge=10 * MS, le=3 * SECOND)] = SECOND
    progress_every: Annotated[StrictInt, Field(ge=1, le=10_000)] = 32
    strategies_dir: Annotated[StrictStr, Field(pattern=r"^(/.*)?$", max_length=400)] = ""
    behind_after_ns: Annotated[StrictInt, Field(ge=MS, le=60 * SECOND)] = 250 * MS


@dataclass(frozen=True, slots=True)
class StrategyEngineConfig:
    """One instrument, one strategy by name, and the tunables."""

    instrument: str
    strategy: str
    tunables: Tunables = Tunables()

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where strategies are: your own folder first, then those that come along."""
        own = self.tunables.strategies_dir
        return (Path(own), CAME_ALONG) if own else (CAME_ALONG,)


def load(run: RunFolder) -> StrategyEngineConfig:
    """Read and validate the table; instrument and strategy come from `[run]`."""
    tunables = load_table(Tunables, run.config, "strategy_engine")
    return StrategyEngineConfig(run.settings.instrument, run.settings.strategy, tunables)
