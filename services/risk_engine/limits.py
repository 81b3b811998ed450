"""The hard ceilings. They are code: nothing changes them at run time, a config may only tighten.

To raise one is to change this file, review it and start a new run. Every decision's log line and
every approval carries the hash of the limits that were in force.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from hashlib import blake2b
from types import MappingProxyType

from shared.kernel.clock import SECOND
from shared.kernel.errors import OperatorFault


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that may ever be approved.

    Args:
        order_max_lots: one order.
        position_max_lots: one instrument, worst case, on either side.
        aggregate_max_lots: all instruments, worst case, added up.
        collar_ticks: the most that an intent's reference may differ from the mark.
        reference_age_max_ns: the oldest mark that counts, boot time since we received it.
        data_lag_max_ns: the most that the market which an entry rests on may be behind our mark.
        orders_per_second_max: approvals in any sliding second of boot time, replaces included.
        cancels_per_second_max: cancels have a budget of their own.
    """

    order_max_lots: int
    position_max_lots: int
    aggregate_max_lots: int
    collar_ticks: int
    reference_age_max_ns: int
    data_lag_max_ns: int
    orders_per_second_max: int
    cancels_per_second_max: int


_SIMULATED = Limits(
    order_max_lots=10,
    position_max_lots=10,
    aggregate_max_lots=20,
    collar_ticks=40,
    reference_age_max_ns=10 * SECOND,
    data_lag_max_ns=2 * SECOND,
    orders_per_second_max=50,
    cancels_per_second_max=100,
)
_BENCH = Limits(
    order_max_lots=1,
    position_max_lots=50,
    aggregate_max_lots=50,
    collar_ticks=4_000,
    reference_age_max_ns=10 * SECOND,
    data_lag_max_ns=10 * SECOND,
    orders_per_second_max=100_000,
    cancels_per_second_max=100_000,
)
CEILINGS: Mapping[str, Limits] = MappingProxyType(
    {
        "demo": _SIMULATED,
        "replay": _SIMULATED,
        "paper": replace(_SIMULATED, data_lag_max_ns=SECOND),
        "chaos": _SIMULATED,
        "bench": _BENCH,
    }
)


def tighten(stage: str, wanted: Mapping[str, int | None]) -> Limits:
    """The stage's ceilings with these values in their place; None keeps the ceiling.

    Raises `OperatorFault` for a stage without ceilings and for any value above its ceiling.
    """
    ceiling = CEILINGS.get(stage)
    if ceiling is None:
        known = ", ".join(CEILINGS)
        raise OperatorFault("STAGE_UNKNOWN", field="run.stage", value=stage, fix=f"One of {known}.")
    chosen = {key: value for key, value in wanted.items() if value is not None}
    for key, value in chosen.items():
        hard = getattr(ceiling, key)
        if value > hard:
            raise OperatorFault(
                "LIMIT_LOOSER",
                field=f"risk_engine.{key}",
                value=value,
                fix=f"The ceiling of stage {stage} is {hard}; a config may only tighten it.",
            )
    return replace(ceiling, **chosen)


def limits_hash(limits: Limits) -> str:
    """16 hex digits that stand for exactly these values."""
    text = ",".join(f"{each.name}={getattr(limits, each.name)}" for each in fields(limits))
    return blake2b(text.encode(), digest_size=8).hexdigest()
