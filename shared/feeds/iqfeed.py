"""What IQFeed's history answers look like when users save them: CSV lines without a header.

    tick  time, last, last size, total volume, bid, ask, tick id, basis, market center, conditions
          [, aggressor, day code]
    bar   time, HIGH, LOW, open, close, total volume, period volume [, number of trades]

A request id and `LH` may stand before the time; a comma may end a line, `!ENDMSG!` the file. Times
are New York wall time. A bar is stamped with its END, which is the service's default; only one
minute is taken. Of ticks, basis C and E are trades; O (other: spreads, late reports) sets no price
and gives no row. Bid and ask are not taken: there are no sizes.
Limits: ask the service for the oldest first; the other way round every row would be BACKWARDS.
What a wall clock shows twice, in a night of November, is the first; the market is closed then.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from shared.feeds.csv_trades import ns_from_iso
from shared.feeds.files import first_line, text_lines
from shared.feeds.rows import BarRow, FileRow, Parse, RowError, RowReason, Section, TradeRow
from shared.feeds.text_fields import (
    MINUTE_S,
    bar_prices,
    lots_from_text,
    names_another_contract,
    price_reader,
)
from shared.markets import NANOS_PER_SECOND, SECONDS_PER_DAY, Contract, utc_ns_of_new_york

_BEFORE = r"(?:[^,]*,)?(?:LH,)?"
_TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?"
FIRST_LINE = re.compile(rf"{_BEFORE}{_TIME}(,[^,]*){{6,}}")
_LINE = re.compile(rf"{_BEFORE}({_TIME}),(.*)")
_END = "!ENDMSG!"
_TRADES, _OTHER = ("C", "E"), "O"
_TICK_FIELDS_MIN, _BAR_FIELDS_MIN = 9, 6  # behind the time
_DAY_NS = SECONDS_PER_DAY * NANOS_PER_SECOND

TicksOf = Callable[[str], int]


def iqfeed_sections(path: Path, contract: Contract) -> list[Section[str]]:
    """Return the file's rows as one lazy section; none if its name names another contract."""
    if names_another_contract(path, contract):
        return []
    ticks_of = price_reader(contract.product)
    fields = first_line(path).partition(":")[2].count(",")
    parse = _ticks(ticks_of) if fields >= _TICK_FIELDS_MIN else _bars(ticks_of)
    return [Section(str(path), text_lines(path), 1, _until_end(parse))]


def _until_end(parse: Parse[str]) -> Parse[str]:
    """The end mark is a line that says nothing."""
    return lambda line, number: () if _END in line else parse(line, number)


def _ticks(ticks_of: TicksOf) -> Parse[str]:
    def parse(line: str, number: int) -> tuple[FileRow, ...]:
        at_ns, fields = _split(line)
        if len(fields) < _TICK_FIELDS_MIN or fields[6] not in (*_TRADES, _OTHER):
            raise RowError(RowReason.MALFORMED)
        row = TradeRow(number, at_ns, ticks_of(fields[0]), lots_from_text(fields[1]))
        return () if fields[6] == _OTHER else (row,)

    return parse


def _bars(ticks_of: TicksOf) -> Parse[str]:
    def parse(line: str, number: int) -> tuple[FileRow, ...]:
        end_ns, fields = _split(line)
        if not _BAR_FIELDS_MIN <= len(fields) < _TICK_FIELDS_MIN:
            raise RowError(RowReason.MALFORMED)
        span_ns = MINUTE_S * NANOS_PER_SECOND
        if end_ns % span_ns:
            raise RowError(RowReason.MALFORMED)
        high, low, open_, close, _, volume = fields[:6]
        prices = bar_prices(ticks_of, (open_, high, low, close))
        return (BarRow(number, end_ns - span_ns, MINUTE_S, prices, lots_from_text(volume)),)

    return parse


def _split(line: str) -> tuple[int, list[str]]:
    """UTC ns, and the fields behind the time."""
    parts = _LINE.fullmatch(line.rstrip("\r\n"))
    if parts is None:
        raise RowError(RowReason.MALFORMED)
    wall_ns = ns_from_iso(parts[1].replace(" ", "T", 1) + "Z")
    day, in_day_ns = divmod(wall_ns, _DAY_NS)
    second, fraction_ns = divmod(in_day_ns, NANOS_PER_SECOND)
    return utc_ns_of_new_york(day, second) + fraction_ns, parts[2].split(",")
