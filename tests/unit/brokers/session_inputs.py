"""A session with the broker, and what the broker would say to it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from proto_schemas.broker import (
    BrokerExecution,
    BrokerOrder,
    BrokerOrderEvent,
    BrokerPosition,
    BrokerQuery,
    BrokerSnapshot,
    NewOrder,
)
from proto_schemas.enums import OrderState, OrderType, Side
from proto_schemas.ledger import Execution, OrderEvent
from shared.brokers.session import BrokerSession
from shared.kernel.clock import MS, SECOND, Now
from shared.kernel.outputs import Output, Request, Send

NAME = "order_router"
BOOT = 100 * SECOND
ACK_TIMEOUT = 3 * SECOND
WIRE_DELAY = 500 * MS
STRATEGY = "ema_cross"
SIGNAL = "ema_cross-1-1"


def at(milliseconds: int) -> Now:
    """A moment, counted from the start of the test."""
    return Now(1_000 * SECOND, BOOT + milliseconds * MS)


def order_id(number: int = 1) -> str:
    return f"9f3ac21b-77d0-0001-0001-{number:012x}"


def new_order(number: int = 1, **changes: Any) -> NewOrder:
    facts: dict[str, Any] = {
        "session": NAME,
        "client_order_id": order_id(number),
        "instrument": "ESM18",
        "side": Side.BUY,
        "quantity_lots": 3,
        "order_type": OrderType.MARKET,
        "reduce_only": False,
    }
    return NewOrder(**{**facts, **changes})


def said(
    seq: int, state: OrderState, number: int = 1, code: str = "ACCEPTED", session: str = NAME
) -> BrokerOrderEvent:
    broker_id = None if state is OrderState.REJECTED else f"B{number}"
    return BrokerOrderEvent(session, seq, order_id(number), broker_id, state, code, 7)


def filled(seq: int, lots: int, number: int = 1, leaves: int = 0) -> BrokerExecution:
    return BrokerExecution(
        NAME, seq, order_id(number), f"B{number}", f"X{seq}", "ESM18", Side.BUY, lots, 10_000,
        2_250 * lots, leaves, 7,
    )  # fmt: skip


def shown(
    state: OrderState, number: int = 1, filled_lots: int = 0, session: str = NAME
) -> BrokerOrder:
    return BrokerOrder(order_id(number), session, "ESM18", Side.BUY, 3, filled_lots, state)


def account(
    seq: int = 0,
    *orders: BrokerOrder,
    positions: tuple[BrokerPosition, ...] = (),
    complete: bool = True,
    events_from: int = 1,
    query_id: int = 0,
) -> BrokerSnapshot:
    """An account; `hear` makes it the answer to a query (there is none with number 0)."""
    return BrokerSnapshot(NAME, query_id, seq, events_from, orders, positions, complete)


def hear(session: BrokerSession, snapshot: BrokerSnapshot, now: Now, life: int = 1) -> list[Output]:
    """The snapshot as the answer to the last query, which must be waiting for one."""
    return session.on_snapshot(replace(snapshot, query_id=max(session.queries)), life, now)


def fresh_session() -> BrokerSession:
    return BrokerSession(NAME, ACK_TIMEOUT, WIRE_DELAY)


def ready_session() -> BrokerSession:
    """Started and told that the account is empty, at millisecond 0."""
    session = fresh_session()
    session.start(at(0))
    hear(session, account(), at(0))
    return session


def send(session: BrokerSession, number: int = 1, milliseconds: int = 0) -> list[Output]:
    now = at(milliseconds)
    return session.submit(new_order(number), STRATEGY, SIGNAL, now.boot_ns + SECOND, now)


def reports(outputs: list[Output]) -> list[tuple[str, str]]:
    """What the ledger is told: (action, code) of moves, (EXECUTION, id) of fills."""
    told = [output.message for output in outputs if isinstance(output, Request)]
    return [
        (str(each.action), each.code)
        if isinstance(each, OrderEvent)
        else ("EXECUTION", each.execution_id)
        for each in told
        if isinstance(each, OrderEvent | Execution)
    ]


def queries(outputs: list[Output]) -> list[BrokerQuery]:
    messages = [output.message for output in outputs if isinstance(output, Send)]
    return [each for each in messages if isinstance(each, BrokerQuery)]


def orders_sent(outputs: list[Output]) -> list[NewOrder]:
    messages = [output.message for output in outputs if isinstance(output, Send)]
    return [each for each in messages if isinstance(each, NewOrder)]


def state_of(session: BrokerSession, number: int = 1) -> OrderState:
    item = session.order(order_id(number))
    assert item is not None
    return item.state
