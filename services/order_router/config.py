"""Settings of the order router: table `[order_router]` of the run's config."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field, StrictInt

from shared.kernel.clock import MS, SECOND
from shared.runtime.run_folder import RunFolder
from shared.runtime.settings import load as load_table

RATE_CEILING = 100
BENCH_RATE = 100_000


@dataclass(frozen=True, slots=True)
class RouterConfig:
    """`wire_delay_ns`: the longest time that bytes to the broker can still be on the way."""

    ack_timeout_ns: Annotated[StrictInt, Field(ge=100 * MS, le=60 * SECOND)] = 3 * SECOND
    wire_delay_ns: Annotated[StrictInt, Field(ge=10 * MS, le=60 * SECOND)] = 500 * MS
    lease_ask_every_ns: Annotated[StrictInt, Field(ge=10 * MS, le=SECOND)] = 250 * MS
    orders_per_second_max: Annotated[StrictInt, Field(ge=1, le=RATE_CEILING)] = RATE_CEILING


def load(run: RunFolder) -> RouterConfig:
    """Read and validate the table. Stage bench measures speed, so its rate is not capped here."""
    config = load_table(RouterConfig, run.config, "order_router")
    if run.settings.stage == "bench":
        return replace(config, orders_per_second_max=BENCH_RATE)
    return config
