"""The made-up market: the same for the same seed, resumable anywhere, and shaped as it says."""

from __future__ import annotations

from collections import Counter
from itertools import islice, pairwise
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.feeds import Last, Synthetic, SyntheticFeed, TradeRow
from shared.feeds.synthetic import BURST_FACTOR, JUMP_TICKS_MAX, draw
from shared.markets import is_open, new_york_day_and_second, parse_contract

ES = parse_contract("ESM30")
START_NS = 1_898_865_000 * 10**9  # Monday 2030-03-04, 09:30 in New York
SECOND_NS = 10**9
HOUR_S = 3_600


def rows(count: int, seed: int = 7, start_ns: int = START_NS) -> list[TradeRow]:
    return list(islice(SyntheticFeed(ES, Synthetic(seed, start_ns)), count))


@pytest.fixture(scope="module")
def week() -> list[TradeRow]:
    """From Monday's open to some time after the weekend, at a fifth of the usual rate."""
    return list(islice(SyntheticFeed(ES, Synthetic(7, START_NS, 200)), 160_000))


def per_second(found: list[TradeRow]) -> Counter[int]:
    return Counter(row.exchange_ns // SECOND_NS for row in found)


def test_the_same_seed_is_the_same_market_and_another_seed_another() -> None:
    assert rows(2_000) == rows(2_000)
    assert rows(50, seed=8) != rows(50)


@given(st.integers(1, 3_000), st.integers(0, 2**32))
def test_it_is_taken_up_again_behind_any_row(done: int, seed: int) -> None:
    whole = rows(done + 20, seed)
    again = SyntheticFeed(ES, Synthetic(seed, START_NS))
    last = whole[done - 1]
    again.resume_after(Last(last.row_number, last.exchange_ns, last.price_ticks))
    assert list(islice(again, 20)) == whole[done:]
    assert again.counts.rows_in == again.counts.rows_good == done + 20


def test_rows_are_numbered_and_time_never_goes_back(week: list[TradeRow]) -> None:
    assert [row.row_number for row in week] == list(range(1, len(week) + 1))
    assert all(a.exchange_ns <= b.exchange_ns for a, b in pairwise(week))
    assert all((row.quantity_lots or 0) >= 1 for row in week)


def test_nothing_trades_while_the_exchange_is_closed(week: list[TradeRow]) -> None:
    assert all(is_open(row.exchange_ns) for row in week)
    days = {new_york_day_and_second(row.exchange_ns)[0] for row in week}
    assert len(days) >= 7, "the week and what follows it"
    longest_h = max(b.exchange_ns - a.exchange_ns for a, b in pairwise(week)) / SECOND_NS / HOUR_S
    assert 48 < longest_h < 50, "the weekend"


def test_a_price_moves_by_a_tick_but_jumps_where_the_exchange_was_closed(
    week: list[TradeRow],
) -> None:
    moves = Counter(abs(b.price_ticks - a.price_ticks) for a, b in pairwise(week))
    assert moves[0] > moves[1] > 0.2 * len(week)
    jumps = [
        abs(b.price_ticks - a.price_ticks)
        for a, b in pairwise(week)
        if b.exchange_ns - a.exchange_ns > HOUR_S * SECOND_NS // 2
    ]
    assert len(jumps) >= 5 and max(jumps) > 1
    assert all(jump <= JUMP_TICKS_MAX + 1 for jump in jumps)
    assert sum(count for size, count in moves.items() if size > 1) <= len(jumps)


def test_a_day_of_prices_is_neither_still_nor_wild(week: list[TradeRow]) -> None:
    by_day: dict[int, list[int]] = {}
    for row in week:
        by_day.setdefault(new_york_day_and_second(row.exchange_ns)[0], []).append(row.price_ticks)
    ranges = sorted(max(prices) - min(prices) for prices in by_day.values() if len(prices) > 5_000)
    assert ranges[0] > 20 and ranges[-1] < 1_000, ranges


def test_it_is_quiet_over_night_busy_at_the_open_and_bursts() -> None:
    day = rows(110_000)
    seconds = per_second(day)
    open_s = START_NS // SECOND_NS
    morning = [seconds[open_s + s] for s in range(HOUR_S)]
    evening = [seconds[open_s + 10 * HOUR_S + s] for s in range(HOUR_S)]
    assert sum(morning) > 5 * sum(evening)
    assert median(morning) >= 2
    assert max(morning) > 10 * median(morning) * BURST_FACTOR // 20
    assert max(seconds.values()) >= 10 * median(morning)


def test_now_and_then_nothing_trades_for_some_seconds() -> None:
    waits_s = [(b.exchange_ns - a.exchange_ns) / SECOND_NS for a, b in pairwise(rows(20_000))]
    assert 5 < max(waits_s) < 30


def test_a_start_on_a_weekend_waits_for_the_open() -> None:
    saturday = START_NS + 5 * 86_400 * SECOND_NS
    assert not is_open(saturday)
    first = rows(1, start_ns=saturday)[0]
    day, second = new_york_day_and_second(first.exchange_ns)
    assert (day + 3) % 7 == 6 and 18 * HOUR_S <= second < 18 * HOUR_S + 120


def test_chance_is_spread_evenly() -> None:
    for purpose in range(1, 8):
        bits = sum(draw(3, number, purpose).bit_count() for number in range(2_000))
        assert 31.5 < bits / 2_000 < 32.5
    assert len({draw(seed, 1, 1) for seed in range(5_000)}) == 5_000
