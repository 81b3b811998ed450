"""Trades as CSV, plain or gzip: header `ts_utc,price`, then one trade per line, no sizes.

`ts_utc` is ISO 8601 in UTC with `Z`, seconds with up to nine decimals; years 1970 to 2199.
The rows name no instrument. If the file's name starts with a contract (`ESM8_...`, `ESM18_...`),
it must be the wanted one: ES prices would pass for NQ prices otherwise, tick for tick.
Limits: a file name without a contract is believed.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from itertools import islice
from pathlib import Path

from shared.feeds.files import first_line, text_lines, unknown_format
from shared.feeds.rows import Parse, RowError, RowReason, Section, TradeRow
from shared.feeds.text_fields import names_another_contract, price_reader
from shared.markets import NANOS_PER_SECOND, SECONDS_PER_DAY, Contract, Product

HEADER = "ts_utc,price"

_SUFFIXES = (".csv", ".csv.gz")
_SECOND = re.compile(r"(19[7-9][0-9]|2[01][0-9]{2})-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}")
_EPOCH = datetime(1970, 1, 1)
_FRACTION_SCALE: list[int] = [10 ** (9 - digits) for digits in range(10)]


def is_csv_trades(name: str) -> bool:
    """Say whether a file name is one that this reader takes."""
    return name.endswith(_SUFFIXES)


def csv_trades_sections(path: Path, contract: Contract) -> list[Section[str]]:
    """Check the header and return the file's rows as one lazy section.

    Returns no section if the file's name names another contract. Raises `OperatorFault` for a
    missing or different header and for a damaged file.
    """
    header = first_line(path)
    if header != HEADER:
        raise unknown_format(path, f"first line {header!r}")
    if names_another_contract(path, contract):
        return []
    lines = islice(text_lines(path), 1, None)
    return [Section(str(path), lines, 2, _parser(contract.product))]


def ns_from_iso(stamp: str) -> int:
    """Turn `2018-05-07T13:30:00.001532Z` into UTC ns; `RowError` MALFORMED for any other form."""
    second_ns = _ns_of_second(stamp[:19])
    tail = stamp[19:]
    if tail == "Z":
        return second_ns
    digits = tail[1:-1]
    if tail[:1] != "." or tail[-1] != "Z" or not digits.isdecimal() or len(digits) > 9:
        raise RowError(RowReason.MALFORMED)
    return second_ns + int(digits) * _FRACTION_SCALE[len(digits)]


@lru_cache(maxsize=1_024)
def _ns_of_second(text: str) -> int:
    """Read whole seconds exactly; remembered, because neighbours share them."""
    if not _SECOND.fullmatch(text):
        raise RowError(RowReason.MALFORMED)
    try:
        since = datetime.fromisoformat(text) - _EPOCH
    except ValueError as error:
        raise RowError(RowReason.MALFORMED) from error
    return (since.days * SECONDS_PER_DAY + since.seconds) * NANOS_PER_SECOND


def _parser(product: Product) -> Parse[str]:
    ticks_of = price_reader(product)

    def parse(line: str, number: int) -> tuple[TradeRow]:
        stamp, _, price = line.rstrip("\n").partition(",")
        return (TradeRow(number, ns_from_iso(stamp), ticks_of(price), None),)

    return parse
