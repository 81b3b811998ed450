"""The made-up market: the same for the same seed, resumable, and shaped as its page says."""

from __future__ import annotations

from itertools import islice, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.lab import market_figures
from services.lab.market_figures import FIGURES, Figure, Sample, sample, spread_ticks
from shared.feeds import DepthRow, FeedRow, QuoteRow, Synthetic, SyntheticFeed, TradeRow
from shared.feeds.chance import draw
from shared.feeds.synthetic import JUMP_TICKS_MAX
from shared.feeds.synthetic_rate import SECOND_NS, trades_a_minute
from shared.markets import is_open, new_york_day_and_second, parse_contract

ES = parse_contract("ESM30")
START_NS = market_figures.MONDAY_OPEN_NS
HOUR_S = 3_600
SEEDS = (market_figures.PAGE_SEED, 2)
KEPT = 4_096  # rows that the venue remembers


@pytest.fixture(scope="module", params=SEEDS)
def found(request: pytest.FixtureRequest) -> Sample:
    """A morning and a week of one seed."""
    return sample(request.param)


def rows(
    count: int, seed: int = 7, start_ns: int = START_NS, rate_milli: int = 1_000
) -> list[FeedRow]:
    return list(islice(SyntheticFeed(ES, Synthetic(seed, start_ns, rate_milli)), count))


@pytest.mark.parametrize("figure", FIGURES, ids=lambda figure: figure.what)
def test_each_figure_of_the_page_is_true(found: Sample, figure: Figure) -> None:
    assert figure.at_least <= figure.measure(found) <= figure.at_most


def test_the_page_is_fresh() -> None:
    written = (market_figures.ROOT / market_figures.PAGE).read_text()
    assert written == market_figures.page(sample(market_figures.PAGE_SEED)), "run `make docs`"


def test_the_same_seed_is_the_same_market_and_another_seed_another() -> None:
    assert rows(2_000) == rows(2_000)
    assert rows(50, seed=8) != rows(50)


@settings(max_examples=30)
@given(st.integers(0, 6_000), st.integers(0, 2**32), st.integers(1, 2_000))
def test_it_is_taken_up_again_behind_any_row(done: int, seed: int, rate_milli: int) -> None:
    whole = rows(done + 50, seed, rate_milli=rate_milli)
    again = SyntheticFeed(ES, Synthetic(seed, START_NS, rate_milli))
    again.resume_after(whole[:done][-KEPT:])
    assert list(islice(again, 50)) == whole[done:]
    assert again.counts.rows_in == again.counts.rows_good == done + 50


def test_it_goes_on_behind_a_feed_of_trades_alone() -> None:
    feed = SyntheticFeed(ES, Synthetic(7, START_NS))
    feed.resume_after([TradeRow(9, START_NS + SECOND_NS, 5_000, 1)])
    after = next(feed)
    assert isinstance(after, QuoteRow) and after.bid and after.row_number == 10
    assert abs(after.bid.price_ticks - 5_000) <= 1


def test_rows_are_numbered_time_never_goes_back_and_every_size_is_real(found: Sample) -> None:
    for part in (found.morning, found.week):
        assert [row.row_number for row in part] == list(range(1, len(part) + 1))
        assert all(a.exchange_ns <= b.exchange_ns for a, b in pairwise(part))
        assert all(lots >= 1 for row in part for lots in lots_of(row))


def lots_of(row: FeedRow) -> list[int]:
    match row:
        case TradeRow(quantity_lots=lots):
            return [lots or 0]
        case QuoteRow(bid=bid, ask=ask):
            return [level.quantity_lots if level else 0 for level in (bid, ask)]
    return [level.quantity_lots for level in (*row.bids, *row.asks)]


def test_a_trade_is_at_the_touch_and_the_quote_that_it_leaves_follows_at_once(
    found: Sample,
) -> None:
    quote: QuoteRow | None = None
    for row, after in pairwise(found.morning):
        if isinstance(row, TradeRow):
            assert quote is not None and quote.bid is not None and quote.ask is not None
            level = quote.ask if row.price_ticks == quote.ask.price_ticks else quote.bid
            assert level.price_ticks == row.price_ticks
            assert 1 <= (row.quantity_lots or 0) <= level.quantity_lots
            assert isinstance(after, QuoteRow) and after.exchange_ns == row.exchange_ns
            assert after != quote
        quote = row if isinstance(row, QuoteRow) else quote


def test_depth_is_the_book_of_the_last_quote_and_what_stands_behind(found: Sample) -> None:
    for before, row in pairwise(found.morning):
        if isinstance(row, DepthRow):
            assert isinstance(before, QuoteRow) and row.exchange_ns == before.exchange_ns
            assert (row.bids[0], row.asks[0]) == (before.bid, before.ask)
            bids, asks = [x.price_ticks for x in row.bids], [x.price_ticks for x in row.asks]
            assert bids == list(range(bids[0], bids[0] - 5, -1))
            assert asks == list(range(asks[0], asks[0] + 5))


def test_the_book_is_never_locked_and_moves_by_a_tick_but_over_a_break(found: Sample) -> None:
    for part in (found.morning, found.week):
        for before, after in pairwise(market_figures.quotes(part)):
            assert 1 <= spread_ticks(after) <= 2
            assert before.bid and after.bid
            moved = abs(after.bid.price_ticks - before.bid.price_ticks)
            closed = after.exchange_ns - before.exchange_ns > HOUR_S * SECOND_NS // 2
            assert moved <= (JUMP_TICKS_MAX if closed else 1)


def test_a_burst_begins_and_ends_within_its_minute() -> None:
    market = Synthetic(7, START_NS)
    rates = [trades_a_minute(market, START_NS + s * SECOND_NS) for s in range(4 * HOUR_S)]
    usual = min(rates)
    assert {rate // usual for rate in rates} >= {1, 12}
    busy = sum(rate > 5 * usual for rate in rates)
    assert 10 < busy < 400, "some seconds in the hour"


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
