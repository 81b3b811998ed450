"""When the made-up market moves: busy and quiet hours, bursts, pauses, and the closed exchange.

All of it follows from the seed and the minute, so a minute is worked out once and looked up after.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from shared.feeds.chance import Chance, draw
from shared.markets import is_open, new_york_day_and_second

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
ONE = 1_000
"""`rate_milli` of the market as it is described here."""

# Trades in a minute by hour of New York's day, as a real ES day looks from afar.
TRADES_A_MINUTE = (
    *(30, 25, 25, 35, 40, 40, 45, 60, 110, 320, 300, 230),
    *(180, 180, 220, 380, 90, 30, 40, 35, 30, 30, 30, 30),
)
MOMENTS_PER_TRADE_MILLI = 3_070
"""Of three moments one is a trade; at the others the book alone changes. See `synthetic.py`."""
BURST_FACTOR = 12
BURST_ONE_IN_MINUTES = 30
BURST_SECONDS_MAX = 12
PAUSE_ONE_IN_ROWS = 14_000
PAUSE_SECONDS_MAX = 20
DRIFT_MINUTES = 15

_QUANTILES = tuple(int(-math.log((i + 0.5) / 1_024) * 1_000) for i in range(1_024))
# What a draw is for: each has its own chain of chance.
ROW, PAUSE, BURST, DRIFT, JUMP, LEVELS = range(1, 7)


@dataclass(frozen=True, slots=True)
class Synthetic:
    """What describes one made-up market. `rate_milli` 1000 is the usual number of trades.

    `rows_max`: where it ends, for a run that shall end; None: never.
    """

    seed: int
    start_ns: int
    rate_milli: int = ONE
    rows_max: int | None = None


class Minute(NamedTuple):
    """What holds for a minute. The burst lasts from one second to before another; (0, 0): none."""

    is_open: bool
    trades: int
    drift: int
    burst_from_s: int
    burst_to_s: int


@lru_cache(maxsize=256)
def minute_of(seed: int, minute: int) -> Minute:
    """The facts of one minute since 1970."""
    at_ns = minute * MINUTE_NS
    trades = TRADES_A_MINUTE[new_york_day_and_second(at_ns)[1] // 3_600]
    drift = draw(seed, minute // DRIFT_MINUTES, DRIFT) % 3 - 1
    bits = draw(seed, minute, BURST)
    if bits % BURST_ONE_IN_MINUTES:
        return Minute(is_open(at_ns), trades, drift, 0, 0)
    begins_s = (bits >> 16) % 45
    seconds = 3 + (bits >> 32) % (BURST_SECONDS_MAX - 2)
    return Minute(is_open(at_ns), trades, drift, begins_s, begins_s + seconds)


def minute_at(market: Synthetic, at_ns: int) -> Minute:
    """The minute that this moment is in."""
    return minute_of(market.seed, at_ns // MINUTE_NS)


def trades_a_minute(market: Synthetic, now_ns: int) -> int:
    """The rate of this very second, bursts included, before `rate_milli`."""
    minute, second = minute_at(market, now_ns), now_ns % MINUTE_NS // SECOND_NS
    burst = minute.burst_from_s <= second < minute.burst_to_s
    return minute.trades * (BURST_FACTOR if burst else 1)


def wait_ns(market: Synthetic, now_ns: int, row_number: int, share: Chance) -> int:
    """An exponential wait at the rate of this very second; sometimes a pause on top."""
    rate = max(1, trades_a_minute(market, now_ns) * market.rate_milli)
    mean_ns = MINUTE_NS * 1_000 * ONE // (rate * MOMENTS_PER_TRADE_MILLI)
    found_ns = max(1_000, mean_ns * _QUANTILES[share.wait] // 1_000)
    pause = draw(market.seed, row_number, PAUSE)
    if pause % PAUSE_ONE_IN_ROWS == 0:
        found_ns += (pause >> 32) % PAUSE_SECONDS_MAX * SECOND_NS
    return found_ns
