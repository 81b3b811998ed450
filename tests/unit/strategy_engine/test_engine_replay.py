"""The same inputs lead the engine to the same outputs and the same state."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proto_schemas.base import Message
from proto_schemas.control import (
    Blind,
    Replace,
    RequestExpired,
    Sighted,
    TimerFired,
)
from proto_schemas.enums import OrderState
from proto_schemas.market_data import Trade
from proto_schemas.signals import Decision
from services.strategy_engine.api import Context, Order, Side, Strategy
from services.strategy_engine.config import StrategyEngineConfig
from services.strategy_engine.core import StrategyEngineCore
from shared.kernel.clock import SECOND
from shared.kernel.outputs import Output, Request
from shared.kernel.state import state_hash
from tests.unit.strategy_engine.rig import (
    ES,
    Rig,
    order_update,
)


class Coin(Strategy):
    """Trades on the price's parity, so that a random market makes random orders."""

    name = "script"

    def __init__(self) -> None:
        self.count = 0

    def on_trade(self, ctx: Context, trade: Trade) -> None:
        self.count += 1
        if trade.price_ticks % 2:
            ctx.market(Side.BUY, 1 + trade.price_ticks % 5)

    def on_order(self, ctx: Context, order: Order) -> None:
        if order.state == "REFUSED":
            ctx.market(Side.SELL, 1)


STEPS = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=60)


@given(STEPS)
def test_the_same_inputs_give_the_same_outputs_and_state(steps: list[tuple[int, int]]) -> None:
    rig = Rig(Coin()).ready()
    outputs: list[list[Output]] = []
    for what, number in steps:
        rig.boot_ns += number * SECOND
        orders = rig.core._desk.open_orders
        order_id = orders[number % len(orders)].client_order_id if orders else "0" * 36
        inputs: list[Message] = [
            Decision(order_id, False, "NO", "", ""),
            Decision(order_id, True, "OK", "", ""),
            order_update(order_id, OrderState.FILLED, 2),
            order_update(order_id, OrderState.UNKNOWN),
            RequestExpired("x", "intent"),
            Blind("ledger", "order_state"),
            Replace("ledger", "order_state"),
            Sighted("ledger", "order_state"),
            TimerFired("forget"),
        ]
        outputs.append(rig.feed(inputs[what]) if what < len(inputs) else rig.trade(number))
    fresh = StrategyEngineCore(StrategyEngineConfig(ES, "script"), Coin())
    replayed = [fresh.handle(one, moment) for one, moment in rig.inputs]
    assert replayed[4:] == outputs
    assert state_hash(fresh.state()) == state_hash(rig.core.state())
    ids = [o.message.client_order_id for step in outputs for o in step if isinstance(o, Request)]  # type: ignore[attr-defined]
    assert len(ids) == len(set(ids))
