"""One order of a broker session, and what is said about it: to broker, ledger and log."""

from __future__ import annotations

from dataclasses import dataclass

from proto_schemas.broker import BrokerExecution, BrokerOrder, CancelOrder, NewOrder, ReplaceOrder
from proto_schemas.enums import OrderAction, OrderState, Side
from proto_schemas.ledger import Execution, OrderEvent
from shared.kernel.clock import MS
from shared.kernel.order_states import INITIAL
from shared.kernel.outputs import Log, Output, Request

LEDGER = "order_state"
ACTION_OF_STATE = {
    OrderState.ACKNOWLEDGED: OrderAction.ACKNOWLEDGE,
    OrderState.WORKING: OrderAction.WORK,
    OrderState.PARTIAL_FILL: OrderAction.ACKNOWLEDGE,
    OrderState.REJECTED: OrderAction.REJECT,
    OrderState.CANCELLED: OrderAction.CANCEL,
    OrderState.EXPIRED: OrderAction.EXPIRE,
}
CHANGEABLE = (OrderState.ACKNOWLEDGED, OrderState.WORKING, OrderState.PARTIAL_FILL)
PENDING = (OrderState.PENDING_CANCEL, OrderState.PENDING_REPLACE)
MAY_WAIT_NS = {
    **dict.fromkeys((OrderAction.SUBMIT, OrderAction.ASK_CANCEL, OrderAction.ASK_REPLACE), 20 * MS),
    **dict.fromkeys((OrderAction.ACKNOWLEDGE, OrderAction.WORK), 5 * MS),
}


@dataclass(slots=True)
class SessionOrder:
    """One order of this session: what was sent, for whom, and how far it came.

    `quantity_lots` and `price_ticks` are its present terms, `wanted_...` those of a replace on its
    way, which its owner knows by `change_id`. `revision` numbers the last change sent, `judged` the
    last one that the broker answered; `asked_ns` (boot) is when it was sent.
    """

    order: NewOrder
    strategy: str
    correlation_id: str | None
    sent_ns: int
    quantity_lots: int
    price_ticks: int | None
    parent_id: str | None = None
    state: OrderState = INITIAL
    filled_lots: int = 0
    revision: int = 0
    judged: int = 0
    asked_ns: int = 0
    wanted_lots: int = 0
    wanted_ticks: int = 0
    cancel_wanted: bool = False
    change_id: int = 0


def with_legs(
    order: NewOrder, strategy: str, correlation_id: str | None, sent_ns: int
) -> list[SessionOrder]:
    """The order and its legs, each an order of its own from here on."""
    side = Side.SELL if order.side is Side.BUY else Side.BUY
    legs = [
        NewOrder(
            order.session, leg.client_order_id, order.instrument, side, order.quantity_lots,
            leg.order_type, True, leg.price_ticks,
        )
        for leg in order.legs
    ]  # fmt: skip
    parent_id = order.client_order_id
    return [
        SessionOrder(
            each, strategy, correlation_id, sent_ns, each.quantity_lots, each.price_ticks,
            parent_id if each is not order else None,
        )
        for each in (order, *legs)
    ]  # fmt: skip


def as_broker_order(item: SessionOrder) -> BrokerOrder:
    """The order as the broker's account would show it."""
    order = item.order
    return BrokerOrder(
        order.client_order_id, order.session, order.instrument, order.side, item.quantity_lots,
        item.filled_lots, item.state, order.order_type, item.price_ticks, order.reduce_only,
        item.parent_id, item.judged,
    )  # fmt: skip


def change_message(session: str, item: SessionOrder) -> CancelOrder | ReplaceOrder:
    """The change that is pending, under its number."""
    key = item.order.client_order_id
    if item.state is OrderState.PENDING_CANCEL:
        return CancelOrder(session, key, item.revision)
    return ReplaceOrder(session, key, item.revision, item.wanted_lots, item.wanted_ticks)


def order_report(
    session: str,
    item: SessionOrder,
    action: OrderAction,
    code: str,
    broker_order_id: str | None,
    exchange_ns: int | None,
) -> OrderEvent:
    """For the ledger. Only REPLACE carries new terms: reports may overtake each other."""
    order, replaced = item.order, action is OrderAction.REPLACE
    return OrderEvent(
        client_order_id=order.client_order_id,
        session=session,
        strategy=item.strategy,
        instrument=order.instrument,
        side=order.side,
        quantity_lots=item.quantity_lots if replaced else order.quantity_lots,
        order_type=order.order_type,
        action=action,
        code=code,
        broker_order_id=broker_order_id,
        exchange_ns=exchange_ns,
        price_ticks=item.price_ticks if replaced else order.price_ticks,
        reduce_only=order.reduce_only,
        parent_id=item.parent_id,
        revision=_revision(item, action),
    )


def _revision(item: SessionOrder, action: OrderAction) -> int:
    """Which change the report is about; 0 for none."""
    match action:
        case OrderAction.ASK_CANCEL | OrderAction.ASK_REPLACE:
            return item.revision
        case OrderAction.REPLACE | OrderAction.REFUSE_CHANGE:
            return item.judged
    return 0


def execution_report(session: str, body: BrokerExecution, item: SessionOrder | None) -> Execution:
    """For the ledger: the fill as the broker told it."""
    return Execution(
        body.client_order_id, session, item.strategy if item else session, body.execution_id,
        body.broker_order_id, body.instrument, body.side, body.quantity_lots, body.price_ticks,
        body.fee_mills, body.exchange_ns,
    )  # fmt: skip


def order_line(item: SessionOrder, code: str, detail: str | None) -> Log:
    """For the log: where the order stands now."""
    fields: dict[str, str | int | bool | None] = {
        "client_order_id": item.order.client_order_id,
        "state": str(item.state),
        "code": code,
        "filled_lots": item.filled_lots,
        "detail": detail,
    }
    worrying = item.state in (OrderState.UNKNOWN, OrderState.REJECTED)
    return Log("order", fields, "warning" if worrying else "debug")


def report_request(report: OrderEvent | Execution, item: SessionOrder | None) -> Output:
    """The command that tells the ledger. It may wait when more on the same order follows soon.

    What we did ourselves waits longest, for the broker's answer; an end or a fill not at all.
    """
    signal = item.correlation_id if item else None
    wait_ns = MAY_WAIT_NS.get(report.action, 0) if isinstance(report, OrderEvent) else 0
    return Request(LEDGER, report, correlation_id=signal, may_wait_ns=wait_ns)
