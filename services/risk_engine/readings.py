"""What the risk engine shows of itself: what it has reserved, and against which limit."""

from __future__ import annotations

from proto_schemas.enums import Side
from services.risk_engine.checks import DECISIONS_MAX, RiskState
from shared.kernel.readings import Readings, labelled, queue


def readings(state: RiskState) -> Readings:
    """Lots that may still trade, and how much is remembered."""
    reserved = [
        ((instrument, side.value), state.reservations.lots(instrument, side))
        for instrument in state.instruments()
        for side in Side
    ]
    return {
        ("bulkhead_ledger_sighted",): int(state.sighted),
        ("bulkhead_position_limit_lots",): state.config.limits.position_max_lots,
        **labelled("bulkhead_reserved_lots", reserved),
        **queue("decisions", len(state.decided), DECISIONS_MAX),
    }
