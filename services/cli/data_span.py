"""Reads a feed once before a run: is it what it says, how long is it, how fast must it go?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from services.venue.config import SPEED_MILLI_MAX
from shared.catalogue import open_recorded
from shared.kernel.clock import SECOND
from shared.markets import parse_contract

NOTE_EVERY_ROWS = 500_000
AS_FAST_AS_CREDIT = 0


@dataclass(frozen=True, slots=True)
class DataSpan:
    """What a whole feed holds for one contract."""

    rows: int
    first_ns: int
    last_ns: int

    def speed_milli(self, seconds: int) -> int:
        """Thousandths of real speed at which the data takes about this long.

        0, as fast as the credit allows, where the venue's highest speed would still be too slow.
        """
        span_ns = self.last_ns - self.first_ns
        speed = max(1, -(-span_ns * 1_000 // (seconds * SECOND)))
        return speed if speed <= SPEED_MILLI_MAX else AS_FAST_AS_CREDIT


def measure(path: Path, instrument: str, progress: Callable[[int], None]) -> DataSpan:
    """Read all rows. Every fault of the data that stops a run is found here, before it starts."""
    rows, first_ns, last_ns = 0, 0, 0
    for row in open_recorded(path, parse_contract(instrument)):
        first_ns = first_ns or row.exchange_ns
        rows, last_ns = row.row_number, row.exchange_ns
        if rows % NOTE_EVERY_ROWS == 0:
            progress(rows)
    return DataSpan(rows, first_ns, last_ns)


def probe(path: Path, instrument: str) -> bool:
    """Read the first good row only: the path, the format and the contract are right.

    True if the data are bars, which a replay can only approximate.
    """
    feed = open_recorded(path, parse_contract(instrument))
    next(feed, None)
    feed.close()
    return feed.made_of_bars
