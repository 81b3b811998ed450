"""Table `[market_data]` of a run's config, and the instrument of the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, StrictInt

from shared.kernel.clock import MS, SECOND
from shared.runtime.run_folder import RunFolder
from shared.runtime.settings import load as load_table

CREDIT_EVENTS_MAX = 4_096  # the venue keeps as many rows to serve them again

StaleAfterNs = Annotated[StrictInt, Field(ge=100 * MS, le=3_600 * SECOND)]
WhenBehind = Literal["wait", "conflate"]
CreditEvents = Annotated[StrictInt, Field(ge=1, le=CREDIT_EVENTS_MAX)]


@dataclass(frozen=True, slots=True)
class MarketDataTable:
    """What may stand in `[market_data]`.

    `when_behind`: what becomes of quotes and depth while the strategy cannot keep up. `wait`: the
    feed waits for it, and it sees every row; only recorded and made-up feeds can. `conflate`: the
    feed goes on, and the strategy gets the newest of them; trades wait for it all the same.
    """

    stale_after_ns: StaleAfterNs = 5 * SECOND
    credit_events: CreditEvents = 256
    when_behind: WhenBehind = "wait"


@dataclass(frozen=True, slots=True)
class MarketDataConfig:
    """The table's values and the run's instrument."""

    instrument: str
    stale_after_ns: int = 5 * SECOND
    credit_events: int = 256
    when_behind: WhenBehind = "wait"

    @property
    def conflates(self) -> bool:
        """Whether a slow strategy is spared quotes instead of slowing the feed."""
        return self.when_behind == "conflate"

    @property
    def hold_events(self) -> int:
        """From so many unhandled events on quotes and depth are held."""
        return max(1, self.credit_events // 2)


def load(run: RunFolder) -> MarketDataConfig:
    """Read the run's config; `OperatorFault` names the key that is wrong."""
    table = load_table(MarketDataTable, run.config, "market_data")
    return MarketDataConfig(
        run.settings.instrument, table.stale_after_ns, table.credit_events, table.when_behind
    )
