"""The flatten planner: from one look at the account to the orders that close it. Pure.

Three laws, each of which a toy experiment showed to be needed; without any one of them closing
orders run through zero and open the opposite position:

1. **Fence and drain first.** Plan nothing before the router can send no more: its lease has run
   out and the longest wire delay has passed. The core's REVOKING phase sees to that.
2. **Orders before positions, and subtract.** What live orders on the closing side may still fill is
   already on its way: close only the rest. Orders of every session count, ours too, and of ours
   also those that the account does not show yet.
3. **Settle.** The account may lag behind its fills by `report_lag_ns`. Act only when the view of
   orders and positions has not changed, and we have sent nothing, for at least that long.

An incomplete snapshot is not a view: it says nothing, least of all "flat".
"""

from __future__ import annotations

from dataclasses import dataclass

from proto_schemas.broker import BrokerOrder, BrokerSnapshot
from proto_schemas.enums import Side
from shared.kernel.clock import Now
from shared.kernel.order_states import is_live

CLOSE_MAX_LOTS = 500
"""Larger positions are closed in several orders: an exchange refuses very large ones."""

View = tuple[tuple[tuple[str, int], ...], tuple[tuple[str, int], ...]]


@dataclass(frozen=True, slots=True)
class Close:
    """One closing order to send."""

    instrument: str
    side: Side
    quantity_lots: int


@dataclass(slots=True)
class Flattening:
    """What the planner remembers between looks."""

    view: View | None = None
    changed_ns: int = 0
    flat_since_ns: int | None = None
    sent_ns: int = -1

    def look(
        self, snapshot: BrokerSnapshot, asked_ns: int, settle_ns: int, now: Now
    ) -> list[Close] | None:
        """Take one complete snapshot. None: not settled, look again; a list: send these now.

        A view that was asked for before our last send knows nothing of it, and is no view.
        """
        if asked_ns <= self.sent_ns:
            return None
        view = _view(snapshot)
        if view != self.view:
            self.view, self.changed_ns = view, now.boot_ns
            self.flat_since_ns = None
        if now.boot_ns - self.changed_ns < settle_ns:
            return None
        closes = plan(snapshot)
        if closes:
            self.changed_ns, self.sent_ns, self.flat_since_ns = now.boot_ns, now.boot_ns, None
        return closes

    def proven_flat(self, settle_ns: int, now: Now) -> bool:
        """True at the second settled look that saw no order and no position."""
        if self.view != ((), ()):
            return False
        if self.flat_since_ns is None:
            self.flat_since_ns = now.boot_ns
            return False
        return now.boot_ns - self.flat_since_ns > settle_ns


def plan(snapshot: BrokerSnapshot) -> list[Close]:
    """At most one closing order per instrument, reduced by what is already on its way."""
    closes = []
    for position in snapshot.positions:
        lots = position.position_lots
        side = Side.SELL if lots > 0 else Side.BUY
        rest = abs(lots) - _leaves(snapshot.orders, position.instrument, side)
        if rest > 0:
            closes.append(Close(position.instrument, side, min(rest, CLOSE_MAX_LOTS)))
    return closes


def _leaves(orders: tuple[BrokerOrder, ...], instrument: str, side: Side) -> int:
    return sum(
        order.quantity_lots - order.filled_lots
        for order in orders
        if order.instrument == instrument and order.side is side and is_live(order.state)
    )


def _view(snapshot: BrokerSnapshot) -> View:
    orders = sorted(
        (order.client_order_id, order.filled_lots)
        for order in snapshot.orders
        if is_live(order.state)
    )
    held = sorted((p.instrument, p.position_lots) for p in snapshot.positions if p.position_lots)
    return tuple(orders), tuple(held)
