"""A made-up market without an end: what `bulkhead up` trades on, with no keys and no download.

Theory of operation. Every row follows from the seed, the row's number and the row before it, and
from nothing else. So the feed can be taken up again behind any row, in no time and without memory,
and the same seed is the same market. Chance is arithmetic (splitmix64), not a generator with a
state; there are no floats, so every machine makes the same rows.

It is shaped like ES, roughly: trades on the tick grid, busy at the open and the close of New York,
quiet over night, bursts of some seconds at twelve times the rate, now and then some seconds without
a trade, no rows while the exchange is closed, and a jump of the price when it opens again.
`docs/` calls its time SIMULATED; it is no forecast, and no strategy is good because it wins here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from shared.feeds.reading import PassedOver
from shared.feeds.rows import FeedCounts, TradeRow
from shared.markets import Contract, new_york_day_and_second, next_open_ns

MINUTE_NS = 60_000_000_000
SECOND_NS = 1_000_000_000
FIRST_PRICE_TICKS = 24_000
ONE = 1_000
"""`rate_milli` of the market as it is described here."""

# Trades in a minute by hour of New York's day, as a real ES day looks from afar.
TRADES_A_MINUTE = (
    *(30, 25, 25, 35, 40, 40, 45, 60, 110, 320, 300, 230),
    *(180, 180, 220, 380, 90, 30, 40, 35, 30, 30, 30, 30),
)
BURST_FACTOR = 12
BURST_ONE_IN_MINUTES = 30
BURST_SECONDS_MAX = 12
PAUSE_ONE_IN_ROWS = 4_000
PAUSE_SECONDS_MAX = 20
MOVE_PER_THOUSAND = 350
DRIFT_PER_THOUSAND = 12
DRIFT_MINUTES = 15
JUMP_TICKS_MAX = 24

_MASK = 2**64 - 1
_QUANTILES = tuple(int(-math.log((i + 0.5) / 1_024) * 1_000) for i in range(1_024))
_SIZES = (1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 3, 4, 5, 8, 12, 40)
# What a draw is for: each has its own chain of chance.
_WAIT, _MOVE, _SIZE, _PAUSE, _BURST, _DRIFT, _JUMP = range(1, 8)


@dataclass(frozen=True, slots=True)
class Synthetic:
    """What describes one made-up market. `rate_milli` 1000 is the usual number of trades."""

    seed: int
    start_ns: int
    rate_milli: int = ONE


class Last(NamedTuple):
    """The row before: all that the next one needs to know of the past."""

    row_number: int
    exchange_ns: int
    price_ticks: int


class SyntheticFeed(Iterator[TradeRow]):
    """Rows without an end; stands where a `Feed` of files stands."""

    def __init__(self, contract: Contract, market: Synthetic) -> None:
        self.contract = contract
        self.counts = FeedCounts()
        self.passed_over: tuple[PassedOver, ...] = ()
        self._market = market
        self._last = Last(0, next_open_ns(market.start_ns), FIRST_PRICE_TICKS)

    def __iter__(self) -> Iterator[TradeRow]:
        return self

    def __next__(self) -> TradeRow:
        row = self._next()
        self._last = Last(row.row_number, row.exchange_ns, row.price_ticks)
        self.counts.rows_in += 1
        self.counts.rows_good += 1
        return row

    def resume_after(self, last: Last) -> None:
        """Go on behind this row, however many there were before it."""
        self._last = last
        self.counts = FeedCounts(last.row_number, last.row_number)

    def close(self) -> None:
        """Nothing is open."""

    # --- the next row ---------------------------------------------------------------------------

    def _next(self) -> TradeRow:
        last = self._last
        number = last.row_number + 1
        wanted_ns = last.exchange_ns + self._wait_ns(number, last.exchange_ns)
        at_ns = next_open_ns(wanted_ns)
        ticks = last.price_ticks + self._move_ticks(number, at_ns)
        if at_ns != wanted_ns:
            ticks += self._draw(number, _JUMP) % (2 * JUMP_TICKS_MAX + 1) - JUMP_TICKS_MAX
        size = _SIZES[self._draw(number, _SIZE) % len(_SIZES)]
        return TradeRow(number, at_ns, ticks, size)

    def _wait_ns(self, number: int, now_ns: int) -> int:
        """An exponential wait at the rate of this minute; sometimes a pause on top."""
        per_minute = max(1, trades_a_minute(self._market, now_ns) * self._market.rate_milli // ONE)
        quantile = _QUANTILES[self._draw(number, _WAIT) >> 54]
        wait_ns = max(1_000, MINUTE_NS // per_minute * quantile // 1_000)
        pause = self._draw(number, _PAUSE)
        if pause % PAUSE_ONE_IN_ROWS == 0:
            wait_ns += (pause >> 32) % PAUSE_SECONDS_MAX * SECOND_NS
        return wait_ns

    def _move_ticks(self, number: int, at_ns: int) -> int:
        """-1, 0 or 1, with a drift that changes every quarter of an hour."""
        block = at_ns // (DRIFT_MINUTES * MINUTE_NS)
        drift = (draw(self._market.seed, block, _DRIFT) % 3 - 1) * DRIFT_PER_THOUSAND
        chance = self._draw(number, _MOVE) % 1_000
        if chance < (MOVE_PER_THOUSAND + drift) // 2:
            return 1
        return -1 if chance >= 1_000 - (MOVE_PER_THOUSAND - drift) // 2 else 0

    def _draw(self, number: int, purpose: int) -> int:
        return draw(self._market.seed, number, purpose)


def trades_a_minute(market: Synthetic, now_ns: int) -> int:
    """The rate of this very second, bursts included, before `rate_milli`."""
    hour = new_york_day_and_second(now_ns)[1] // 3_600
    minute, second = now_ns // MINUTE_NS, now_ns % MINUTE_NS // SECOND_NS
    chance = draw(market.seed, minute, _BURST)
    if chance % BURST_ONE_IN_MINUTES == 0:
        begins = (chance >> 16) % 45
        if begins <= second < begins + 3 + (chance >> 32) % (BURST_SECONDS_MAX - 2):
            return TRADES_A_MINUTE[hour] * BURST_FACTOR
    return TRADES_A_MINUTE[hour]


def draw(seed: int, number: int, purpose: int) -> int:
    """64 random-looking bits of (seed, number, purpose): splitmix64 by Steele, Lea and Flood."""
    z = (seed * 0xD1342543DE82EF95 + number * 0x9E3779B97F4A7C15 + purpose) & _MASK
    for _ in range(2):
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & _MASK
        z ^= z >> 31
    return z
