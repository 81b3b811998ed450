"""Market data: from the feed into the ingestor, and from the ingestor to everyone who needs it.

Every market event carries exchange time and our own receive time (boot clock). `feed_seq` numbers
the rows of the feed without a hole, so a consumer can resume from any row and tell a repeat from
two real trades that look the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from proto_schemas.base import (
    Count,
    Instrument,
    Message,
    Name,
    Ns,
    PriceTicks,
    Sequence,
    TradedLots,
)
from proto_schemas.enums import FeedState

BURST_ROWS_MAX = 64
"""Rows of a burst, in all: what the first one leads to waits until the last one is handled."""


@dataclass(frozen=True, slots=True)
class FeedOpen(Message):
    """Start or resume the feed after row `after_feed_seq`; rows up to the credit may be sent."""

    after_feed_seq: Sequence
    credit_feed_seq: Sequence


@dataclass(frozen=True, slots=True)
class FeedCredit(Message):
    """Rows up to and including this one may be sent. A smaller value than before is ignored."""

    credit_feed_seq: Sequence


@dataclass(frozen=True, slots=True)
class FeedTrade(Message):
    """One trade as the feed delivered it. Absent quantity is None; zero is a real trade."""

    feed_seq: Sequence
    instrument: Instrument
    exchange_ns: Ns
    price_ticks: PriceTicks
    quantity_lots: TradedLots | None


@dataclass(frozen=True, slots=True)
class Level:
    """What the book shows at one price."""

    price_ticks: PriceTicks
    quantity_lots: TradedLots


@dataclass(frozen=True, slots=True)
class FeedQuote(Message):
    """The top of the book as the feed delivered it. None: that side is empty."""

    feed_seq: Sequence
    instrument: Instrument
    exchange_ns: Ns
    bid: Level | None
    ask: Level | None


@dataclass(frozen=True, slots=True)
class FeedDepth(Message):
    """The book's best levels as the feed delivered them, best first."""

    feed_seq: Sequence
    instrument: Instrument
    exchange_ns: Ns
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class FeedBurst(Message):
    """Rows that were due together, at most 64: each counts like one that comes alone.

    Their order is that of `feed_seq`, across the three.
    """

    trades: Annotated[tuple[FeedTrade, ...], Field(max_length=BURST_ROWS_MAX)]
    quotes: Annotated[tuple[FeedQuote, ...], Field(max_length=BURST_ROWS_MAX)]
    depths: Annotated[tuple[FeedDepth, ...], Field(max_length=BURST_ROWS_MAX)]


@dataclass(frozen=True, slots=True)
class FeedEnd(Message):
    """The recorded feed has no more rows; what its reader counted."""

    feed_seq: Sequence
    instrument: Instrument
    rows_in: Count
    rows_other: Count
    rows_bad: Count


@dataclass(frozen=True, slots=True)
class Trade(Message):
    """One trade, normalised: both clocks, whole ticks, in feed order."""

    feed_seq: Sequence
    instrument: Instrument
    exchange_ns: Ns
    receive_ns: Ns
    price_ticks: PriceTicks
    quantity_lots: TradedLots | None


@dataclass(frozen=True, slots=True)
class Quote(Message):
    """The top of the book, normalised. None: that side is empty."""

    feed_seq: Sequence
    instrument: Instrument
    exchange_ns: Ns
    receive_ns: Ns
    bid: Level | None
    ask: Level | None


@dataclass(frozen=True, slots=True)
class Depth(Message):
    """The book's best levels, normalised, best first."""

    feed_seq: Sequence
    instrument: Instrument
    exchange_ns: Ns
    receive_ns: Ns
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class MarketBurst(Message):
    """Market events that came together, at most 64: each counts like one that comes alone.

    Their order is that of `feed_seq`, across the three.
    """

    instrument: Instrument
    trades: Annotated[tuple[Trade, ...], Field(max_length=BURST_ROWS_MAX)]
    quotes: Annotated[tuple[Quote, ...], Field(max_length=BURST_ROWS_MAX)]
    depths: Annotated[tuple[Depth, ...], Field(max_length=BURST_ROWS_MAX)]


@dataclass(frozen=True, slots=True)
class Bar(Message):
    """One closed bar, stamped with its start. `receive_ns` is of the event that closed it."""

    instrument: Instrument
    start_ns: Ns
    span_ns: Ns
    receive_ns: Ns
    open_ticks: PriceTicks
    high_ticks: PriceTicks
    low_ticks: PriceTicks
    close_ticks: PriceTicks
    volume_lots: Count
    trades: Count


@dataclass(frozen=True, slots=True)
class Mark(Message):
    """The last price of an instrument, conflated: for limits and P&L, never for signals."""

    instrument: Instrument
    exchange_ns: Ns
    receive_ns: Ns
    price_ticks: PriceTicks


@dataclass(frozen=True, slots=True)
class FeedStatus(Message):
    """State of one instrument's feed and the ingestor's counts."""

    instrument: Instrument
    state: FeedState
    feed_seq: Sequence
    rows_in: Count
    rows_other: Count
    rows_bad: Count
    events_out: Count
    gaps: Count


@dataclass(frozen=True, slots=True)
class MarketProgress(Message):
    """A consumer has handled every market event up to this row; the feed's pace follows it."""

    consumer: Name
    feed_seq: Sequence
