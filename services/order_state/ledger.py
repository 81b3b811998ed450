"""The books: orders, positions, executions, and the arithmetic between them. Integers only.

Average cost, exactly. A position of p lots has an open cost: the signed sum of price times lots of
what is open. Closing q lots takes cost*q/p out of it, rounded towards zero; the remainder stays
in the open cost. So at every moment `realised - open cost` is the cash that went in and out, to the
tick: nothing is lost or made by rounding, and when the position is flat the realised P&L is exact.
What rounding can do is to show up to one tick too much or too little as realised for each partial
close, until the position is flat. So two arrival orders of the same fills end with the same lots,
fees and total P&L, but may split it differently between realised and open while lots are open.

An execution does not say how large its order is. If one overtakes every order event, its lots are
booked at once, but the order is not shown until its quantity is known: better late than made up.
How reports move an order is in `orders.py`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from proto_schemas.enums import OrderState, Side
from proto_schemas.ledger import Execution, OrderEvent, PositionUpdate
from services.order_state.orders import (
    Order,
    Refused,
    differs,
    learn,
    over,
    quantity_contradiction,
    state_after_event,
    state_after_fill,
    terms_after,
)
from shared.kernel.check import check
from shared.kernel.errors import OperatorFault, OurFault
from shared.kernel.order_states import is_live
from shared.markets.contracts import parse_contract

EXECUTION_IDS_MAX = 1_000_000
ORDERS_MAX = 1_000_000
FINISHED_SHOWN_MAX = 1_000
FACTS = ("strategy", "instrument", "side")


@dataclass(slots=True)
class Position:
    """One strategy's position in one expiry. `shown_mark_ticks`: the mark last published."""

    strategy: str
    instrument: str
    tick_value_mills: int
    position_lots: int = 0
    open_cost_ticks: int = 0
    realised_mills: int = 0
    fees_mills: int = 0
    shown_mark_ticks: int | None = None

    def fill(self, side: Side, quantity_lots: int, price_ticks: int, fee_mills: int) -> None:
        """Book one fill: what is opposite closes first, the rest opens."""
        opposite = self.position_lots * side.sign < 0
        closing_lots = min(quantity_lots, abs(self.position_lots)) if opposite else 0
        if closing_lots:
            self._close(closing_lots, price_ticks)
        opening_lots = side.sign * (quantity_lots - closing_lots)
        self.position_lots += opening_lots
        self.open_cost_ticks += opening_lots * price_ticks
        self.fees_mills += fee_mills
        check(self.position_lots != 0 or self.open_cost_ticks == 0, "a flat position costs nothing")

    def _close(self, closing_lots: int, price_ticks: int) -> None:
        sign = 1 if self.position_lots > 0 else -1
        removed_ticks = divide_towards_zero(
            self.open_cost_ticks * closing_lots, abs(self.position_lots)
        )
        proceeds_ticks = sign * closing_lots * price_ticks
        self.realised_mills += (proceeds_ticks - removed_ticks) * self.tick_value_mills
        self.open_cost_ticks -= removed_ticks
        self.position_lots -= sign * closing_lots

    def update(self, mark_ticks: int | None) -> PositionUpdate:
        """The position as it is published, valued at this mark (nothing open without one)."""
        open_ticks = 0
        if mark_ticks is not None:
            open_ticks = self.position_lots * mark_ticks - self.open_cost_ticks
        return PositionUpdate(
            strategy=self.strategy,
            instrument=self.instrument,
            position_lots=self.position_lots,
            open_cost_ticks=self.open_cost_ticks,
            realised_mills=self.realised_mills,
            open_mills=open_ticks * self.tick_value_mills,
            fees_mills=self.fees_mills,
            mark_ticks=mark_ticks,
        )


def divide_towards_zero(dividend: int, divisor: int) -> int:
    """Whole quotient; `//` alone would round a negative one away from zero. `divisor` > 0."""
    quotient = abs(dividend) // divisor
    return quotient if dividend >= 0 else -quotient


@cache
def tick_value_mills(instrument: str) -> int | None:
    """What one tick of one lot is worth; None for a contract that the market tables do not know."""
    try:
        return parse_contract(instrument).product.tick_value_mills
    except OperatorFault:
        return None


@dataclass(frozen=True, slots=True)
class Booked:
    """A report was accepted. `order` None: a repeat, nothing changed."""

    order: Order | None = None
    position: Position | None = None
    overfill: bool = False


