"""Makes the tick file of the demo: about 8,000 MADE-UP ES-like trades over three hours.

Run `python -m shared.feeds.samples.generate`; the same seed gives the same text, so a test can
tell whether the shipped file is this script's. Only `Random.random` is used, for its sequence is
promised to stay the same over Python versions; other methods may change.
Limits: the trends are built in so that a moving average cross has something to do. Nothing here
says anything about a real market.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

from shared.feeds.samples import SAMPLE_PATH
from shared.markets import product_of, text_from_ticks

_SEED = 20300305
_START = datetime(2030, 3, 5, 14, 30)  # UTC; 09:30 New York
_SPAN_US = 3 * 3_600 * 1_000_000
_FIRST_PRICE_TICKS = 24_000  # 6000.00
_MEAN_GAP_US = 2_200_000
_LEG_US = 18 * 60 * 1_000_000  # one trend, up and down by turns
_BURST_CHANCE = 0.06
_BURST_TRADES = 20
_DRIFT = 0.10  # how far the chance of an up-tick leans with the trend


def sample_text() -> str:
    """Return the whole file as text, header first."""
    product = product_of("ES")
    lines = ["ts_utc,price"]
    for after_us, price_ticks in _trades(Random(_SEED)):
        moment = _START + timedelta(microseconds=after_us)
        stamp = moment.isoformat(timespec="microseconds")
        lines.append(f"{stamp}Z,{text_from_ticks(product, price_ticks)}")
    return "\n".join(lines) + "\n"


def write_sample(path: Path = SAMPLE_PATH) -> None:
    """Write the file; no time of writing goes in, so equal text gives equal bytes."""
    path.write_bytes(gzip.compress(sample_text().encode("ascii"), compresslevel=9, mtime=0))


def _trades(rng: Random) -> Iterator[tuple[int, int]]:
    """Yield (microseconds after the start, price ticks) of every trade."""
    after_us = 0
    price_ticks = _FIRST_PRICE_TICKS
    while (after_us := after_us + 1 + int(rng.random() * 2 * _MEAN_GAP_US)) < _SPAN_US:
        for _ in range(_trades_at_once(rng)):
            price_ticks += _step_ticks(rng, after_us)
            yield after_us, price_ticks
            # Half of the trades of a burst share their time with the trade before.
            after_us += int(rng.random() * 2) * int(rng.random() * 4_000)


def _trades_at_once(rng: Random) -> int:
    if rng.random() < _BURST_CHANCE:
        return 2 + int(rng.random() * _BURST_TRADES)
    return 1


def _step_ticks(rng: Random, after_us: int) -> int:
    """Return -1, 0 or 1; identical neighbours are common, as in real trades."""
    drift = _DRIFT if (after_us // _LEG_US) % 2 == 0 else -_DRIFT
    draw = rng.random()
    if draw < 0.2 + drift / 2:
        return 1
    return -1 if draw > 0.8 + drift / 2 else 0


if __name__ == "__main__":
    write_sample()
