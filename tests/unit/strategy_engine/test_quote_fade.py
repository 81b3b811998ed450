"""quote_fade: when it enters, how it follows the quote, and when it lets go."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from services.strategy_engine.api import Context, Level, Order, OrderType, Quote, Side, Wish
from services.strategy_engine.loader import load_strategy
from services.strategy_engine.strategies.quote_fade import (
    ASK_AGAIN_NS,
    CHASE_TICKS,
    HOLD_NS,
    LOTS,
    STOP_TICKS,
    TARGET_TICKS,
    QuoteFade,
)


@dataclass
class Market:
    """A desk that does what it is asked, at once; the test moves quotes, fills and time."""

    instrument: str = "ESM30"
    stream_ns: int = 0
    position_lots: int | None = 0
    last_price_ticks: int | None = None
    quote: Quote | None = None
    depth: None = None
    data_age_ns: int = 0
    is_behind: bool = False
    can_trade: bool = True
    orders: dict[str, Order] = field(default_factory=dict)
    wishes: list[Wish] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    replaced: list[int] = field(default_factory=list)

    @property
    def open_orders(self) -> tuple[Order, ...]:
        return tuple(self.orders.values())

    def place(self, wish: Wish) -> str:
        self.wishes.append(wish)
        key = f"o{len(self.wishes)}"
        order = Order(
            key, wish.side, wish.quantity_lots, 0, "WORKING", "OK", wish.order_type,
            wish.price_ticks, wish.reduce_only,
        )  # fmt: skip
        self.orders[key] = order
        for name, price in (("stop", wish.stop_ticks), ("target", wish.target_ticks)):
            if price is not None:
                self.orders[f"{key}.{name}"] = replace(
                    order, client_order_id=f"{key}.{name}", state="ACKNOWLEDGED", parent_id=key
                )
        return key

    def cancel(self, client_order_id: str) -> bool:
        self.cancelled.append(client_order_id)
        self.orders = {
            k: o for k, o in self.orders.items() if client_order_id not in (k, o.parent_id)
        }
        return True

    def replace(self, client_order_id: str, price_ticks: int, quantity_lots: int | None) -> bool:
        self.replaced.append(price_ticks)
        order = self.orders[client_order_id]
        self.orders[client_order_id] = replace(order, price_ticks=price_ticks)
        return True

    def fill(self) -> None:
        """The entry trades; its legs stand."""
        entry = next(o for o in self.orders.values() if o.parent_id is None)
        self.position_lots = entry.side.sign * entry.quantity_lots
        del self.orders[entry.client_order_id]


@dataclass
class Bench:
    """Strategy and market."""

    strategy: QuoteFade = field(default_factory=QuoteFade)
    market: Market = field(default_factory=Market)

    def quote(self, bid_ticks: int, after_ns: int = 10**8) -> None:
        self.market.stream_ns += after_ns
        at_ns = self.market.stream_ns
        seen = Quote(1, "ESM30", at_ns, 0, Level(bid_ticks, 9), Level(bid_ticks + 1, 9))
        self.market.quote = seen
        self.strategy.on_quote(Context(self.market), seen)

    def calm(self, bid_ticks: int = 100) -> None:
        for _ in range(200):
            self.quote(bid_ticks)


def fallen() -> Bench:
    """A calm market has just fallen by two ticks: a bid works at 98."""
    bench = Bench()
    bench.calm()
    assert bench.market.wishes == []
    bench.quote(98)
    return bench


def test_the_loader_takes_it() -> None:
    assert load_strategy("quote_fade").name == "quote_fade"


@pytest.mark.parametrize(("to", "side", "price"), [(98, Side.BUY, 98), (102, Side.SELL, 103)])
def test_it_joins_the_touch_against_the_move_with_stop_and_target(
    to: int, side: Side, price: int
) -> None:
    bench = Bench()
    bench.calm()
    bench.quote(to)
    (wish,) = bench.market.wishes
    assert (wish.order_type, wish.side, wish.quantity_lots) == (OrderType.LIMIT, side, LOTS)
    assert wish.price_ticks == price and not wish.reduce_only
    assert wish.stop_ticks == price - side.sign * STOP_TICKS
    assert wish.target_ticks == price + side.sign * TARGET_TICKS


def test_a_small_move_is_left_alone() -> None:
    bench = Bench()
    bench.calm()
    bench.quote(101)
    bench.quote(99)
    assert bench.market.wishes == []


def test_it_follows_a_quote_that_moves_away_and_gives_up_behind_the_chase() -> None:
    bench = fallen()
    for _ in range(40):  # the average comes down, so that the move is not over at once
        bench.quote(94)
    assert bench.market.replaced == [] and bench.market.cancelled == [], "nothing moved away"
    bench = fallen()
    bench.strategy.average_micro = 110 * 1_000_000
    bench.quote(99)
    bench.quote(98 + CHASE_TICKS)
    assert bench.market.replaced == [99], "the next change is asked for a second later"
    bench.quote(98 + CHASE_TICKS, ASK_AGAIN_NS)
    assert bench.market.replaced == [99, 100]
    bench.quote(98 + CHASE_TICKS + 1, ASK_AGAIN_NS)
    assert bench.market.cancelled == ["o1"]


def test_a_cancel_that_came_to_nothing_is_asked_for_again_but_not_at_each_quote() -> None:
    bench = fallen()
    kept = dict(bench.market.orders)
    for _ in range(5):
        bench.quote(100)
        bench.market.orders = dict(kept)
    assert bench.market.cancelled == ["o1"]
    bench.quote(100, ASK_AGAIN_NS)
    assert bench.market.cancelled == ["o1", "o1"]


def test_it_lets_go_when_the_move_is_over_or_the_market_is_seen_late() -> None:
    bench = fallen()
    bench.quote(100)
    assert bench.market.cancelled == ["o1"]
    late = fallen()
    late.market.is_behind = True
    late.quote(98)
    assert late.market.cancelled == ["o1"]
    late.quote(90)
    assert len(late.market.wishes) == 1, "and enters nothing"


def test_an_order_that_is_not_at_the_venue_yet_is_not_changed() -> None:
    bench = fallen()
    bench.market.orders["o1"] = replace(bench.market.orders["o1"], state="WANTED")
    bench.quote(100)
    assert bench.market.cancelled == bench.market.replaced == []


def test_one_entry_at_a_time_and_none_while_a_position_or_a_leg_is_there() -> None:
    bench = fallen()
    bench.quote(96)
    bench.market.fill()
    bench.quote(95)
    bench.market.position_lots = 0
    bench.quote(94)
    assert len(bench.market.wishes) == 1, "the legs are still there"


def test_a_position_that_no_leg_closed_in_time_is_closed_once_at_market() -> None:
    bench = fallen()
    bench.market.fill()
    bench.quote(97)
    bench.quote(97, HOLD_NS)
    assert len(bench.market.wishes) == 1
    bench.quote(97, 1)
    bench.quote(97, 1)
    _, way_out = bench.market.wishes
    assert way_out == Wish(OrderType.MARKET, Side.SELL, LOTS, True)


def test_a_position_without_a_leg_is_closed_at_once() -> None:
    bench = Bench()
    bench.market.position_lots = -3
    bench.quote(100)
    assert bench.market.wishes == [Wish(OrderType.MARKET, Side.BUY, 3, True)]


def test_blind_or_halted_or_with_half_a_book_it_does_nothing() -> None:
    bench = Bench()
    bench.calm()
    bench.market.can_trade = False
    bench.quote(90)
    bench.market.position_lots, bench.market.can_trade = None, True
    bench.quote(80)
    one_sided = Quote(1, "ESM30", 1, 0, None, Level(70, 1))
    bench.strategy.on_quote(Context(bench.market), one_sided)
    assert bench.market.wishes == []
