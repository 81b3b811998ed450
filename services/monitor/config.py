"""Settings of the monitor: table `[monitor]`, and what the run says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, StrictInt

from shared.kernel.clock import MS, SECOND
from shared.runtime.run_folder import RunFolder
from shared.runtime.settings import load as load_table


@dataclass(frozen=True, slots=True)
class Tunables:
    """The table. `hold_back_ns`: a line waits this long, so that slower journals catch up.

    `loss_alarm_cents`: a loss of one trading day at which a person should look. An alarm only:
    nothing stops there by itself.
    """

    hold_back_ns: Annotated[StrictInt, Field(ge=0, le=60 * SECOND)] = 500 * MS
    poll_every_ns: Annotated[StrictInt, Field(ge=200 * MS, le=60 * SECOND)] = 200 * MS
    records_per_poll: Annotated[StrictInt, Field(ge=1, le=100_000)] = 4_000
    loss_alarm_cents: Annotated[StrictInt, Field(ge=1, le=10**12)] = 500_000


@dataclass(frozen=True, slots=True)
class MonitorConfig:
    """The run's own facts, shown in every status report, and the tunables."""

    stage: str
    run_id: str
    instrument: str
    strategy: str
    tunables: Tunables = Tunables()


def load(run: RunFolder) -> MonitorConfig:
    """Read and validate the table; the rest comes from `[run]`."""
    settings = run.settings
    return MonitorConfig(
        settings.stage,
        settings.run_id,
        settings.instrument,
        settings.strategy,
        load_table(Tunables, run.config, "monitor"),
    )
