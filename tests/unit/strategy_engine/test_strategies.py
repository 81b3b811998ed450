"""The two strategies that come along: their arithmetic and what they want when."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from services.strategy_engine.api import Bar, Context, Order, Side, Trade, Wish
from services.strategy_engine.strategies.ema_cross import MICRO, EmaCross, next_average
from services.strategy_engine.strategies.every_tick import EveryTick
from shared.kernel.clock import MINUTE
from shared.kernel.state import state_hash

OPEN = Order("x", Side.BUY, 1, 0, "WANTED", "OK")


class FakeDesk:
    """Says what the test says and notes every wish."""

    stream_ns = 0
    instrument = "ESM18"
    last_price_ticks = 1
    quote = None
    depth = None
    can_trade = True

    def __init__(self, position_lots: int | None = 0) -> None:
        self.position_lots = position_lots
        self.open_orders: tuple[Order, ...] = ()
        self.wishes: list[tuple[Side, int]] = []
        self.answer: str | None = "id"

    def place(self, wish: Wish) -> str | None:
        self.wishes.append((wish.side, wish.quantity_lots))
        return self.answer

    def cancel(self, client_order_id: str) -> bool:
        return False

    def replace(self, client_order_id: str, price_ticks: int, quantity_lots: int | None) -> bool:
        return False


def bar(close_ticks: int, span_ns: int = MINUTE) -> Bar:
    return Bar("ESM18", 0, span_ns, 0, close_ticks, close_ticks, close_ticks, close_ticks, 1, 1)


def run(strategy: EmaCross, desk: FakeDesk, closes: list[int]) -> None:
    for close in closes:
        strategy.on_bar(Context(desk), bar(close))


def test_the_cross_waits_for_20_bars_and_then_takes_the_side_it_finds() -> None:
    desk = FakeDesk()
    strategy = EmaCross()
    run(strategy, desk, list(range(100, 119)))
    assert desk.wishes == []
    run(strategy, desk, [119])
    assert desk.wishes == [(Side.BUY, 1)]


def test_a_falling_market_turns_a_long_position_short() -> None:
    desk = FakeDesk(position_lots=1)
    run(EmaCross(), desk, list(range(200, 180, -1)))
    assert desk.wishes == [(Side.SELL, 2)]


def test_equal_averages_want_nothing_new() -> None:
    desk = FakeDesk()
    run(EmaCross(), desk, [100] * 30)
    assert desk.wishes == []


def test_one_order_at_a_time_and_a_refused_one_is_made_up_for() -> None:
    desk = FakeDesk()
    strategy = EmaCross()
    run(strategy, desk, list(range(100, 120)))
    desk.open_orders = (OPEN,)
    run(strategy, desk, [120])
    desk.open_orders = ()
    run(strategy, desk, [121])
    assert desk.wishes == [(Side.BUY, 1), (Side.BUY, 1)]


def test_an_unknown_position_is_never_corrected() -> None:
    desk = FakeDesk(position_lots=None)
    run(EmaCross(), desk, list(range(100, 130)))
    assert desk.wishes == []


def test_bars_of_another_length_are_passed_by() -> None:
    strategy = EmaCross()
    strategy.on_bar(Context(FakeDesk()), bar(100, span_ns=5 * MINUTE))
    assert strategy.bars == 0


@given(st.lists(st.integers(-200_000, 200_000), min_size=1, max_size=200), st.sampled_from([5, 20]))
def test_the_integer_average_stays_within_a_millionth_per_step_of_the_true_one(
    closes: list[int], bars: int
) -> None:
    exact, integer = Fraction(closes[0] * MICRO), closes[0] * MICRO
    for close in closes[1:]:
        exact += Fraction(2, bars + 1) * (close * MICRO - exact)
        integer = next_average(integer, close, bars)
    # Each step rounds by half a unit at most, and old errors shrink by (n - 1) / (n + 1).
    assert abs(integer - exact) <= Fraction(bars + 1, 4) + Fraction(1, 2)


def test_the_memory_of_a_strategy_can_be_compared() -> None:
    one, two = EmaCross(), EmaCross()
    run(one, FakeDesk(), list(range(100, 130)))
    run(two, FakeDesk(), list(range(100, 130)))
    assert state_hash(vars(one)) == state_hash(vars(two)) != state_hash(vars(EmaCross()))


def test_every_tick_takes_turns_and_tries_the_same_side_again() -> None:
    desk = FakeDesk()
    strategy = EveryTick()
    for answer in ("id", "id", None, "id"):
        desk.answer = answer
        strategy.on_trade(Context(desk), Trade(1, "ESM18", 0, 0, 1, 1))
    assert [side for side, _ in desk.wishes] == [Side.BUY, Side.SELL, Side.BUY, Side.BUY]
    assert {lots for _, lots in desk.wishes} == {1}
