"""LEAN bars of futures: trades and quotes by minute, hour or day, one zip member per contract.

Minute zips are `YYYYMMDD_trade.zip` and `YYYYMMDD_quote.zip` with one UTC day; a row's time is in
ms since midnight. Hour and daily zips are `root_trade.zip` and `root_quote.zip` in a folder called
`hour` or `daily`, with all days; a row's time is `YYYYMMDD HH:MM`. No header. The time is the START
of the bar. The YYYYMM of a member's name is the contract month. Columns after the time:

    trade   open, high, low, close, volume
    quote   bid open, high, low, close, last bid size, then the same of the ask; empty: no such side

Limits: hour and daily zips say in their folder's name alone which they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from shared.feeds.files import unknown_format, zip_member_names
from shared.feeds.lean_ticks import midnight_of, ms_of_day, zip_sections
from shared.feeds.rows import (
    BarRow,
    Parse,
    Prices,
    QuoteBarRow,
    RowError,
    RowReason,
    Section,
)
from shared.feeds.text_fields import (
    MINUTE_S,
    bar_prices,
    fields_of,
    lots_from_text,
    price_reader,
    utc_ns,
)
from shared.kernel.clock import MS
from shared.markets import MONTH_LETTERS, Contract, Product

_MINUTE_ZIP = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})_(trade|quote)\.zip")
_LONG_ZIP = re.compile(r"([a-z0-9]{2,3})_(trade|quote)\.zip")
_MINUTE_MEMBER = re.compile(
    r"[0-9]{8}_([a-z0-9]+)_minute_(trade|quote)_([0-9]{6})(?:_[0-9]{8})?\.csv"
)
_LONG_MEMBER = re.compile(r"([a-z0-9]+)_(trade|quote)_([0-9]{6})(?:_[0-9]{8})?\.csv")
_ANY_MEMBER = re.compile(
    r"(?:^|_)([a-z0-9]{2,3})(?:_tick|_minute)?_(?:trade|quote)_20([0-9]{2})(0[1-9]|1[0-2])"
)
_STAMP = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2}) ([0-9]{2}):([0-9]{2})")
_SPAN_S = {"hour": 3_600, "daily": 86_400}
_TRADE_FIELDS, _QUOTE_FIELDS = 6, 11

TimeOf = Callable[[str], int]


def is_lean_bars(name: str) -> bool:
    """Say whether a file name is one that this reader takes (trade ticks look the same)."""
    return bool(_MINUTE_ZIP.fullmatch(name) or _LONG_ZIP.fullmatch(name))


def lean_bars_sections(path: Path, contract: Contract) -> list[Section[str]]:
    """Return one lazy section per member, other instruments included, for they are counted.

    Returns no section if no member is of the contract. Raises `OperatorFault` for a damaged zip,
    a member of another kind, or an hour or daily zip outside a folder of that name.
    """
    if minute := _MINUTE_ZIP.fullmatch(path.name):
        members, span_s, kind = _MINUTE_MEMBER, MINUTE_S, minute[4]
        time_of = _time_in_day(midnight_of(path, _MINUTE_ZIP))
    else:
        found = _LONG_ZIP.fullmatch(path.name)
        span = _SPAN_S.get(path.absolute().parent.name)
        if found is None or span is None:
            raise unknown_format(path, "an hour or daily zip outside a folder 'hour' or 'daily'")
        members, span_s, kind, time_of = _LONG_MEMBER, span, found[2], _time_of_stamp
    names = zip_member_names(path)
    instruments = [_instrument(path, name, members, kind) for name in names]
    parser = _trade_bars if kind == "trade" else _quote_bars
    return zip_sections(
        path, contract, list(zip(names, instruments, strict=True)),
        lambda: parser(contract.product, span_s, time_of),
    )  # fmt: skip


def lean_contracts(path: Path) -> list[str]:
    """Return the codes of all contracts that have a member in a LEAN zip, sorted."""
    found = (_ANY_MEMBER.search(name) for name in zip_member_names(path))
    return sorted(
        f"{parts[1].upper()}{MONTH_LETTERS[int(parts[3]) - 1]}{parts[2]}"
        for parts in found
        if parts is not None
    )


def _instrument(path: Path, member: str, named: re.Pattern[str], kind: str) -> str:
    parts = named.fullmatch(member)
    if parts is None or parts[2] != kind:
        raise unknown_format(path, f"member {member!r}")
    return f"{parts[1]}_{parts[3]}"


def _time_in_day(day_ns: int) -> TimeOf:
    return lambda text: day_ns + ms_of_day(text) * MS


def _time_of_stamp(text: str) -> int:
    parts = _STAMP.fullmatch(text)
    if parts is None:
        raise RowError(RowReason.MALFORMED)
    year, month, day, hour, minute = map(int, parts.groups())
    return utc_ns(year, month, day, (hour, minute, 0))


def _trade_bars(product: Product, span_s: int, time_of: TimeOf) -> Parse[str]:
    ticks_of = price_reader(product)

    def parse(line: str, number: int) -> tuple[BarRow]:
        fields = fields_of(line, ",", _TRADE_FIELDS)
        prices = bar_prices(ticks_of, fields[1:5])
        return (BarRow(number, time_of(fields[0]), span_s, prices, lots_from_text(fields[5])),)

    return parse


def _quote_bars(product: Product, span_s: int, time_of: TimeOf) -> Parse[str]:
    ticks_of = price_reader(product)

    def side(fields: list[str]) -> tuple[Prices | None, int]:
        if not any(fields[:4]):
            return None, 0
        return bar_prices(ticks_of, fields[:4]), lots_from_text(fields[4])

    def parse(line: str, number: int) -> tuple[QuoteBarRow]:
        fields = fields_of(line, ",", _QUOTE_FIELDS)
        bid, ask = side(fields[1:6]), side(fields[6:])
        return (QuoteBarRow(number, time_of(fields[0]), span_s, *bid, *ask),)

    return parse
