"""The simulated exchange's rules, on trade-only data.

Theory of operation. The book is the last trade minus and plus half the usual spread, rounded
outward. A market order never fills on the price its sender saw: it waits and trades at the next
market event, at that event's book, against the traded size, which waiting orders share in order of
arrival. What is left waits for the events after. When the data has ended, the last book stands and
fills at once and in full, so that whoever must get flat still can.

A reduce-only order is checked twice, because the position moves while it waits: refused on arrival
if it cannot reduce, cut at each fill to what is open, and its rest cancelled once nothing is open.

Promises: every lot, mill and id is an integer in `state`; same calls, same state. Fees and spread
are the product's assumptions. Limits: market orders only; our own trades do not move the price.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from proto_schemas.broker import NewOrder
from proto_schemas.enums import OrderAction, OrderState, Side
from shared.kernel.check import check
from shared.kernel.order_states import next_state
from shared.markets import Contract
from shared.venue import records
from shared.venue.records import Change, ExchangeState, Fill, Market, Order, Report


class Exchange:
    """One account at one exchange that lists these contracts."""

    def __init__(self, contracts: Iterable[Contract]) -> None:
        self.products = {contract.code: contract.product for contract in contracts}
        self.state = ExchangeState({code: Market() for code in self.products})

    # --- what may happen ------------------------------------------------------------------------

    def submit(
        self, new: NewOrder, exchange_ns: int, correlation_id: str | None = None
    ) -> list[Report]:
        """Take or refuse a new order; fill it at once only if the data has ended."""
        if new.client_order_id in self.state.known_ids or new.client_order_id in self.state.orders:
            return [_refused_twin(new, exchange_ns, correlation_id)]
        self._remember_id(new.client_order_id)
        order = _order_from(new, correlation_id)
        self.state.orders[order.client_order_id] = order
        code = self._refusal(order)
        if code is not None:
            order.state = OrderState.REJECTED
            self._finish(order)
            return [_change(order, code, exchange_ns)]
        return self._accept(order, exchange_ns)

    def trade(
        self, instrument: str, exchange_ns: int, price_ticks: int, quantity_lots: int | None
    ) -> list[Report]:
        """One market event: a new price, and size for those who wait (absent means one lot)."""
        market = self.state.markets[instrument]
        check(not market.ended, "no trade after the end of the data", instrument)
        market.last_ticks = price_ticks
        if not market.waiting:
            return []
        return self._match(instrument, exchange_ns, 1 if quantity_lots is None else quantity_lots)

    def end(self, instrument: str, exchange_ns: int) -> list[Report]:
        """No more data: the last book stands and fills everything that waits."""
        market = self.state.markets[instrument]
        market.ended = True
        if market.last_ticks is None:
            return self._cancel_all(market, exchange_ns)
        return self._match(instrument, exchange_ns, None)

    # --- what one may ask -----------------------------------------------------------------------

    def live_orders(self) -> list[Order]:
        """Orders of all sessions that may still trade."""
        return [
            self.state.orders[client_order_id]
            for market in self.state.markets.values()
            for client_order_id in market.waiting
        ]

    def finished_orders(self, session: str, at_most: int) -> list[Order]:
        """The session's newest ended orders, oldest first."""
        orders = self.state.orders
        ended = (orders[client_order_id] for client_order_id in reversed(self.state.finished))
        newest = list(islice((order for order in ended if order.session == session), at_most))
        return newest[::-1]

    def book(self, instrument: str) -> tuple[int, int] | None:
        """Bid and ask in ticks; None before the first trade."""
        last_ticks = self.state.markets[instrument].last_ticks
        if last_ticks is None:
            return None
        half = self.products[instrument].half_spread_ticks
        return last_ticks - half, last_ticks + half

    def worth_mills(self) -> int:
        """Cash plus every open lot at the last trade: what the account has won or lost."""
        worth = self.state.cash_mills
        for instrument, position_lots in self.state.positions.items():
            last_ticks = self.state.markets[instrument].last_ticks or 0
            worth += position_lots * last_ticks * self.products[instrument].tick_value_mills
        return worth

    # --- arrival --------------------------------------------------------------------------------

    def _refusal(self, order: Order) -> str | None:
        """The first rule that this order breaks."""
        market = self.state.markets.get(order.instrument)
        if market is None:
            return records.INSTRUMENT_UNKNOWN
        if order.quantity_lots > records.ORDER_LOTS_MAX:
            return records.QUANTITY_TOO_LARGE
        if order.reduce_only and self._closable_lots(order) == 0:
            return records.REDUCE_ONLY_INCREASES
        if market.ended and market.last_ticks is None:
            return records.NO_MARKET
        if (
            sum(len(each.waiting) for each in self.state.markets.values())
            >= records.LIVE_ORDERS_MAX
        ):
            return records.TOO_MANY_ORDERS
        return None

    def _accept(self, order: Order, exchange_ns: int) -> list[Report]:
        state = self.state
        state.orders_taken += 1
        order.broker_order_id = f"B{state.orders_taken}"
        order.state = OrderState.ACKNOWLEDGED
        market = state.markets[order.instrument]
        market.waiting.append(order.client_order_id)
        reports: list[Report] = [_change(order, records.ACCEPTED, exchange_ns)]
        if market.ended:
            reports += self._match(order.instrument, exchange_ns, None)
        return reports

    # --- matching -------------------------------------------------------------------------------

    def _match(self, instrument: str, exchange_ns: int, size_lots: int | None) -> list[Report]:
        """Let the waiting orders trade in order of arrival; `size_lots` None: no cap."""
        market = self.state.markets[instrument]
        reports: list[Report] = []
        for client_order_id in market.waiting:
            order = self.state.orders[client_order_id]
            lots = self._fillable_lots(order, size_lots)
            if lots:
                reports.append(self._fill(order, lots, exchange_ns))
                size_lots = None if size_lots is None else size_lots - lots
            if order.leaves_lots and order.reduce_only and self._closable_lots(order) == 0:
                reports.append(self._cancel(order, records.REDUCE_ONLY_INCREASES, exchange_ns))
        market.waiting = [each for each in market.waiting if self.state.orders[each].leaves_lots]
        return reports

    def _fillable_lots(self, order: Order, size_lots: int | None) -> int:
        lots = order.leaves_lots
        if size_lots is not None:
            lots = min(lots, size_lots)
        return min(lots, self._closable_lots(order)) if order.reduce_only else lots

    def _closable_lots(self, order: Order) -> int:
        """How many lots this order's side could close without crossing zero."""
        position_lots = self.state.positions.get(order.instrument, 0)
        return max(0, -order.side.sign * position_lots)

    def _fill(self, order: Order, lots: int, exchange_ns: int) -> Fill:
        book = self.book(order.instrument)
        check(book is not None, "a fill needs a price", order.instrument)
        bid_ticks, ask_ticks = book or (0, 0)
        price_ticks = ask_ticks if order.side is Side.BUY else bid_ticks
        order.filled_lots += lots
        done = order.filled_lots == order.quantity_lots
        action = OrderAction.FILL_ALL if done else OrderAction.FILL_PART
        order.state = next_state(order.state, action)
        fee_mills = self._book_fill(order, lots, price_ticks)
        if done:
            self._finish(order)
        self.state.executions += 1
        return Fill(
            order.session, order.correlation_id, order.client_order_id,
            order.broker_order_id or "", f"X{self.state.executions}", order.instrument,
            order.side, lots, price_ticks, fee_mills, order.leaves_lots, exchange_ns,
        )  # fmt: skip

    def _book_fill(self, order: Order, lots: int, price_ticks: int) -> int:
        """Move position and cash; return the fee in mills."""
        product, state = self.products[order.instrument], self.state
        signed_lots = order.side.sign * lots
        fee_mills = product.fee_mills * lots
        state.positions[order.instrument] = state.positions.get(order.instrument, 0) + signed_lots
        state.cash_mills -= signed_lots * price_ticks * product.tick_value_mills + fee_mills
        state.fees_mills += fee_mills
        return fee_mills

    # --- the end of orders ----------------------------------------------------------------------

    def _cancel(self, order: Order, code: str, exchange_ns: int) -> Change:
        order.state = next_state(order.state, OrderAction.CANCEL)
        self._finish(order)
        return _change(order, code, exchange_ns)

    def cancel_others(self, session: str, exchange_ns: int) -> list[Report]:
        """Cancel every live order that is not of this session."""
        reports: list[Report] = []
        for market in self.state.markets.values():
            orders = [self.state.orders[client_order_id] for client_order_id in market.waiting]
            market.waiting = [o.client_order_id for o in orders if o.session == session]
            reports += [
                self._cancel(order, records.CANCELLED_BY_ACCOUNT, exchange_ns)
                for order in orders
                if order.session != session
            ]
        return reports

    def _cancel_all(self, market: Market, exchange_ns: int) -> list[Report]:
        """The data ended without one price: nothing can ever trade."""
        orders = [self.state.orders[client_order_id] for client_order_id in market.waiting]
        market.waiting = []
        return [self._cancel(order, records.NO_MARKET, exchange_ns) for order in orders]

    def _finish(self, order: Order) -> None:
        finished = self.state.finished
        finished.append(order.client_order_id)
        if len(finished) > records.FINISHED_ORDERS_MAX:
            del self.state.orders[finished.popleft()]

    def _remember_id(self, client_order_id: str) -> None:
        known = self.state.known_ids
        known[client_order_id] = None
        if len(known) > records.KNOWN_IDS_MAX:
            del known[next(iter(known))]


def _order_from(new: NewOrder, correlation_id: str | None) -> Order:
    return Order(
        new.session, new.client_order_id, correlation_id, None, new.instrument, new.side,
        new.quantity_lots, new.reduce_only, OrderState.SUBMITTED,
    )  # fmt: skip


def _change(order: Order, code: str, exchange_ns: int) -> Change:
    return Change(
        order.session, order.correlation_id, order.client_order_id, order.broker_order_id,
        order.state, code, exchange_ns,
    )  # fmt: skip


def _refused_twin(new: NewOrder, exchange_ns: int, correlation_id: str | None) -> Change:
    """A second order under a known id is refused; the first one is not even looked at."""
    return Change(
        new.session, correlation_id, new.client_order_id, None, OrderState.REJECTED,
        records.DUPLICATE_CLIENT_ORDER_ID, exchange_ns,
    )  # fmt: skip
