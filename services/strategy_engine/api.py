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
A strategy that raises is paused: what it wanted in that call is thrown away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from proto_schemas.enums import Side
from proto_schemas.market_data import Bar, Trade

__all__ = ["Bar", "Context", "Order", "Side", "Strategy", "Trade"]


@dataclass(frozen=True, slots=True)
class Order:
    """One order of this strategy.

    `state` is WANTED (risk is being asked), UNANSWERED (risk was silent), APPROVED, then the
    ledger's own words up to FILLED, CANCELLED or REJECTED. It ends at once as REFUSED (risk said
    no; `code` says why) and late as EXPIRED (nobody ever reported it).
    """

    client_order_id: str
    side: Side
    quantity_lots: int
    filled_lots: int
    state: str
    code: str


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
    def can_trade(self) -> bool: ...

    def market(self, side: Side, quantity_lots: int, reduce_only: bool) -> str | None:
        """See `Context.market`."""


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
    def can_trade(self) -> bool:
        """True when an ordinary order would leave now."""
        return self._desk.can_trade

    def market(self, side: Side, quantity_lots: int, reduce_only: bool = False) -> str | None:
        """Ask for a market order; return its client order id.

        None if it may not leave now (blind, halted, exits only): counted, and nothing was sent.
        `ValueError` for a side or a size that no order can have.
        """
        return self._desk.market(side, quantity_lots, reduce_only)


class Strategy:
    """Base of every strategy. All hooks do nothing until you write them."""

    name: ClassVar[str] = ""

    def on_start(self, ctx: Context) -> None:
        """Once in a run, before anything else. A restart is no start: the memory is still there."""

    def on_trade(self, ctx: Context, trade: Trade) -> None:
        """Every trade of the instrument, each once."""

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        """Every closed bar. A minute without a trade has none."""

    def on_order(self, ctx: Context, order: Order) -> None:
        """An order of this strategy changed."""
