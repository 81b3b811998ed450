"""Settings of the ledger: table `[order_state]` of a run's config."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, StrictInt

from shared.kernel.clock import MINUTE, MS, SECOND
from shared.runtime.run_folder import RunFolder
from shared.runtime.settings import load as load_table


@dataclass(frozen=True, slots=True)
class OrderStateConfig:
    """How often open positions are published again because their mark moved (boot time)."""

    mark_publish_ns: Annotated[StrictInt, Field(ge=100 * MS, le=MINUTE)] = SECOND


def load(run: RunFolder) -> OrderStateConfig:
    """Read the run's table; absent means all defaults."""
    return load_table(OrderStateConfig, run.config, "order_state")
