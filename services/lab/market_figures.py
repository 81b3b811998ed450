"""Measures the made-up market and writes docs/synthetic-market.md: `python -m ...market_figures`.

A page that says what a market is like must not be believed, so each figure on it has bounds, is
measured from the rows themselves, and a test measures it again.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise, takewhile
from pathlib import Path
from statistics import mean, median

from services.venue.config import MONDAY_OPEN_NS
from shared.feeds import DepthRow, FeedRow, QuoteRow, Synthetic, SyntheticFeed, TradeRow
from shared.kernel.clock import MINUTE, SECOND
from shared.markets import is_open, new_york_day_and_second, parse_contract

PAGE = Path("docs/synthetic-market.md")
ROOT = Path(__file__).resolve().parents[2]
CONTRACT = "ESM30"
PAGE_SEED = 1
HOUR_NS = 60 * MINUTE
MORNING_NS = 2 * HOUR_NS
WEEK_NS = 7 * 24 * HOUR_NS
WEEK_RATE_MILLI = 30
BREAK_NS = HOUR_NS // 2
NIGHT_HOURS = range(4)
OPEN_HOURS = range(10, 12)


@dataclass(frozen=True, slots=True)
class Sample:
    """What is measured: the first morning as it is, and a whole week at a thirtieth of the rate."""

    morning: list[FeedRow]
    week: list[FeedRow]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the page."""

    what: str
    at_least: float
    at_most: float
    measure: Callable[[Sample], float]


def sample(seed: int) -> Sample:
    """The rows of one market."""
    return Sample(_rows(seed, MORNING_NS, 1_000), _rows(seed, WEEK_NS, WEEK_RATE_MILLI))


def _rows(seed: int, span_ns: int, rate_milli: int) -> list[FeedRow]:
    feed = SyntheticFeed(parse_contract(CONTRACT), Synthetic(seed, MONDAY_OPEN_NS, rate_milli))
    end_ns = MONDAY_OPEN_NS + span_ns
    return list(takewhile(lambda row: row.exchange_ns < end_ns, feed))


def quotes(rows: list[FeedRow]) -> list[QuoteRow]:
    """The quotes among them."""
    return [row for row in rows if isinstance(row, QuoteRow)]


def trades(rows: list[FeedRow]) -> list[TradeRow]:
    """The trades among them."""
    return [row for row in rows if isinstance(row, TradeRow)]


def spread_ticks(quote: QuoteRow) -> int:
    """Both sides are always there."""
    if quote.bid is None or quote.ask is None:
        raise ValueError(f"a side is missing: {quote}")
    return quote.ask.price_ticks - quote.bid.price_ticks


def _one_tick_percent(rows: list[FeedRow]) -> float:
    """Of the time in which the exchange is open."""
    lasted: Counter[int] = Counter()
    for before, after in pairwise(quotes(rows)):
        wait_ns = after.exchange_ns - before.exchange_ns
        if wait_ns < BREAK_NS:
            lasted[spread_ticks(before)] += wait_ns
    return 100 * lasted[1] / lasted.total()


