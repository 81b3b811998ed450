"""Settings of the risk engine: table `[risk_engine]` may tighten the ceilings of the stage."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated

from pydantic import Field, StrictInt

from services.risk_engine.limits import Limits, tighten
from shared.runtime.run_folder import RunFolder
from shared.runtime.settings import load as load_table

Bound = Annotated[StrictInt, Field(ge=0)]


@dataclass(frozen=True, slots=True)
class TighterLimits:
    """One key per limit; absent means the stage's ceiling in `limits.py`."""

    order_max_lots: Bound | None = None
    position_max_lots: Bound | None = None
    aggregate_max_lots: Bound | None = None
    collar_ticks: Bound | None = None
    reference_age_max_ns: Bound | None = None
    data_lag_max_ns: Bound | None = None
    orders_per_second_max: Bound | None = None
    cancels_per_second_max: Bound | None = None


@dataclass(frozen=True, slots=True)
class RiskConfig:
    """The envelope of the run (one strategy, one instrument) and the limits in force."""

    strategy: str
    instrument: str
    limits: Limits


def load(run: RunFolder) -> RiskConfig:
    """Read the run's table and hold it against the ceilings of its stage."""
    wanted = load_table(TighterLimits, run.config, "risk_engine")
    settings = run.settings
    limits = tighten(settings.stage, asdict(wanted))
    return RiskConfig(settings.strategy, settings.instrument, limits)
