"""Fields that several text formats share: sizes, prices of a bar, contracts in file names."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

from shared.feeds.days import midnight_ns
from shared.feeds.rows import Prices, RowError, RowReason
from shared.kernel.errors import OperatorFault
from shared.markets import MONTH_LETTERS, NANOS_PER_SECOND, Contract, Product, ticks_from_text

PRICE_TEXTS_KEPT_MAX = 65_536
QUANTITY_MAX_DIGITS = 9
MINUTE_S = 60

_LETTERS = f"[{MONTH_LETTERS}]"
_SHORT_CODE = re.compile(rf"@?([A-Z0-9]{{2,3}})({_LETTERS})([0-9]{{1,2}})[_. -]")
_CONTINUOUS = re.compile(r"@[A-Z0-9]+#|##-##|\b[A-Z0-9]{2,3}1!")


def price_reader(product: Product) -> Callable[[str], int]:
    """Return `ticks_from_text` for one product with a bounded memory of texts seen."""
    return lru_cache(maxsize=PRICE_TEXTS_KEPT_MAX)(lambda text: ticks_from_text(product, text))


def lots_from_text(text: str) -> int:
    """Read a size; `RowError` MALFORMED for anything but up to nine digits."""
    if not (text.isascii() and text.isdecimal()) or len(text) > QUANTITY_MAX_DIGITS:
        raise RowError(RowReason.MALFORMED)
    return int(text)


def fields_of(line: str, separator: str, count: int) -> list[str]:
    """Split a row; `RowError` MALFORMED unless it has so many fields."""
    fields = line.rstrip("\r\n").split(separator)
    if len(fields) != count:
        raise RowError(RowReason.MALFORMED)
    return fields


def utc_ns(year: int, month: int, day: int, clock: tuple[int, int, int] = (0, 0, 0)) -> int:
    """A moment from its numbers; `RowError` MALFORMED if there is none. `clock`: h, min, s."""
    hour, minute, second = clock
    if hour > 23 or minute > 59 or second > 59:
        raise RowError(RowReason.MALFORMED)
    try:
        day_ns = midnight_ns(year, month, day)
    except ValueError as error:
        raise RowError(RowReason.MALFORMED) from error
    return day_ns + (hour * 3_600 + minute * 60 + second) * NANOS_PER_SECOND


def bar_prices(ticks_of: Callable[[str], int], texts: Sequence[str]) -> Prices:
    """Read open, high, low, close; `RowError` NOT_A_BAR unless high and low bound the others."""
    return checked_bar(Prices(*map(ticks_of, texts)))


def checked_bar(prices: Prices) -> Prices:
    """Return the prices; `RowError` NOT_A_BAR unless high and low bound the others."""
    open_ticks, high_ticks, low_ticks, close_ticks = prices
    if not (low_ticks <= open_ticks <= high_ticks and low_ticks <= close_ticks <= high_ticks):
        raise RowError(RowReason.NOT_A_BAR)
    return prices


def names_another_contract(path: Path, contract: Contract) -> bool:
    """Compare a contract at the start of a file name: `ESM8_...`, `@ESM18.csv`, `ESM18 ticks`.

    A one-digit year fits every decade. Raises `OperatorFault` for a continuous symbol.
    """
    if _CONTINUOUS.search(path.name):
        raise OperatorFault(
            "FEED_CONTINUOUS_SYMBOL",
            field=f"file {path}",
            value=path.name,
            fix="A continuous symbol names no contract: export one expiry, such as ESM18.",
        )
    named = _SHORT_CODE.match(path.name)
    if named is None:
        return False
    root, letter, digits = named.groups()
    wanted = (contract.product.root, MONTH_LETTERS[contract.month - 1])
    return (root, letter) != wanted or not contract.code.endswith(digits)
