"""What NinjaTrader exports: text files with semicolons, named after the instrument.

`ES 12-13.Last.txt` holds trades (or bars of trades) of ESZ13; times are UTC. The layouts:

    tick      20131007 000431;1676.25;3                       with or without a fraction of seven
              20131007 000431 1230000;1676.5;1676.25;1676.5;3     digits; last, bid, ask, size
    minute    20131007 000500;1676.25;1676.5;1676.25;1676.5;86    the stamp is the END of the bar
    daily     20131007;1676.25;1676.5;1676.25;1676.5;86           the trading day

Bid and ask of a tick are not taken: the file has no sizes for them.
Limits: `.Bid.txt` and `.Ask.txt` are no trades and are refused; daily bars get the UTC day.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from shared.feeds.files import first_line, text_lines, unknown_format
from shared.feeds.rows import BarRow, FileRow, Parse, RowError, RowReason, Section, TradeRow
from shared.feeds.text_fields import (
    MINUTE_S,
    bar_prices,
    fields_of,
    lots_from_text,
    names_another_contract,
    price_reader,
    utc_ns,
)
from shared.markets import NANOS_PER_SECOND, SECONDS_PER_DAY, Contract

FIRST_LINE = re.compile(r"[0-9]{8}( [0-9]{6}( [0-9]{7})?)?(;[0-9.-]+){2,5}")
_FILE_NAME = re.compile(r"([A-Z0-9]{2,3}) ([0-9]{2})-([0-9]{2})[. ]")
_STAMP = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?: ([0-9]{6})(?: ([0-9]{7}))?)?")
_NS_PER_FRACTION = 100

TicksOf = Callable[[str], int]


def ninjatrader_sections(path: Path, contract: Contract) -> list[Section[str]]:
    """Return the file's rows as one lazy section; none if its name names another contract."""
    if any(kind in path.name for kind in (".Bid.", ".Ask.")):
        raise unknown_format(path, "bid or ask prices alone; export the type Last")
    if _is_another(path, contract):
        return []
    ticks_of = price_reader(contract.product)
    first = first_line(path).split(";")
    count, daily = len(first), " " not in first[0]
    if count in (3, 5):
        parse = _ticks(ticks_of, count)
    elif count == 6:
        parse = _bars(ticks_of, SECONDS_PER_DAY if daily else MINUTE_S)
    else:
        raise unknown_format(path, f"first line with {count} fields")
    return [Section(str(path), text_lines(path), 1, parse)]


def _is_another(path: Path, contract: Contract) -> bool:
    named = _FILE_NAME.match(path.name)
    if named is None:
        return names_another_contract(path, contract)
    found = (named[1], int(named[2]), int(named[3]))
    return found != (contract.product.root, contract.month, contract.year % 100)


def _ticks(ticks_of: TicksOf, count: int) -> Parse[str]:
    def parse(line: str, number: int) -> tuple[FileRow, ...]:
        fields = fields_of(line, ";", count)
        at_ns, _ = _time_ns(fields[0])
        return (TradeRow(number, at_ns, ticks_of(fields[1]), lots_from_text(fields[-1])),)

    return parse


def _bars(ticks_of: TicksOf, span_s: int) -> Parse[str]:
    def parse(line: str, number: int) -> tuple[FileRow, ...]:
        fields = fields_of(line, ";", 6)
        end_ns, daily = _time_ns(fields[0])
        if daily != (span_s == SECONDS_PER_DAY):
            raise RowError(RowReason.MALFORMED)
        start_ns = end_ns if daily else end_ns - span_s * NANOS_PER_SECOND
        prices = bar_prices(ticks_of, fields[1:5])
        return (BarRow(number, start_ns, span_s, prices, lots_from_text(fields[5])),)

    return parse


def _time_ns(text: str) -> tuple[int, bool]:
    """UTC ns, and whether the stamp is a day alone."""
    parts = _STAMP.fullmatch(text)
    if parts is None:
        raise RowError(RowReason.MALFORMED)
    clock = parts[4] or "000000"
    hms = int(clock[:2]), int(clock[2:4]), int(clock[4:])
    at_ns = utc_ns(int(parts[1]), int(parts[2]), int(parts[3]), hms)
    return at_ns + int(parts[5] or 0) * _NS_PER_FRACTION, parts[4] is None
