"""What a feed file gives: good rows, bad rows, counts, and sections of raw rows to parse.

Why counts beside rows: "the backtest ran" means little if half the file was refused in silence, so
every row that was read is in exactly one count: rows_in = rows_good + rows_other + rows_bad.
A good row is a NamedTuple, because it is made once per tick and costs a third of a dataclass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

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


class Prices(NamedTuple):
    """The prices of a bar, in ticks."""

    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int


class BarRow(NamedTuple):
    """Trades of a span of time. `exchange_ns` is its START; volume 0 is real."""

    row_number: int
    exchange_ns: int
    span_s: int
    prices: Prices
    volume_lots: int


class QuoteBarRow(NamedTuple):
    """Best prices of a span of time, and the last sizes. None: that side was not quoted."""

    row_number: int
    exchange_ns: int
    span_s: int
    bid: Prices | None
    bid_lots: int
    ask: Prices | None
    ask_lots: int


class DefinitionRow(NamedTuple):
    """What the exchange said of the contract on a day. None: it did not say."""

    row_number: int
    exchange_ns: int
    tick_nanos: int
    expires_ns: int | None
    low_limit_ticks: int | None
    high_limit_ticks: int | None


# All that files hold; bars and definitions are stored, not played.
FileRow: TypeAlias = FeedRow | BarRow | QuoteBarRow | DefinitionRow


class RowReason(StrEnum):
    """Why a row is bad."""

    MALFORMED = "MALFORMED"
    OFF_TICK = "OFF_TICK"
    BACKWARDS = "BACKWARDS"
    SUSPICIOUS = "SUSPICIOUS"
    NOT_A_BAR = "NOT_A_BAR"


class RowError(ValueError):
    """A row that is no good row; `reason` says in which way. Never leaves this package.

    `seen` names the field and its value where the row itself cannot be shown as text.
    """

    def __init__(self, reason: RowReason, seen: str | None = None) -> None:
        self.reason = reason
        self.seen = seen
        super().__init__(str(reason))


class BadRow(NamedTuple):
    """One refused row: file (`zip!member` inside a zip), line or record from 1, reason, text.

    The text is the row's start; of a binary record it is the field that was refused.
    """

    file: str
    line: int
    reason: RowReason
    text: str


@dataclass(slots=True)
class FeedCounts:
    """Rows of the files read so far; `rows_other` are rows of other instruments in them.

    A good row may become several rows of the feed, or none: a change deep in the book.
    """

    rows_in: int = 0
    rows_good: int = 0
    rows_other: int = 0
    rows_bad: int = 0


Raw = TypeVar("Raw")
# Makes rows out of one line or record of a file, numbered from the given number on. None: the row
# is of another instrument. Raises `RowError` or `PriceError`.
Parse: TypeAlias = Callable[[Raw, int], tuple[FileRow, ...] | None]


class Section(NamedTuple, Generic[Raw]):
    """Rows of one kind in one file, opened only when they are read.

    Args:
        place: file name for people and for `BadRow.file`.
        raw_rows: lazy lines or binary records, without the header.
        first_line: line (or record) number of the first of them.
        parse: see `Parse`; None when all these rows belong to other instruments.
    """

    place: str
    raw_rows: Iterable[Raw]
    first_line: int
    parse: Parse[Raw] | None


# Lists of sections mix texts and records; each section's `parse` fits its own rows.
AnySection: TypeAlias = Section[Any]