def _per_second(rows: list[FeedRow]) -> list[int]:
    """Rows in each second of the morning, quiet seconds included."""
    counts = Counter((row.exchange_ns - MONDAY_OPEN_NS) // SECOND for row in rows)
    return [counts[second] for second in range(MORNING_NS // SECOND)]


def _median_second(found: Sample) -> float:
    return median(_per_second(found.morning))


def _burst_factor(found: Sample) -> float:
    return max(_per_second(found.morning)) / _median_second(found)


def _quotes_to_a_trade(found: Sample) -> float:
    return len(quotes(found.morning)) / len(trades(found.morning))


def _longest_wait_s(found: Sample) -> float:
    waits = (b.exchange_ns - a.exchange_ns for a, b in pairwise(found.morning))
    return max(waits) / SECOND


def _night_percent(found: Sample) -> float:
    """Trades of a night's hour for a hundred of a morning's hour."""
    hours = Counter(
        new_york_day_and_second(row.exchange_ns)[1] // 3_600 for row in trades(found.week)
    )
    night = mean(hours[hour] for hour in NIGHT_HOURS)
    return 100 * night / mean(hours[hour] for hour in OPEN_HOURS)


def _jumps_ticks(found: Sample) -> list[int]:
    """How far the bid jumps while the exchange is closed."""
    return [
        abs(after.bid.price_ticks - before.bid.price_ticks)
        for before, after in pairwise(quotes(found.week))
        if after.exchange_ns - before.exchange_ns > BREAK_NS and before.bid and after.bid
    ]


def _range_ticks(found: Sample) -> float:
    prices = [row.price_ticks for row in trades(found.morning)]
    return max(prices) - min(prices)


def _touch_lots(found: Sample) -> float:
    return median(row.bid.quantity_lots for row in quotes(found.morning) if row.bid)


def _longest_break_h(found: Sample) -> float:
    return max(b.exchange_ns - a.exchange_ns for a, b in pairwise(found.week)) / HOUR_NS


FIGURES = (
    Figure(
        "time with a spread of one tick, morning, %", 90, 100,
        lambda s: _one_tick_percent(s.morning),
    ),
    Figure("the same over the week, %", 90, 100, lambda s: _one_tick_percent(s.week)),
    Figure("rows in a median second of the morning", 15, 30, _median_second),
    Figure("busiest second to median second", 10, 40, _burst_factor),
    Figure("longest wait of the morning, s", 2, 40, _longest_wait_s),
    Figure("trades of a night's hour to a morning's, %", 3, 25, _night_percent),
    Figure("quotes to one trade", 2.5, 4.5, _quotes_to_a_trade),
    Figure("rows to one depth", 10, 30, lambda s: len(s.morning) / _depths(s.morning)),
    Figure("lots at the bid, median", 20, 60, _touch_lots),
    Figure("lots of a trade, median", 1, 4, lambda s: median(_lots(s.morning))),
    Figure("lots of a trade, mean", 3, 8, lambda s: mean(_lots(s.morning))),
    Figure("high to low of the morning, ticks", 60, 800, _range_ticks),
    Figure("rows while the exchange is closed", 0, 0, lambda s: sum(
        not is_open(row.exchange_ns) for row in s.week)),
    Figure("longest break (the weekend), h", 47.9, 49.5, _longest_break_h),
    Figure("breaks in the week", 5, 6, lambda s: len(_jumps_ticks(s))),
    Figure("price jump over a break, median, ticks", 2, 24, lambda s: median(_jumps_ticks(s))),
    Figure("price jump over a break, most, ticks", 5, 26, lambda s: max(_jumps_ticks(s))),
)  # fmt: skip


def _depths(rows: list[FeedRow]) -> int:
    return sum(isinstance(row, DepthRow) for row in rows)


def _lots(rows: list[FeedRow]) -> list[int]:
    return [row.quantity_lots or 0 for row in trades(rows)]


HEAD = """# The made-up market

<!-- Generated by `make docs` from the rows themselves. Do not edit. -->

What `bulkhead up` and `bulkhead chaos` trade on: seeded, without an end, shaped like ES. Prices are
whole ticks of 0.25; every trade is at the bid or ask of the quote before it; the quote that it
leaves follows at once; five levels of depth come now and then. Time is SIMULATED. It is no
forecast: a strategy that wins here has proven nothing.

Measured from Monday 2030-03-04, 09:30 New York, on: *morning* is the first two hours at the usual
rate, *week* is seven days at {thin}/1000 of it. A test measures all of it again, for this seed and
another.

| figure | at least | at most | seed {seed} |
|---|---|---|---|
"""
TAIL = """
How: [`shared/feeds/synthetic.py`](../shared/feeds/synthetic.py). Another market: `synthetic_seed`,
`synthetic_start_ns` and `synthetic_rate_milli` in `[venue]`.
"""


def page(found: Sample, seed: int = PAGE_SEED) -> str:
    """The whole page."""
    lines = [
        f"| {each.what} | {each.at_least:g} | {each.at_most:g} | {each.measure(found):.4g} |"
        for each in FIGURES
    ]
    return HEAD.format(thin=WEEK_RATE_MILLI, seed=seed) + "\n".join(lines) + "\n" + TAIL


if __name__ == "__main__":
    sys.exit(0 if (ROOT / PAGE).write_text(page(sample(PAGE_SEED))) else 1)
