"""Reports as router and watchdog would send them, for the tests of the ledger."""

from __future__ import annotations

from typing import Any

from proto_schemas.base import Message
from proto_schemas.enums import OrderAction, OrderType, Side
from proto_schemas.ledger import Execution, OrderEvent
from services.order_state.config import OrderStateConfig
from services.order_state.core import OrderStateCore
from shared.kernel.outputs import Output
from tests.support import event, now, started


def order_id(number: int = 1) -> str:
    return f"9f3ac21b-77d0-0001-0001-{number:012x}"


def order_event(action: OrderAction, **changes: Any) -> OrderEvent:
    facts: dict[str, Any] = {
        "client_order_id": order_id(),
        "session": "order_router",
        "strategy": "ema_cross",
        "instrument": "ESM18",
        "side": Side.BUY,
        "quantity_lots": 3,
        "order_type": OrderType.MARKET,
        "action": action,
        "code": f"BY_{action.value}",
        "broker_order_id": None,
        "exchange_ns": None,
    }
    return OrderEvent(**{**facts, **changes})


def execution(number: int = 1, **changes: Any) -> Execution:
    facts: dict[str, Any] = {
        "client_order_id": order_id(),
        "session": "order_router",
        "strategy": "ema_cross",
        "execution_id": f"X{number}",
        "broker_order_id": "B1",
        "instrument": "ESM18",
        "side": Side.BUY,
        "quantity_lots": 1,
        "price_ticks": 10_000,
        "fee_mills": 2_250,
        "exchange_ns": 1,
    }
    return Execution(**{**facts, **changes})


def ready_core() -> OrderStateCore:
    core = OrderStateCore(OrderStateConfig())
    core.handle(started("order_state"), now())
    return core


def feed(core: OrderStateCore, *bodies: Message) -> list[Output]:
    """Handle all; return the outputs of the last."""
    outputs: list[Output] = []
    for body in bodies:
        outputs = core.handle(event(body), now())
    return outputs
