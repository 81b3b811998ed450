"""Calendar dates of file names and headers as UTC nanoseconds."""

from __future__ import annotations

from datetime import date

from shared.markets import NANOS_PER_SECOND, SECONDS_PER_DAY

_EPOCH = date(1970, 1, 1)


def midnight_ns(year: int, month: int, day: int) -> int:
    """Return 00:00 UTC of a date in ns since 1970-01-01; `ValueError` if there is no such date."""
    return (date(year, month, day) - _EPOCH).days * SECONDS_PER_DAY * NANOS_PER_SECOND
