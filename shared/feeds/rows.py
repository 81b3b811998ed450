"""What a feed file gives: good rows, bad rows, counts, and sections of lines to parse.

Why counts beside rows: "the backtest ran" means little if half the file was refused in silence, so
every row that was read is in exactly one count: rows_in = rows_good + rows_other + rows_bad.
A good row is a NamedTuple, because it is made once per tick and costs a third of a dataclass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, TypeAlias

BAD_ROW_TEXT_MAX_CHARS = 200


class TradeRow(NamedTuple):
    """One trade of the feed's contract.

    Args:
        row_number: 1 for the first good row of the feed, over all its files; resume after it.
        exchange_ns: exchange time, UTC, ns since 1970-01-01; never goes back within a feed.
        price_ticks: price in ticks of the contract's product, signed.
        quantity_lots: size; 0 is real, None says that the file has no sizes.
    """

    row_number: int
    exchange_ns: int
    price_ticks: int
    quantity_lots: int | None


class BookLevel(NamedTuple):
    """What the book shows at one price: ticks (signed) and lots (0 is real)."""

    price_ticks: int
    quantity_lots: int


class QuoteRow(NamedTuple):
    """The top of the book. None: that side is empty. Number and time as in `TradeRow`."""

    row_number: int
    exchange_ns: int
    bid: BookLevel | None
    ask: BookLevel | None


class DepthRow(NamedTuple):
    """The best levels of each side, best first. Number and time as in `TradeRow`."""

    row_number: int
    exchange_ns: int
    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]


# One sequence of numbers over all three kinds: a resume names a row, never its kind.
FeedRow: TypeAlias = TradeRow | QuoteRow | DepthRow


class RowReason(StrEnum):
    """Why a row is bad."""

    MALFORMED = "MALFORMED"
    OFF_TICK = "OFF_TICK"
    BACKWARDS = "BACKWARDS"
    SUSPICIOUS = "SUSPICIOUS"


class RowError(ValueError):
    """A line that is no good row; `reason` says in which way. Never leaves this package."""

    def __init__(self, reason: RowReason) -> None:
        self.reason = reason
        super().__init__(str(reason))


class BadRow(NamedTuple):
    """One refused row: file (`zip!member` inside a zip), line from 1, reason, start of the text."""

    file: str
    line: int
    reason: RowReason
    text: str


@dataclass(slots=True)
class FeedCounts:
    """Rows read so far; `rows_other` are rows of other instruments in the same files."""

    rows_in: int = 0
    rows_good: int = 0
    rows_other: int = 0
    rows_bad: int = 0


# exchange_ns, price_ticks, quantity_lots; a bare tuple, because it is made once per tick.
ParsedRow: TypeAlias = tuple[int, int, int | None]


class Section(NamedTuple):
    """Lines of one kind in one file, opened only when they are read.

    Args:
        place: file name for people and for `BadRow.file`.
        lines: lazy lines, without the header.
        first_line: line number of the first of them.
        parse: turns one line into its facts or raises `RowError` or `PriceError`; None when these
            rows belong to other instruments.
    """

    place: str
    lines: Iterable[str]
    first_line: int
    parse: Callable[[str], ParsedRow] | None
