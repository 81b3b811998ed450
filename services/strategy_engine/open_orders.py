"""A strategy's open orders as the desk keeps them, and what nobody can ask for."""

from __future__ import annotations

from dataclasses import dataclass

from proto_schemas.enums import OrderType, Side
from proto_schemas.ledger import OrderUpdate
from proto_schemas.signals import Intent
from services.strategy_engine.api import Order, Wish

ORDER, CANCEL, REPLACE = "order", "cancel", "replace"
"""First words of a request's subject: what risk's answer is about."""
REPLACEABLE = ("ACKNOWLEDGED", "WORKING", "PARTIAL_FILL")
LEGS_MAX = 2
QUANTITY_LOTS_MAX = 100_000
PRICE_TICKS_MAX = 2**53


@dataclass(slots=True)
class OpenOrder:
    """An order that may still trade. `forget_ns` (boot clock): when its silence becomes its end.

    `change`: the cancel or replace that risk has not answered yet.
    """

    client_order_id: str
    correlation_id: str
    side: Side
    quantity_lots: int
    expires_ns: int
    order_type: OrderType = OrderType.MARKET
    price_ticks: int | None = None
    reduce_only: bool = False
    parent_id: str | None = None
    state: str = "WANTED"
    filled_lots: int = 0
    code: str = "OK"
    change: str = ""
    in_ledger: bool = False
    in_doubt: bool = False
    forget_ns: int | None = None

    def view(self) -> Order:
        """What the strategy may see of it."""
        return Order(
            self.client_order_id, self.side, self.quantity_lots, self.filled_lots, self.state,
            self.code, self.order_type, self.price_ticks, self.reduce_only, self.parent_id,
        )  # fmt: skip

    def learn(self, update: OrderUpdate) -> None:
        """The ledger's word."""
        self.state, self.code = update.state.value, update.code
        self.filled_lots, self.quantity_lots = update.filled_lots, update.quantity_lots
        self.order_type = update.order_type or self.order_type
        self.price_ticks, self.reduce_only = update.price_ticks, update.reduce_only
        self.parent_id = update.parent_id


def opened(intent: Intent, signal: str) -> list[OpenOrder]:
    """The order that an intent asks for, and its legs."""
    entry = OpenOrder(
        intent.client_order_id, signal, intent.side, intent.quantity_lots, intent.expires_ns,
        intent.order_type, intent.price_ticks, intent.reduce_only,
    )  # fmt: skip
    side = Side.SELL if intent.side is Side.BUY else Side.BUY
    legs = [
        OpenOrder(
            leg.client_order_id, signal, side, intent.quantity_lots, intent.expires_ns,
            leg.order_type, leg.price_ticks, True, intent.client_order_id,
        )
        for leg in intent.legs
    ]  # fmt: skip
    return [entry, *legs]


def leg_prices(wish: Wish) -> list[tuple[OrderType, int]]:
    """The legs that a wish has."""
    legs = ((OrderType.STOP, wish.stop_ticks), (OrderType.LIMIT, wish.target_ticks))
    return [(kind, ticks) for kind, ticks in legs if ticks is not None]


def refuse_impossible(wish: Wish) -> None:
    """Foreign code may pass anything; its types are only promises."""
    prices = [wish.price_ticks, wish.stop_ticks, wish.target_ticks]
    if wish.order_type is OrderType.MARKET:
        prices = prices[1:]
    given = [ticks for ticks in prices if ticks is not None]
    rules = (
        _is_quantity(wish.quantity_lots),
        _is_a(wish.side, Side),
        _is_a(wish.reduce_only, bool),
        all(_is_price(ticks) for ticks in given),
        wish.order_type is OrderType.MARKET or wish.price_ticks is not None,
        not (wish.reduce_only and leg_prices(wish)),
    )
    if not all(rules):
        raise ValueError(f"no such order: {wish!r}")


def refuse_impossible_terms(price_ticks: object, quantity_lots: object) -> None:
    """The same for a change."""
    if not (_is_price(price_ticks) and _is_quantity(quantity_lots)):
        raise ValueError(f"no such terms: {price_ticks!r} {quantity_lots!r}")


def _is_a(value: object, kind: type) -> bool:
    return isinstance(value, kind)


def _is_quantity(value: object) -> bool:
    return type(value) is int and 1 <= value <= QUANTITY_LOTS_MAX


def _is_price(value: object) -> bool:
    return type(value) is int and abs(value) <= PRICE_TICKS_MAX