@dataclass(slots=True)
class Books:
    """Everything the ledger knows. Orders stay for the whole run: a repeat must find its order."""

    orders: dict[str, Order] = field(default_factory=dict)
    live: dict[str, None] = field(default_factory=dict)
    finished: dict[str, None] = field(default_factory=dict)
    positions: dict[tuple[str, str], Position] = field(default_factory=dict)
    executions: dict[str, tuple[str, int, int]] = field(default_factory=dict)

    def book_event(self, event: OrderEvent) -> Booked | Refused:
        """Move an order, or make it; the first order event of all tells its terms."""
        order = self.orders.get(event.client_order_id) or self._new(event)
        if refused := _contradiction(order, event):
            return refused
        if refused := quantity_contradiction(order, event):
            return refused
        terms = terms_after(order, event)
        moved = state_after_event(order, event, terms)
        if isinstance(moved, Refused):
            return moved
        changed = terms != order.terms or moved is not order.state
        overfill = terms.quantity_lots != order.terms.quantity_lots and over(order, terms)
        learn(order, event, terms)
        self._move(order, moved, moved.value if moved is OrderState.FILLED else event.code)
        return Booked(order if changed else None, None, overfill)

    def book_execution(self, execution: Execution) -> Booked | Refused:
        """Book one fill once, however often it is reported, and move its order."""
        facts = (execution.client_order_id, execution.quantity_lots, execution.price_ticks)
        known = self.executions.get(execution.execution_id)
        if known is not None:
            return Booked() if known == facts else differs("execution_id", facts, known)
        order = self.orders.get(execution.client_order_id) or self._new(execution)
        if refused := _contradiction(order, execution):
            return refused
        filled_lots = order.filled_lots + execution.quantity_lots
        moved = state_after_fill(order, filled_lots)
        if isinstance(moved, Refused):
            return moved
        _stop_if_full(len(self.executions), EXECUTION_IDS_MAX, "execution ids")
        self.executions[execution.execution_id] = facts
        order.filled_lots = filled_lots
        order.filled_cost_ticks += execution.quantity_lots * execution.price_ticks
        order.broker_order_id = order.broker_order_id or execution.broker_order_id
        self._move(order, moved, moved.value)
        return Booked(order, self._book_position(execution), over(order, order.terms))

    def shown(self) -> list[Order]:
        """All live orders and the last finished ones, in order of creation."""
        chosen = [self.orders[key] for key in (*self.live, *self.finished)]
        return sorted(chosen, key=lambda order: order.number)

    def net_lots(self) -> dict[str, int]:
        """Net position per instrument over all strategies, flat ones left out."""
        net: dict[str, int] = {}
        for position in self.positions.values():
            lots = net.get(position.instrument, 0) + position.position_lots
            net[position.instrument] = lots
        return {instrument: lots for instrument, lots in sorted(net.items()) if lots}

    def _new(self, report: OrderEvent | Execution) -> Order:
        """An order as the first report about it tells; not in the books before it is accepted."""
        return Order(
            number=len(self.orders) + 1,
            client_order_id=report.client_order_id,
            session=report.session,
            strategy=report.strategy,
            instrument=report.instrument,
            side=report.side,
        )

    def _move(self, order: Order, state: OrderState, code: str) -> None:
        """Put the order into its state and on the right list; a stay keeps the old code."""
        key = order.client_order_id
        new = key not in self.orders
        if new:
            _stop_if_full(len(self.orders), ORDERS_MAX, "orders")
            self.orders[key] = order
        if not new and state is order.state:
            return
        order.state, order.code = state, code
        if is_live(state):
            self.live[key] = None
            return
        self.live.pop(key, None)
        self.finished.setdefault(key)
        if len(self.finished) > FINISHED_SHOWN_MAX:
            del self.finished[next(iter(self.finished))]

    def _book_position(self, execution: Execution) -> Position:
        key = (execution.strategy, execution.instrument)
        position = self.positions.get(key)
        if position is None:
            value_mills = tick_value_mills(execution.instrument)
            if value_mills is None:
                raise OurFault("CHECK_FAILED", field="contract", value=key, fix="Refused earlier.")
            position = self.positions[key] = Position(*key, value_mills)
        position.fill(
            execution.side, execution.quantity_lots, execution.price_ticks, execution.fee_mills
        )
        return position


def _contradiction(order: Order, report: OrderEvent | Execution) -> Refused | None:
    """The session is no fact of the order: whoever heard of it may report it."""
    if tick_value_mills(report.instrument) is None:
        return Refused("INSTRUMENT_UNKNOWN", "instrument", report.instrument)
    for name in FACTS:
        if getattr(order, name) != getattr(report, name):
            return differs(name, getattr(report, name), getattr(order, name))
    return None


def _stop_if_full(count: int, maximum: int, what: str) -> None:
    """Forgetting an id could book a fill twice, so the run ends instead."""
    if count >= maximum:
        raise OurFault(
            "LEDGER_FULL",
            field=what,
            value=count,
            fix="Go flat and start a new run: the books end.",
        )
