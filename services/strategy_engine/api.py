"""Everything a strategy may know and do. A strategy imports this file and nothing else of Bulkhead.

Write a class with a `name` and the hooks that you need; put the file into `strategies/` under the
same name. The engine calls the hooks one at a time, in the order of the market:

    class Mine(Strategy):
        name = "mine"

        def on_bar(self, ctx: Context, bar: Bar) -> None:
            if ctx.can_trade and not ctx.open_orders and ctx.position_lots == 0:
                ctx.market(Side.BUY, 1)

Rules, because a strategy is replayed after every restart and must come to the same result:
everything it remembers stands on `self`, in integers, text, booleans, None, lists, dicts or
dataclasses; no float is kept (scale it to an integer), no clock, no file, no random number.
A strategy that raises is paused until it is reloaded: what it wanted in that call is thrown away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from proto_schemas.enums import OrderType, Side
from proto_schemas.market_data import Bar, Depth, Level, Quote, Trade

__all__ = [
    "Bar",
    "Context",
    "Depth",
    "Level",
    "Order",
    "OrderType",
    "Quote",
    "Side",
    "Strategy",
    "Trade",
]


@dataclass(frozen=True, slots=True)
class Order:
    """One order of this strategy.

    `state` is WANTED (risk is being asked), UNANSWERED (risk was silent), APPROVED, then the
    ledger's own words up to FILLED, CANCELLED, EXPIRED (its day ended) or REJECTED. It ends at once
    as REFUSED (risk said no; `code` says why) and late as FORGOTTEN (nobody ever reported it).
    `price_ticks` is the limit of a LIMIT, the trigger of a STOP. `parent_id` names the entry that a
    protective leg belongs to.
    """

    client_order_id: str
    side: Side
    quantity_lots: int
    filled_lots: int
    state: str
    code: str
    order_type: OrderType = OrderType.MARKET
    price_ticks: int | None = None
    reduce_only: bool = False
    parent_id: str | None = None


@dataclass(frozen=True, slots=True)
class Wish:
    """An order as a strategy asks for it; the prices of its legs, None for no leg."""

    order_type: OrderType
    side: Side
    quantity_lots: int
    reduce_only: bool
    price_ticks: int | None = None
    stop_ticks: int | None = None
    target_ticks: int | None = None


class Desk(Protocol):
    """What stands behind a `Context`: the engine's side of it."""

    @property
    def stream_ns(self) -> int:
        """See `Context.stream_ns`; so with all of these."""

    @property
    def instrument(self) -> str: ...

    @property
    def position_lots(self) -> int | None: ...

    @property
    def open_orders(self) -> tuple[Order, ...]: ...

    @property
    def last_price_ticks(self) -> int | None: ...

    @property
    def quote(self) -> Quote | None: ...

    @property
    def depth(self) -> Depth | None: ...

    @property
    def data_age_ns(self) -> int | None: ...

    @property
    def is_behind(self) -> bool: ...

    @property
    def can_trade(self) -> bool: ...

    def place(self, wish: Wish) -> str | None:
        """See `Context.market`."""

    def cancel(self, client_order_id: str) -> bool:
        """See `Context.cancel`."""

    def replace(self, client_order_id: str, price_ticks: int, quantity_lots: int | None) -> bool:
        """See `Context.replace`."""


