"""The simulated exchange: orders, book, fills, and the one account that trades here. Pure.

Theory of operation. An order never fills on the price its sender saw: it waits and trades at a
later market event, one that is at least `latency_ns` of market time younger. At each event takers
come first (market orders, stops that traded, limit orders on their first look), then resting limit
orders by price and time; each trade's size is shared. When the data has ended, the last book stands
and fills takers at once and in full, so that whoever must get flat still can. `book.py` says what
the market offers, `matching.py` shares it out and keeps the account.

A reduce-only order is checked twice, because the position moves while it waits: refused on arrival
if it cannot reduce, cut at each fill to what is open, and its rest cancelled once nothing is open.
Legs of an entry are held until it trades, then stand for as many lots as it has filled; what one
leg fills, the other has less. All orders are DAY: the first event of the next trading day ends
them.

Promises: every lot, mill and id is an integer in `state`; same calls, same state. Fees and spread
are the product's assumptions. Limits: our own trades do not move the price.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from proto_schemas.broker import CancelOrder, NewOrder, ReplaceOrder
from proto_schemas.enums import OrderAction, OrderState
from proto_schemas.market_data import Level
from shared.kernel.check import check
from shared.markets import Contract, next_trading_day_ns, trading_day
from shared.venue import records
from shared.venue.arrival import (
    change,
    has_price_too_much,
    lacks_price,
    legs_invalid,
    legs_of,
    nothing_to_trade_at,
    order_from,
    refused_twin,
    replace_refusal,
)
from shared.venue.book import (
    Moment,
)
from shared.venue.book import book as book_of
from shared.venue.matching import Matching
from shared.venue.records import ExchangeState, Market, Order, Report


class Exchange:
    """One account at one exchange that lists these contracts."""

    def __init__(self, contracts: Iterable[Contract], latency_ns: int = 0) -> None:
        self.products = {contract.code: contract.product for contract in contracts}
        self.latency_ns = latency_ns
        self.state = ExchangeState({code: Market() for code in self.products})
        self._matching = Matching(self.products, self.state)

    # --- what may happen: orders ----------------------------------------------------------------

    def submit(
        self, new: NewOrder, exchange_ns: int, correlation_id: str | None = None
    ) -> list[Report]:
        """Take or refuse a new order and its legs; fill it at once only if the data has ended."""
        ids = (new.client_order_id, *(leg.client_order_id for leg in new.legs))
        if any(each in self.state.known_ids or each in self.state.orders for each in ids):
            return [refused_twin(new, exchange_ns, correlation_id)]
        order = order_from(new, correlation_id, self._live_from_ns(exchange_ns))
        legs = legs_of(new, order)
        for each in (order, *legs):
            self._remember_id(each.client_order_id)
            self.state.orders[each.client_order_id] = each
        code = self._refusal(order, legs)
        if code is None:
            return self._accept(order, legs, exchange_ns)
        for each in (order, *legs):
            each.state = OrderState.REJECTED
            self._matching.finish(each)
        return [change(each, code, exchange_ns) for each in (order, *legs)]

    def cancel(self, wanted: CancelOrder, exchange_ns: int) -> list[Report]:
        """End one order; one that has ended is too late, one that nobody knows says nothing."""
        order = self._to_change(wanted)
        if order is None:
            return []
        order.revision = wanted.revision
        if not order.leaves_lots:
            return [change(order, records.TOO_LATE, exchange_ns, refused=True)]
        return self._matching.end(order, OrderAction.CANCEL, records.CANCELLED, exchange_ns)

    def replace(self, wanted: ReplaceOrder, exchange_ns: int) -> list[Report]:
        """Another price loses the place in the queue; fewer lots alone keep it."""
        order = self._to_change(wanted)
        if order is None:
            return []
        order.revision = wanted.revision
        code = replace_refusal(order, wanted)
        if code is not None:
            return [change(order, code, exchange_ns, refused=True)]
        order.quantity_lots = wanted.quantity_lots
        if order.price_ticks != wanted.price_ticks:
            order.price_ticks, order.resting = wanted.price_ticks, False
            order.live_from_ns = self._live_from_ns(exchange_ns)
            waiting = self.state.markets[order.instrument].waiting
            waiting.remove(order.client_order_id)
            waiting.append(order.client_order_id)
        reports: list[Report] = [change(order, records.REPLACED, exchange_ns)]
        return (
            reports
            + self._matching.rest(order, exchange_ns)
            + self._matching.after_end(order, exchange_ns)
        )

    def cancel_others(self, session: str, exchange_ns: int) -> list[Report]:
        """Cancel every live order that is not of this session."""
        others = [order for order in self.live_orders() if order.session != session]
        reports: list[Report] = []
        for order in others:
            if order.leaves_lots:  # not ended by its entry's end a moment ago
                code = records.CANCELLED_BY_ACCOUNT
                reports += self._matching.end(order, OrderAction.CANCEL, code, exchange_ns)
        return reports

    # --- what may happen: the market ------------------------------------------------------------

    def trade(
        self, instrument: str, exchange_ns: int, price_ticks: int, quantity_lots: int | None
    ) -> list[Report]:
        """One trade: a new price, and size for those who wait (absent means one lot)."""
        market = self.state.markets[instrument]
        check(not market.ended, "no trade after the end of the data", instrument)
        expired = self._day_passes(market, exchange_ns)
        market.last_ticks = price_ticks
        if not market.waiting:
            return expired
        lots = 1 if quantity_lots is None else quantity_lots
        return expired + self._matching.match(instrument, Moment(exchange_ns, price_ticks, lots))

    def quote(
        self, instrument: str, exchange_ns: int, bid: Level | None, ask: Level | None
    ) -> list[Report]:
        """A new top of the book."""
        market = self.state.markets[instrument]
        check(not market.ended, "no quote after the end of the data", instrument)
        expired = self._day_passes(market, exchange_ns)
        market.quoted = True
        market.bid_ticks, market.bid_lots = _level(bid)
        market.ask_ticks, market.ask_lots = _level(ask)
        if not market.waiting:
            return expired
        return expired + self._matching.match(instrument, Moment(exchange_ns))

    def depth(
        self, instrument: str, exchange_ns: int, bids: Sequence[Level], asks: Sequence[Level]
    ) -> list[Report]:
        """More levels of the book: how long the queues are."""
        market = self.state.markets[instrument]
        market.bids = {level.price_ticks: level.quantity_lots for level in bids}
        market.asks = {level.price_ticks: level.quantity_lots for level in asks}
        return self.quote(
            instrument, exchange_ns, bids[0] if bids else None, asks[0] if asks else None
        )

    def end(self, instrument: str, exchange_ns: int) -> list[Report]:
        """No more data: the last book stands and fills every taker that waits."""
        market = self.state.markets[instrument]
        market.ended = True
        if market.last_ticks is None and not market.quoted:
            return self._matching.end_all(
                market, OrderAction.CANCEL, records.NO_MARKET, exchange_ns
            )
        return self._matching.match(instrument, Moment(exchange_ns))

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

    def book(self, instrument: str) -> tuple[int | None, int | None]:
        """Bid and ask in ticks; None where there is none."""
        return book_of(self.state.markets[instrument], self.products[instrument])

    def worth_mills(self) -> int:
        """Cash plus every open lot at the last trade: what the account has won or lost."""
        worth = self.state.cash_mills
        for instrument, position_lots in self.state.positions.items():
            last_ticks = self.state.markets[instrument].last_ticks or 0
            worth += position_lots * last_ticks * self.products[instrument].tick_value_mills
        return worth

    # --- arrival --------------------------------------------------------------------------------

    def _refusal(self, order: Order, legs: list[Order]) -> str | None:
        """The first rule that this order breaks."""
        market = self.state.markets.get(order.instrument)
        live = sum(len(each.waiting) for each in self.state.markets.values())
        rules: tuple[tuple[str, Callable[[], bool]], ...] = (
            (records.INSTRUMENT_UNKNOWN, lambda: market is None),
            (records.QUANTITY_TOO_LARGE, lambda: order.quantity_lots > records.ORDER_LOTS_MAX),
            (records.PRICE_MISSING, lambda: lacks_price(order)),
            (records.PRICE_UNEXPECTED, lambda: has_price_too_much(order)),
            (records.LEGS_INVALID, lambda: legs_invalid(order, legs)),
            (
                records.REDUCE_ONLY_INCREASES,
                lambda: order.reduce_only and not self._matching.room(order),
            ),
            (records.NO_MARKET, lambda: market is not None and nothing_to_trade_at(market)),
            (records.TOO_MANY_ORDERS, lambda: live + len(legs) >= records.LIVE_ORDERS_MAX),
        )
        return next((code for code, broken in rules if broken()), None)

    def _accept(self, order: Order, legs: list[Order], exchange_ns: int) -> list[Report]:
        state = self.state
        reports: list[Report] = []
        for each in (order, *legs):
            state.orders_taken += 1
            each.broker_order_id = f"B{state.orders_taken}"
            each.state = OrderState.ACKNOWLEDGED
            state.markets[each.instrument].waiting.append(each.client_order_id)
            reports.append(change(each, records.ACCEPTED, exchange_ns))
        return (
            reports
            + self._matching.rest(order, exchange_ns)
            + self._matching.after_end(order, exchange_ns)
        )

    def _live_from_ns(self, exchange_ns: int) -> int:
        """Market events before this do not meet the order; without latency the next one does."""
        return exchange_ns + self.latency_ns if self.latency_ns else 0

    def _to_change(self, wanted: CancelOrder | ReplaceOrder) -> Order | None:
        """The order, if it is this session's and the change is a new one."""
        order = self.state.orders.get(wanted.client_order_id)
        if order is None or order.session != wanted.session or wanted.revision <= order.revision:
            return None
        return order

    # --- the passing of days ---

    def _day_passes(self, market: Market, exchange_ns: int) -> list[Report]:
        """All orders are DAY: none sees the next trading day."""
        if exchange_ns < market.next_day_ns:
            return []
        first = market.next_day_ns == 0
        market.day, market.next_day_ns = trading_day(exchange_ns), next_trading_day_ns(exchange_ns)
        if first:
            return []
        return self._matching.end_all(market, OrderAction.EXPIRE, records.DAY_ENDED, exchange_ns)

    def _remember_id(self, client_order_id: str) -> None:
        known = self.state.known_ids
        known[client_order_id] = None
        if len(known) > records.KNOWN_IDS_MAX:
            del known[next(iter(known))]


def _level(level: Level | None) -> tuple[int | None, int]:
    return (None, 0) if level is None else (level.price_ticks, level.quantity_lots)
