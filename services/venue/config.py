"""Table `[venue]` of a run's config, and what the venue takes from the run itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, StrictInt, StrictStr

from shared.runtime.run_folder import RunFolder
from shared.runtime.settings import load as load_table

SPEED_MILLI_MAX = 10_000_000


@dataclass(frozen=True, slots=True)
class VenueTable:
    """What may stand in `[venue]`. `speed_milli` 1000 is real time, 0 as fast as credit allows."""

    data_path: Annotated[StrictStr, Field(min_length=1, max_length=4_096)]
    speed_milli: Annotated[StrictInt, Field(ge=0, le=SPEED_MILLI_MAX)] = 1_000
    record_path: Annotated[StrictStr, Field(min_length=1, max_length=4_096)] | None = None


@dataclass(frozen=True, slots=True)
class VenueConfig:
    """The core needs only the instrument; the rest is for the pump and the record."""

    instrument: str
    data_path: Path = Path()
    speed_milli: int = 0
    record_path: Path = Path()


def load(run: RunFolder) -> VenueConfig:
    """Read the run's config; `OperatorFault` names the key that is wrong or missing."""
    table = load_table(VenueTable, run.config, "venue")
    record = Path(table.record_path) if table.record_path else run.root / "venue" / "received.log"
    return VenueConfig(run.settings.instrument, Path(table.data_path), table.speed_milli, record)
