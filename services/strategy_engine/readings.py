"""What the strategy engine shows of itself: is it paused, and how many orders it has open."""

from __future__ import annotations

from services.strategy_engine.desk import OPEN_ORDERS_MAX, DeskState
from shared.kernel.readings import Readings, labelled, queue


def readings(desk: DeskState, paused: bool) -> Readings:
    """`paused`: the strategy failed; it is not called again in this run."""
    suppressed = [((why,), count) for why, count in desk.suppressed.items()]
    return {
        ("bulkhead_strategy_paused",): int(paused),
        **labelled("bulkhead_intents_suppressed", suppressed),
        **queue("open_orders", len(desk.orders), OPEN_ORDERS_MAX),
    }