class Context:
    """What a hook is given: the present moment, and the one way to ask for an order."""

    __slots__ = ("_desk",)

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    @property
    def stream_ns(self) -> int:
        """Market time in ns since 1970 (UTC). There is no other clock."""
        return self._desk.stream_ns

    @property
    def instrument(self) -> str:
        """The contract, such as `ESM18`."""
        return self._desk.instrument

    @property
    def position_lots(self) -> int | None:
        """Our lots, negative when short; None while the ledger cannot be seen: then do nothing."""
        return self._desk.position_lots

    @property
    def open_orders(self) -> tuple[Order, ...]:
        """Orders that may still trade, those that risk has not answered yet included."""
        return self._desk.open_orders

    @property
    def last_price_ticks(self) -> int | None:
        """Price of the last trade; None before the first."""
        return self._desk.last_price_ticks

    @property
    def quote(self) -> Quote | None:
        """The top of the book; None before the first, and for feeds that have only trades."""
        return self._desk.quote

    @property
    def depth(self) -> Depth | None:
        """The last known levels of the book, best first; it may be older than `quote`."""
        return self._desk.depth

    @property
    def data_age_ns(self) -> int | None:
        """How long ago the newest market event that you have seen came in; None before the first.

        It is real time, so it differs from run to run: good for staying out, not for a signal.
        """
        return self._desk.data_age_ns

    @property
    def is_behind(self) -> bool:
        """You see the market late: there are more events than you can take.

        Quotes in between are left out then, and an order that you ask for may be refused
        (`STALE_DATA`), because it rests on what is no longer so. Do less in your hooks.
        """
        return self._desk.is_behind

    @property
    def can_trade(self) -> bool:
        """True when an ordinary order would leave now."""
        return self._desk.can_trade

    def market(
        self,
        side: Side,
        quantity_lots: int,
        reduce_only: bool = False,
        *,
        stop_ticks: int | None = None,
        target_ticks: int | None = None,
    ) -> str | None:
        """Ask for a market order; return its client order id.

        With `stop_ticks` or `target_ticks` protective orders go with it to the venue: a stop and a
        limit for as many lots as the entry fills; what one of them fills the other has less.
        None if it may not leave now (blind, halted, exits only): counted, and nothing was sent.
        `ValueError` for a side, a size or a price that no order can have.
        """
        wish = Wish(
            OrderType.MARKET, side, quantity_lots, reduce_only, None, stop_ticks, target_ticks
        )
        return self._desk.place(wish)

    def limit(
        self,
        side: Side,
        quantity_lots: int,
        price_ticks: int,
        reduce_only: bool = False,
        *,
        stop_ticks: int | None = None,
        target_ticks: int | None = None,
    ) -> str | None:
        """Ask for a limit order, good for the trading day; else as `market`."""
        wish = Wish(
            OrderType.LIMIT, side, quantity_lots, reduce_only, price_ticks, stop_ticks, target_ticks
        )
        return self._desk.place(wish)

    def stop(
        self, side: Side, quantity_lots: int, price_ticks: int, reduce_only: bool = False
    ) -> str | None:
        """Ask for a stop: a market order once the market trades at its price or beyond."""
        return self._desk.place(Wish(OrderType.STOP, side, quantity_lots, reduce_only, price_ticks))

    def cancel(self, client_order_id: str) -> bool:
        """Ask for an order's end; `on_order` tells what came of it. False: nothing to cancel."""
        return self._desk.cancel(client_order_id)

    def replace(
        self, client_order_id: str, price_ticks: int, quantity_lots: int | None = None
    ) -> bool:
        """Ask for another price, or fewer lots (filled ones included), of an order that works.

        False if it may not or cannot be asked now: no such order, a change is on its way, halted.
        """
        return self._desk.replace(client_order_id, price_ticks, quantity_lots)


class Strategy:
    """Base of every strategy. All hooks do nothing until you write them."""

    name: ClassVar[str] = ""

    def on_start(self, ctx: Context) -> None:
        """Once, before anything else; a reload is a start of its own.

        A restart is none: the memory is still there.
        """

    def on_trade(self, ctx: Context, trade: Trade) -> None:
        """Every trade of the instrument, each once."""

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        """The top of the book changed. In a rush some are left out, never the last one."""

    def on_depth(self, ctx: Context, depth: Depth) -> None:
        """The book's best levels, about once a second, if the feed has them."""

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        """Every closed bar. A minute without a trade has none."""

    def on_order(self, ctx: Context, order: Order) -> None:
        """An order of this strategy changed."""
