"""From messages to the exchange's own records, and what a message cannot ask for."""

from __future__ import annotations

from proto_schemas.broker import NewOrder, ReplaceOrder
from proto_schemas.enums import OrderState, OrderType, Side
from shared.venue import records
from shared.venue.records import Change, Market, Order

LEGS_MAX = 2


def order_from(new: NewOrder, correlation_id: str | None, live_from_ns: int) -> Order:
    """The order as it arrived; it is not accepted yet."""
    return Order(
        session=new.session,
        client_order_id=new.client_order_id,
        correlation_id=correlation_id,
        broker_order_id=None,
        instrument=new.instrument,
        side=new.side,
        quantity_lots=new.quantity_lots,
        reduce_only=new.reduce_only,
        state=OrderState.SUBMITTED,
        order_type=new.order_type,
        price_ticks=new.price_ticks,
        live_from_ns=live_from_ns,
        leg_ids=tuple(leg.client_order_id for leg in new.legs),
    )


def legs_of(new: NewOrder, entry: Order) -> list[Order]:
    """The protective orders that come with an entry: other side, reduce-only, same size."""
    return [
        Order(
            session=new.session,
            client_order_id=leg.client_order_id,
            correlation_id=entry.correlation_id,
            broker_order_id=None,
            instrument=new.instrument,
            side=Side.SELL if new.side is Side.BUY else Side.BUY,
            quantity_lots=new.quantity_lots,
            reduce_only=True,
            state=OrderState.SUBMITTED,
            order_type=leg.order_type,
            price_ticks=leg.price_ticks,
            live_from_ns=entry.live_from_ns,
            parent_id=entry.client_order_id,
        )
        for leg in new.legs
    ]


def lacks_price(order: Order) -> bool:
    """A limit without a price is no limit."""
    return order.order_type is not OrderType.MARKET and order.price_ticks is None


def has_price_too_much(order: Order) -> bool:
    """Who sends a price with a market order believes that it is something else."""
    return order.order_type is OrderType.MARKET and order.price_ticks is not None


def legs_invalid(order: Order, legs: list[Order]) -> bool:
    """At most two, with ids of their own, none at market, and never on an exit."""
    ids = {order.client_order_id, *(leg.client_order_id for leg in legs)}
    at_market = any(leg.order_type is OrderType.MARKET for leg in legs)
    too_many = len(legs) > LEGS_MAX or len(ids) <= len(legs)
    return bool(legs) and (too_many or at_market or order.reduce_only)


def nothing_to_trade_at(market: Market) -> bool:
    """The data ended without one price."""
    return market.ended and market.last_ticks is None and not market.quoted


def replace_refusal(order: Order, wanted: ReplaceOrder) -> str | None:
    """Why this change cannot be made; None if it can."""
    if not order.leaves_lots:
        return records.TOO_LATE
    if order.order_type is OrderType.MARKET or order.triggered:
        return records.NOT_REPLACEABLE
    if wanted.quantity_lots > order.quantity_lots:
        return records.QUANTITY_RAISED
    if wanted.quantity_lots <= order.filled_lots:
        return records.QUANTITY_BELOW_FILLED
    return None


def change(order: Order, code: str, exchange_ns: int, *, refused: bool = False) -> Change:
    """Tell the order's session where the order stands, with its present terms."""
    return Change(
        order.session, order.correlation_id, order.client_order_id, order.broker_order_id,
        order.state, code, exchange_ns, order.revision, refused, order.quantity_lots,
        order.price_ticks,
    )  # fmt: skip


def refused_twin(new: NewOrder, exchange_ns: int, correlation_id: str | None) -> Change:
    """A second order under a known id is refused; the first one is not even looked at."""
    return Change(
        new.session, correlation_id, new.client_order_id, None, OrderState.REJECTED,
        records.DUPLICATE_CLIENT_ORDER_ID, exchange_ns,
    )  # fmt: skip
