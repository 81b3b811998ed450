"""Table `[venue]` of a run's config, and what the venue takes from the run itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, StrictInt, StrictStr

from shared.feeds.synthetic_rate import ONE, Synthetic
from shared.kernel.errors import OperatorFault
from shared.runtime.run_folder import RunFolder
from shared.runtime.settings import load as load_table

SPEED_MILLI_MAX = 10_000_000
MONDAY_OPEN_NS = 1_898_865_000 * 10**9
"""2030-03-04 09:30 in New York."""


@dataclass(frozen=True, slots=True)
class VenueTable:
    """What may stand in `[venue]`. `speed_milli` 1000 is real time, 0 as fast as credit allows.

    Either `data_path` names recorded data, or `synthetic_seed` asks for a made-up market, which
    begins at `synthetic_start_ns`, trades at `synthetic_rate_milli` thousandths of its usual rate
    and ends after `synthetic_rows` rows, or never.
    """

    data_path: Annotated[StrictStr, Field(min_length=1, max_length=4_096)] | None = None
    synthetic_seed: Annotated[StrictInt, Field(ge=0, le=2**32)] | None = None
    synthetic_start_ns: Annotated[StrictInt, Field(ge=0, le=2**61)] = MONDAY_OPEN_NS
    synthetic_rate_milli: Annotated[StrictInt, Field(ge=1, le=100_000)] = ONE
    synthetic_rows: Annotated[StrictInt, Field(ge=1, le=2**53)] | None = None
    speed_milli: Annotated[StrictInt, Field(ge=0, le=SPEED_MILLI_MAX)] = 1_000
    record_path: Annotated[StrictStr, Field(min_length=1, max_length=4_096)] | None = None


@dataclass(frozen=True, slots=True)
class VenueConfig:
    """The core needs only the instrument; the rest is for the pump and the record."""

    instrument: str
    data_path: Path = Path()
    made_up: Synthetic | None = None
    speed_milli: int = 0
    record_path: Path = Path()


def load(run: RunFolder) -> VenueConfig:
    """Read the run's config; `OperatorFault` names the key that is wrong or missing."""
    table = load_table(VenueTable, run.config, "venue")
    record = Path(table.record_path) if table.record_path else run.root / "venue" / "received.log"
    made_up = _made_up(table)
    path = Path(table.data_path or "")
    return VenueConfig(run.settings.instrument, path, made_up, table.speed_milli, record)


def _made_up(table: VenueTable) -> Synthetic | None:
    """The made-up market that the table asks for; one of the two feeds must be named."""
    if (table.data_path is None) == (table.synthetic_seed is None):
        raise OperatorFault(
            "CONFIG_VALUE",
            field="venue.data_path, venue.synthetic_seed",
            value=(table.data_path, table.synthetic_seed),
            fix="Name recorded data or the seed of a made-up market: one of the two.",
        )
    if table.synthetic_seed is None:
        return None
    return Synthetic(
        table.synthetic_seed,
        table.synthetic_start_ns,
        table.synthetic_rate_milli,
        table.synthetic_rows,
    )
