"""How orders live in the market: they rest, trade, protect what an entry opened, and end. Pure.

`book.py` says what is offered; here it is shared out and booked. Split from `exchange.py`, which
takes messages and events in; both work on the same `ExchangeState`.
"""

from __future__ import annotations

from proto_schemas.enums import OrderAction, OrderType
from shared.kernel.order_states import next_state
from shared.markets import Product
from shared.venue import records
from shared.venue.arrival import change
from shared.venue.book import (
    Moment,
    crosses,
    is_taker,
    is_triggered,
    join_queue,
    move_up,
    offers,
    take,
)
from shared.venue.records import ExchangeState, Fill, Market, Order, Report


class Matching:
    """The orders of one account between arrival and end."""

    def __init__(self, products: dict[str, Product], state: ExchangeState) -> None:
        self.products = products
        self.state = state

    def rest(self, order: Order, exchange_ns: int) -> list[Report]:
        """A stop is armed at once; a limit order that cannot take rests."""
        market, product = self.state.markets[order.instrument], self.products[order.instrument]
        if order.held or order.order_type is OrderType.MARKET or order.triggered:
            return []
        if order.order_type is OrderType.LIMIT:
            if order.resting or crosses(market, product, order):
                return []
            join_queue(market, order)
        return self._works(order, records.WORKING, exchange_ns)

    def _works(self, order: Order, code: str, exchange_ns: int) -> list[Report]:
        before, order.state = order.state, next_state(order.state, OrderAction.WORK)
        return [change(order, code, exchange_ns)] if order.state is not before else []

    def after_end(self, order: Order, exchange_ns: int) -> list[Report]:
        """No market event will come any more: the last book stands for this order too."""
        ended = self.state.markets[order.instrument].ended
        return self.match(order.instrument, Moment(exchange_ns)) if ended else []

    # --- matching -------------------------------------------------------------------------------

    def match(self, instrument: str, moment: Moment) -> list[Report]:
        """Let every order look at this moment: takers first, then by price and time."""
        market, orders = self.state.markets[instrument], self.state.orders
        waiting = [orders[client_order_id] for client_order_id in market.waiting]
        reports: list[Report] = []
        for order in sorted(waiting, key=_priority):
            if order.leaves_lots and not order.held and self._sees(market, order, moment):
                reports += self._look(market, order, moment)
        return reports + self._drop_exits(market, moment.exchange_ns)

    def _sees(self, market: Market, order: Order, moment: Moment) -> bool:
        return market.ended or moment.exchange_ns >= order.live_from_ns

    def _look(self, market: Market, order: Order, moment: Moment) -> list[Report]:
        product = self.products[order.instrument]
        if order.order_type is OrderType.STOP and not order.triggered:
            if not is_triggered(order, moment):
                return []
            order.triggered = True  # it trades at the next event, not at the price that it saw
            return [change(order, records.TRIGGERED, moment.exchange_ns)]
        if order.resting and moment.price_ticks is None:
            move_up(market, order)
        reports: list[Report] = []
        for offer in offers(market, product, order, moment):
            lots = self._fillable_lots(order, offer.lots)
            if lots:
                take(market, order, moment, offer, lots)
                reports += self._fill(order, lots, offer.price_ticks, moment.exchange_ns)
            if not order.leaves_lots:
                return reports
        return reports + self.rest(order, moment.exchange_ns)

    def _fillable_lots(self, order: Order, offered_lots: int | None) -> int:
        lots = order.leaves_lots
        if offered_lots is not None:
            lots = min(lots, max(0, offered_lots))
        return min(lots, self.room(order)) if order.reduce_only else lots

    def room(self, order: Order) -> int:
        """How many lots a reduce-only order may still close without crossing zero."""
        position_lots = self.state.positions.get(order.instrument, 0)
        room = max(0, -order.side.sign * position_lots)
        parent = self.state.orders.get(order.parent_id or "")
        return room if parent is None else min(room, self._protected_lots(parent))

    def _protected_lots(self, parent: Order) -> int:
        """What the entry has filled and its legs have not closed yet."""
        legs = (self.state.orders.get(each) for each in parent.leg_ids)
        return parent.filled_lots - sum(leg.filled_lots for leg in legs if leg is not None)

    def _fill(self, order: Order, lots: int, price_ticks: int, exchange_ns: int) -> list[Report]:
        order.filled_lots += lots
        done = order.filled_lots == order.quantity_lots
        action = OrderAction.FILL_ALL if done else OrderAction.FILL_PART
        order.state = next_state(order.state, action)
        fee_mills = self._book_fill(order, lots, price_ticks)
        self.state.executions += 1
        fill = Fill(
            order.session, order.correlation_id, order.client_order_id,
            order.broker_order_id or "", f"X{self.state.executions}", order.instrument,
            order.side, lots, price_ticks, fee_mills, order.leaves_lots, exchange_ns,
        )  # fmt: skip
        if done:
            self._leave(order)
        return [fill, *self._arm_legs(order, exchange_ns), *self._tidy(order, exchange_ns)]

    def _book_fill(self, order: Order, lots: int, price_ticks: int) -> int:
        """Move position and cash; return the fee in mills."""
        product, state = self.products[order.instrument], self.state
        signed_lots = order.side.sign * lots
        fee_mills = product.fee_mills * lots
        state.positions[order.instrument] = state.positions.get(order.instrument, 0) + signed_lots
        state.cash_mills -= signed_lots * price_ticks * product.tick_value_mills + fee_mills
        state.fees_mills += fee_mills
        return fee_mills

    # --- entries and their legs -----------------------------------------------------------------

    def _arm_legs(self, entry: Order, exchange_ns: int) -> list[Report]:
        """The entry has traded: its legs stand in the market from now on."""
        reports: list[Report] = []
        for leg in self._live_legs(entry):
            if leg.held:
                reports += self._works(leg, records.ARMED, exchange_ns)
                leg.live_from_ns = exchange_ns
                if leg.order_type is OrderType.LIMIT:
                    reports += self.rest(leg, exchange_ns)
        return reports

    def _tidy(self, order: Order, exchange_ns: int) -> list[Report]:
        """An entry that has ended needs legs only for lots that are still open."""
        entry = self.state.orders.get(order.parent_id or order.client_order_id)
        if entry is None or entry.leaves_lots or self._protected_lots(entry):
            return []
        code = records.OTHER_LEG_FILLED if entry.filled_lots else records.PARENT_ENDED
        reports: list[Report] = []
        for leg in self._live_legs(entry):
            leg.state = next_state(leg.state, OrderAction.CANCEL)
            self._leave(leg)
            reports.append(change(leg, code, exchange_ns))
        return reports

    def _live_legs(self, entry: Order) -> list[Order]:
        legs = (self.state.orders.get(each) for each in entry.leg_ids)
        return [leg for leg in legs if leg is not None and leg.leaves_lots]

    def _drop_exits(self, market: Market, exchange_ns: int) -> list[Report]:
        """Nothing is open any more that they could close."""
        reports: list[Report] = []
        for client_order_id in list(market.waiting):
            order = self.state.orders[client_order_id]
            exit_ = order.reduce_only and order.leaves_lots and not order.held
            if exit_ and not self.room(order):
                code = records.REDUCE_ONLY_INCREASES
                reports += self.end(order, OrderAction.CANCEL, code, exchange_ns)
        return reports

    # --- the end of orders ---

    def end_all(
        self, market: Market, action: OrderAction, code: str, exchange_ns: int
    ) -> list[Report]:
        reports: list[Report] = []
        for client_order_id in list(market.waiting):
            order = self.state.orders[client_order_id]
            if order.leaves_lots:
                reports += self.end(order, action, code, exchange_ns)
        return reports

    def end(self, order: Order, action: OrderAction, code: str, exchange_ns: int) -> list[Report]:
        order.state = next_state(order.state, action)
        self._leave(order)
        return [change(order, code, exchange_ns), *self._tidy(order, exchange_ns)]

    def _leave(self, order: Order) -> None:
        """Out of the market, and among the finished ones."""
        self.state.markets[order.instrument].waiting.remove(order.client_order_id)
        self.finish(order)

    def finish(self, order: Order) -> None:
        finished = self.state.finished
        finished.append(order.client_order_id)
        if len(finished) > records.FINISHED_ORDERS_MAX:
            del self.state.orders[finished.popleft()]


def _priority(order: Order) -> tuple[int, int]:
    """Takers by time, then resting limit orders by price; the sort keeps time within a price."""
    if is_taker(order) or order.price_ticks is None or not order.resting:
        return 0, 0
    return 1, -order.side.sign * order.price_ticks
