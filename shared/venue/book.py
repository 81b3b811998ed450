"""What the market offers to one of our orders at one moment. Functions over `Market`, no account.

Two books. With quotes the book is the feed's: a taker gets what the touch shows, then walks to
worse prices; a resting limit order stands behind what its level showed when it came, and moves up
as that trades or disappears. With trades alone the book is the last trade minus and plus half the
usual spread, rounded outward, and nobody knows the queue: a resting order fills only when the
market trades through its price.

A trade can fill at most its own size, because in the real market that very size would have met us.
Where the data cannot tell, the worse case for us is taken: we stand last in the queue, cancels
happen behind us, and beyond the levels that the feed shows each tick holds no more than the last.
Limits: our orders do not move the market, so what we took is there again in the next quote.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from proto_schemas.enums import OrderType, Side
from shared.kernel.check import check
from shared.markets import Product
from shared.venue.records import Market, Order

WALK_LEVELS_MAX = 10
"""A large taker goes at most this many ticks into the book at one moment; the rest waits."""


class Offer(NamedTuple):
    """Lots that can be had at a price; None: as many as wanted."""

    price_ticks: int
    lots: int | None


@dataclass(slots=True)
class Moment:
    """One market event. `price_ticks` None: a quote. `lots_left`: of the trade; None: no cap."""

    exchange_ns: int
    price_ticks: int | None = None
    lots_left: int | None = None


def book(market: Market, product: Product) -> tuple[int | None, int | None]:
    """Bid and ask in ticks; None where there is none."""
    if market.quoted:
        return market.bid_ticks, market.ask_ticks
    if market.last_ticks is None:
        return None, None
    half = product.half_spread_ticks
    return market.last_ticks - half, market.last_ticks + half


def touch(market: Market, product: Product, side: Side) -> int | None:
    """The price at which this side can take now. With the data ended, the last trade will do."""
    bid, ask = book(market, product)
    price = ask if side is Side.BUY else bid
    return market.last_ticks if price is None and market.ended else price


def better_or_equal(side: Side, price_ticks: int, limit_ticks: int) -> bool:
    """Whether this side may trade at the price under its limit."""
    return side.sign * (limit_ticks - price_ticks) >= 0


def crosses(market: Market, product: Product, order: Order) -> bool:
    """Whether a limit order could take at once."""
    price = touch(market, product, order.side)
    if price is None or order.price_ticks is None:
        return False
    return better_or_equal(order.side, price, order.price_ticks)


def is_taker(order: Order) -> bool:
    """Market orders, stops whose price has traded, limit orders on their first look."""
    if order.order_type is OrderType.LIMIT:
        return not order.resting
    return order.order_type is OrderType.MARKET or order.triggered


def is_triggered(order: Order, moment: Moment) -> bool:
    """A stop waits for a trade at its price or beyond; quotes do not trigger it (as at CME)."""
    if moment.price_ticks is None or order.price_ticks is None:
        return False
    return order.side.sign * (moment.price_ticks - order.price_ticks) >= 0


def offers(market: Market, product: Product, order: Order, moment: Moment) -> Iterator[Offer]:
    """What this order can have at this moment, best first."""
    if is_taker(order):
        yield from _taker_offers(market, product, order, moment)
    elif order.resting and (offer := _passive_offer(market, order, moment)) is not None:
        yield offer


def _taker_offers(
    market: Market, product: Product, order: Order, moment: Moment
) -> Iterator[Offer]:
    price = touch(market, product, order.side)
    limit = order.price_ticks if order.order_type is OrderType.LIMIT else None
    if price is None:
        return
    if market.ended or not market.quoted:
        if limit is None or better_or_equal(order.side, price, limit):
            yield Offer(price, None if market.ended else moment.lots_left)
        return
    for offer in _walk(market, order.side, price):
        if limit is not None and not better_or_equal(order.side, offer.price_ticks, limit):
            return
        yield offer


def _walk(market: Market, side: Side, price_ticks: int) -> Iterator[Offer]:
    """The touch, then tick by tick away: what depth shows, or as much as on the tick before."""
    shown = market.asks if side is Side.BUY else market.bids
    lots = market.ask_lots if side is Side.BUY else market.bid_lots
    size = max(1, lots)
    yield Offer(price_ticks, lots)
    worst_shown = max(shown, key=lambda ticks: side.sign * ticks, default=price_ticks)
    for _ in range(WALK_LEVELS_MAX - 1):
        price_ticks += side.sign
        known = side.sign * (worst_shown - price_ticks) >= 0
        lots = shown.get(price_ticks, 0) if known else size
        size = lots or size
        yield Offer(price_ticks, lots)


def _passive_offer(market: Market, order: Order, moment: Moment) -> Offer | None:
    limit = order.price_ticks
    check(limit is not None, "a resting order has a price", order.client_order_id)
    limit = limit or 0
    if moment.price_ticks is None:
        return _crossing_quote(market, order, limit)
    if moment.price_ticks == limit and market.quoted:
        return _behind_the_queue(order, moment, limit)
    through = order.side.sign * (limit - moment.price_ticks) > 0
    return Offer(limit, moment.lots_left) if through else None


def _crossing_quote(market: Market, order: Order, limit: int) -> Offer | None:
    """The other side came to our price: its lots would have met us there."""
    price = market.ask_ticks if order.side is Side.BUY else market.bid_ticks
    lots = market.ask_lots if order.side is Side.BUY else market.bid_lots
    if market.ended or price is None or not better_or_equal(order.side, price, limit):
        return None
    return Offer(limit, lots)


def _behind_the_queue(order: Order, moment: Moment, limit: int) -> Offer | None:
    """Strangers before us trade first; what is left of the trade is for us."""
    if order.ahead_lots is None or moment.lots_left is None:
        return None
    eaten = min(order.ahead_lots, moment.lots_left)
    order.ahead_lots -= eaten
    return Offer(limit, moment.lots_left - eaten)


def take(market: Market, order: Order, moment: Moment, offer: Offer, lots: int) -> None:
    """Our order had these lots: nobody else can have them at this moment."""
    if moment.lots_left is not None and (order.resting or not market.quoted):
        moment.lots_left -= lots
    if not market.quoted or (order.resting and moment.price_ticks is not None):
        return
    if order.side is Side.BUY:
        _lower(market.asks, offer.price_ticks, lots)
        if offer.price_ticks == market.ask_ticks or order.resting:
            market.ask_lots -= lots
    else:
        _lower(market.bids, offer.price_ticks, lots)
        if offer.price_ticks == market.bid_ticks or order.resting:
            market.bid_lots -= lots


def _lower(levels: dict[int, int], price_ticks: int, lots: int) -> None:
    if price_ticks in levels:
        levels[price_ticks] = max(0, levels[price_ticks] - lots)


def join_queue(market: Market, order: Order) -> None:
    """Take a place in the book: last at this price."""
    order.resting = True
    order.ahead_lots = _shown_lots(market, order)


def move_up(market: Market, order: Order) -> None:
    """After a quote or depth: what a level shows is the most that can still stand before us."""
    shown = _shown_lots(market, order)
    if shown is not None:
        order.ahead_lots = shown if order.ahead_lots is None else min(order.ahead_lots, shown)


def _shown_lots(market: Market, order: Order) -> int | None:
    """Strangers' lots at the order's price; None if the feed does not tell."""
    if not market.quoted or order.price_ticks is None:
        return None
    buy = order.side is Side.BUY
    best = market.bid_ticks if buy else market.ask_ticks
    if best is None or order.side.sign * (order.price_ticks - best) > 0:
        return 0  # better than the best: nobody is there
    if order.price_ticks == best:
        return market.bid_lots if buy else market.ask_lots
    return (market.bids if buy else market.asks).get(order.price_ticks)
