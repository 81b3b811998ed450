"""Settings of the watchdog: table `[watchdog]` of the run's config, and the run's install id."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, StrictInt

from shared.kernel.clock import MINUTE, MS, SECOND
from shared.runtime.run_folder import RunFolder
from shared.runtime.settings import load as load_table

NOON = 12 * 3600
Grace = Annotated[StrictInt, Field(ge=0, le=10 * MINUTE)]


@dataclass(frozen=True, slots=True)
class WatchdogConfig:
    """Times of day are seconds after midnight in New York; the defaults are those for ES.

    `report_lag_ns`: how far the broker's account may lag behind its fills. `wire_delay_ns`: the
    longest time that bytes of the router can still be on their way after its gate closed. Graces
    are those of `trips.py`.
    """

    lease_ttl_ns: Annotated[StrictInt, Field(ge=100 * MS, le=10 * SECOND)] = SECOND
    wire_delay_ns: Annotated[StrictInt, Field(ge=10 * MS, le=60 * SECOND)] = 500 * MS
    report_lag_ns: Annotated[StrictInt, Field(ge=10 * MS, le=60 * SECOND)] = 200 * MS
    ack_timeout_ns: Annotated[StrictInt, Field(ge=100 * MS, le=60 * SECOND)] = 3 * SECOND
    reconcile_every_ns: Annotated[StrictInt, Field(ge=SECOND, le=60 * MINUTE)] = 5 * MINUTE
    account_every_ns: Annotated[StrictInt, Field(ge=100 * MS, le=60 * SECOND)] = 2 * SECOND
    broker_grace_ns: Grace = 30 * SECOND
    feed_grace_ns: Grace = 5 * MINUTE
    break_grace_ns: Grace = 30 * SECOND
    service_grace_ns: Grace = 30 * SECOND
    unknown_grace_ns: Grace = 60 * SECOND
    restarts_max: Annotated[StrictInt, Field(ge=0, le=1_000)] = 5
    restarts_window_ns: Annotated[StrictInt, Field(ge=SECOND, le=60 * MINUTE)] = 60 * SECOND
    entries_stop_s: Annotated[StrictInt, Field(ge=NOON, le=86_399)] = (15 * 60 + 50) * 60
    flatten_start_s: Annotated[StrictInt, Field(ge=NOON, le=86_399)] = (15 * 60 + 55) * 60
    reopen_s: Annotated[StrictInt, Field(ge=NOON, le=86_399)] = 18 * 3600


def load(run: RunFolder) -> WatchdogConfig:
    """Read and validate the table."""
    return load_table(WatchdogConfig, run.config, "watchdog")
