"""A risk engine that is ready to approve, and the messages around it."""

from __future__ import annotations

from typing import Any

from proto_schemas.base import Message
from proto_schemas.control import Control, Replace, Sighted
from proto_schemas.enums import FeedState, Mode, OrderState, OrderType, SessionPhase, Side
from proto_schemas.ledger import OrderUpdate, PositionUpdate
from proto_schemas.market_data import FeedStatus, Mark
from proto_schemas.signals import Ack, Approval, Decision, Intent, Nack
from services.risk_engine.config import RiskConfig
from services.risk_engine.core import RiskCore
from services.risk_engine.limits import CEILINGS
from shared.kernel.clock import SECOND, Now
from shared.kernel.outputs import Event, Output, Reply, Request
from tests.support import bodies, event, started

BOOT = 100 * SECOND
NOW = Now(1_000 * SECOND, BOOT)
CONFIG = RiskConfig("ema_cross", "ESM18", CEILINGS["demo"])


def order_id(number: int = 1) -> str:
    return f"9f3ac21b-77d0-0001-0001-{number:012x}"


def intent(number: int = 1, **changes: Any) -> Intent:
    facts: dict[str, Any] = {
        "client_order_id": order_id(number),
        "strategy": "ema_cross",
        "instrument": "ESM18",
        "side": Side.BUY,
        "quantity_lots": 2,
        "order_type": OrderType.MARKET,
        "reduce_only": False,
        "reference_ticks": 10_000,
        "expires_ns": BOOT + 5 * SECOND,
    }
    return Intent(**{**facts, **changes})


def control(mode: Mode = Mode.NORMAL) -> Control:
    return Control(1, mode, SessionPhase.OPEN, "", False, True, None)


def feed_status(state: FeedState = FeedState.LIVE, instrument: str = "ESM18") -> FeedStatus:
    return FeedStatus(instrument, state, 1, 1, 0, 0, 1, 0)


def mark(price_ticks: int = 10_000, receive_ns: int = BOOT) -> Mark:
    return Mark("ESM18", 1, receive_ns, price_ticks)


def position(lots: int, strategy: str = "ema_cross", instrument: str = "ESM18") -> PositionUpdate:
    return PositionUpdate(strategy, instrument, lots, 0, 0, 0, 0, None)


def order_update(
    number: int = 1,
    state: OrderState = OrderState.ACKNOWLEDGED,
    filled_lots: int = 0,
    side: Side = Side.BUY,
    quantity_lots: int = 2,
) -> OrderUpdate:
    return OrderUpdate(
        order_id(number), "order_router", "ema_cross", "ESM18", side, quantity_lots, filled_lots, 0,
        state, "CODE",
    )  # fmt: skip


def give(core: RiskCore, *inputs: Message, at: Now = NOW) -> list[Output]:
    """Handle all at one moment; return the outputs of the last."""
    outputs: list[Output] = []
    for body in inputs:
        outputs = core.handle(event(body), at)
    return outputs


def router_says(client_order_id: str, body: Ack | Nack) -> Event:
    """The router's answer to the approval of this order, as the engine hands it on."""
    return Event(event(body, producer="order_router").envelope, body, client_order_id)


def answer(core: RiskCore, number: int, body: Ack | Nack) -> list[Output]:
    """The router answers the approval of this order."""
    return core.handle(router_says(order_id(number), body), NOW)


def sighted_core(config: RiskConfig = CONFIG) -> RiskCore:
    """Started and whole, but nobody has said that trading is allowed."""
    core = RiskCore(config)
    core.handle(started("risk_engine"), NOW)
    give(core, Replace("ledger", "order_state"), Sighted("ledger", "order_state"))
    return core


def ready_core(config: RiskConfig = CONFIG) -> RiskCore:
    core = sighted_core(config)
    give(core, control(), feed_status(), mark())
    return core


def ask(core: RiskCore, wanted: Intent, at: Now = NOW) -> Event:
    """The intent passes: an approval is on its way and nobody is answered. Returns the command."""
    command = event(wanted)
    outputs = core.handle(command, at)
    assert [type(each) for each in bodies(outputs, Request)] == [Approval]
    assert bodies(outputs, Reply) == []
    return command


def decide(core: RiskCore, wanted: Intent, at: Now = NOW) -> Decision:
    """The decision: at once if risk refuses, else after the approval, from a router that takes it.

    Exactly one of the two: a refusal sends no approval, and an approval answers nobody yet.
    """
    command = event(wanted)
    outputs = core.handle(command, at)
    approvals = bodies(outputs, Request)
    assert [type(each) for each in approvals] in ([], [Approval])
    if approvals:
        assert bodies(outputs, Reply) == []
        outputs = core.handle(router_says(wanted.client_order_id, Ack()), at)
        assert bodies(outputs, Request) == []
    (reply,) = [each for each in outputs if isinstance(each, Reply)]
    assert reply.request == command.envelope
    decision = reply.message
    assert isinstance(decision, Decision)
    assert decision.client_order_id == wanted.client_order_id
    assert decision.approved is bool(approvals)
    return decision
