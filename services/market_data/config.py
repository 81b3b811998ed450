"""Table `[market_data]` of a run's config, and the instrument of the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, StrictInt

from shared.kernel.clock import MS, SECOND
from shared.runtime.run_folder import RunFolder
from shared.runtime.settings import load as load_table

CREDIT_EVENTS_MAX = 4_096  # the venue keeps as many rows to serve them again

StaleAfterNs = Annotated[StrictInt, Field(ge=100 * MS, le=3_600 * SECOND)]
CreditEvents = Annotated[StrictInt, Field(ge=1, le=CREDIT_EVENTS_MAX)]


@dataclass(frozen=True, slots=True)
class MarketDataTable:
    """What may stand in `[market_data]`."""

    stale_after_ns: StaleAfterNs = 5 * SECOND
    credit_events: CreditEvents = 256


@dataclass(frozen=True, slots=True)
class MarketDataConfig:
    """The table's values and the run's instrument."""

    instrument: str
    stale_after_ns: int = 5 * SECOND
    credit_events: int = 256


def load(run: RunFolder) -> MarketDataConfig:
    """Read the run's config; `OperatorFault` names the key that is wrong."""
    table = load_table(MarketDataTable, run.config, "market_data")
    return MarketDataConfig(run.settings.instrument, table.stale_after_ns, table.credit_events)
