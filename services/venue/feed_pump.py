"""The pump: reads the feed and hands its rows to the core, paced by credit and by speed.

Theory of operation. The host asks `next_input`; the pump answers with the next row if the core's
credit covers it and its time has come. Rows that may go together go as one burst, up to
`burst_rows` of them; 1 means that each comes alone. The pump keeps no count of its own:
`window.fed_seq` is the truth, rebuilt from the journal, so after a restart the pump reads past that
many rows and goes on. A made-up feed needs only the last rows for that, which the core keeps.

Pace: a row is due as long after the base row as it was in the market, divided by the speed. The
base is set at the first row of a life, and anew whenever a row is late by more than `LATE_MAX_NS`
(credit was short, the machine slept): time that was lost stays lost, nothing bursts to catch up.

A damaged file raises `OperatorFault` out of `next_input`, which ends the process with that error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from proto_schemas.base import Message
from proto_schemas.market_data import (
    BURST_ROWS_MAX,
    FeedDepth,
    FeedEnd,
    FeedQuote,
    FeedTrade,
    Level,
)
from shared.feeds import (
    BadRow,
    BookLevel,
    DepthRow,
    Feed,
    FeedRow,
    QuoteRow,
    SyntheticFeed,
    TradeRow,
)
from shared.kernel.check import check
from shared.kernel.clock import MS, Now
from shared.kernel.errors import OperatorFault
from shared.markets import Contract
from shared.runtime.bursts import feed_burst

AS_FAST_AS_CREDIT = 0
LATE_MAX_NS = 250 * MS
SKIP_BATCH_ROWS = 10_000  # of a resume, per turn of the loop: the dead-man timer must not fire
QUANTITY_LOTS_MAX = 10_000_000  # bounds of the contract
EXCHANGE_NS_MAX = 2**62


class Window(Protocol):
    """What the pump reads of the core."""

    @property
    def fed_seq(self) -> int:
        """Rows handled so far."""

    @property
    def credit_feed_seq(self) -> int:
        """The last row that may be handed over."""

    @property
    def ended(self) -> bool:
        """The end mark was handled."""

    @property
    def kept(self) -> Iterable[FeedTrade | FeedQuote | FeedDepth | FeedEnd]:
        """The last rows handled, oldest first."""


OnBadRow = Callable[[BadRow], None]
OpenRows = Callable[[OnBadRow], Feed | SyntheticFeed]


class FeedPump:
    """The host's `Source` of feed rows."""

    def __init__(
        self,
        open_rows: OpenRows,
        contract: Contract,
        window: Window,
        speed_milli: int,
        on_bad_row: OnBadRow,
        burst_rows: int = BURST_ROWS_MAX,
    ) -> None:
        self.feed = open_rows(self._note_bad)
        self._instrument = contract.code
        self._window = window
        self._speed_milli = speed_milli
        self._on_bad_row = on_bad_row
        self._burst_rows = burst_rows
        self._to_skip: int | None = None
        self._row: FeedRow | None = None
        self._exhausted = False
        self._base: tuple[int, int] | None = None
        self._last_exchange_ns = 0

    def next_input(self, now: Now) -> tuple[Message, int] | None:
        """What may go now, with its stream time: a row, several, or the end mark; else None."""
        if self._resuming() or not self._may_feed():
            return None
        rows = self._take_due(now.boot_ns)
        if not rows:
            at_end = self._row is None and self._exhausted
            return (self._end(), self._last_exchange_ns) if at_end else None
        messages = [message_of(row, self._instrument) for row in rows]
        self._last_exchange_ns = rows[-1].exchange_ns
        return (
            messages[0] if len(messages) == 1 else feed_burst(messages),
            self._last_exchange_ns,
        )

    def _take_due(self, boot_ns: int) -> list[FeedRow]:
        """The next rows that credit and pace allow, as many as may go together."""
        fed_seq, rows = self._window.fed_seq, list[FeedRow]()
        room = min(self._burst_rows, self._window.credit_feed_seq - fed_seq)
        while len(rows) < room and (row := self._peek()) and self._is_due(row, boot_ns):
            stands_there = row.row_number == fed_seq + 1 + len(rows)
            check(stands_there, "the pump stands where the core is", row)
            rows.append(row)
            self._row = None
        return rows

    def next_due_ns(self, now: Now) -> int | None:
        """When to ask again; None while only credit can help."""
        if self._to_skip != 0 and not self._window.ended:
            return now.boot_ns
        if not self._may_feed():
            return None
        return now.boot_ns if self._row is None else self._due_ns(self._row, now.boot_ns)

    def close(self) -> None:
        """The process ends: let go of the file."""
        self.feed.close()

    # --- where we are ---------------------------------------------------------------------------

    def _may_feed(self) -> bool:
        return not self._window.ended and self._window.fed_seq < self._window.credit_feed_seq

    def _resuming(self) -> bool:
        """Read past what earlier lives have fed, a batch a turn. True while there is more."""
        if self._window.ended:
            return False
        if self._to_skip is None:
            self._to_skip = self._window.fed_seq
        if isinstance(self.feed, SyntheticFeed):
            return self._resume_made_up(self.feed)
        batch = min(self._to_skip, SKIP_BATCH_ROWS)
        self.feed.skip(batch)
        self._to_skip -= batch
        return self._to_skip > 0

    def _resume_made_up(self, feed: SyntheticFeed) -> bool:
        if self._to_skip:
            kept = self._window.kept
            feed.resume_after(_row(item) for item in kept if not isinstance(item, FeedEnd))
        self._to_skip = 0
        return False

    def _peek(self) -> FeedRow | None:
        if self._row is None and not self._exhausted:
            self._row = next(self.feed, None)
            self._exhausted = self._row is None
        return self._row

    def _end(self) -> FeedEnd:
        counts = self.feed.counts
        return FeedEnd(
            feed_seq=self._window.fed_seq + 1,
            instrument=self._instrument,
            rows_in=counts.rows_in,
            rows_other=counts.rows_other,
            rows_bad=counts.rows_bad,
        )

    def _note_bad(self, row: BadRow) -> None:
        """Tell of a bad row once: those read past in a resume were told in an earlier life."""
        if self._to_skip == 0:
            self._on_bad_row(row)

    # --- pace -----------------------------------------------------------------------------------

    def _is_due(self, row: FeedRow, boot_ns: int) -> bool:
        if self._speed_milli == AS_FAST_AS_CREDIT:
            return True
        due_ns = self._due_ns(row, boot_ns)
        if self._base is None or boot_ns - due_ns > LATE_MAX_NS:
            self._base = boot_ns, row.exchange_ns
        return due_ns <= boot_ns

    def _due_ns(self, row: FeedRow, boot_ns: int) -> int:
        if self._base is None or self._speed_milli == AS_FAST_AS_CREDIT:
            return boot_ns
        base_boot_ns, base_exchange_ns = self._base
        return base_boot_ns + (row.exchange_ns - base_exchange_ns) * 1_000 // self._speed_milli


def message_of(row: FeedRow, instrument: str) -> FeedTrade | FeedQuote | FeedDepth:
    """A row outside the contract's bounds would be journaled and then be unreadable: refuse it."""
    _check_bounds(row)
    number, exchange_ns = row.row_number, row.exchange_ns
    if isinstance(row, TradeRow):
        return FeedTrade(number, instrument, exchange_ns, row.price_ticks, row.quantity_lots)
    if isinstance(row, QuoteRow):
        return FeedQuote(number, instrument, exchange_ns, _level(row.bid), _level(row.ask))
    bids = tuple(Level(*level) for level in row.bids)
    return FeedDepth(number, instrument, exchange_ns, bids, tuple(Level(*x) for x in row.asks))


def _level(level: BookLevel | None) -> Level | None:
    return None if level is None else Level(*level)


def _row(item: FeedTrade | FeedQuote | FeedDepth) -> FeedRow:
    """The row that once became this message."""
    match item:
        case FeedTrade(number, _, exchange_ns, price_ticks, quantity_lots):
            return TradeRow(number, exchange_ns, price_ticks, quantity_lots)
        case FeedQuote(number, _, exchange_ns, bid, ask):
            return QuoteRow(number, exchange_ns, _book_level(bid), _book_level(ask))
    bids, asks = (
        [BookLevel(x.price_ticks, x.quantity_lots) for x in y] for y in (item.bids, item.asks)
    )
    return DepthRow(item.feed_seq, item.exchange_ns, tuple(bids), tuple(asks))


def _book_level(level: Level | None) -> BookLevel | None:
    return None if level is None else BookLevel(level.price_ticks, level.quantity_lots)


def _check_bounds(row: FeedRow) -> None:
    quantity = _largest_lots(row)
    if quantity > QUANTITY_LOTS_MAX or row.exchange_ns > EXCHANGE_NS_MAX:
        raise OperatorFault(
            "FEED_ROW_OUT_OF_BOUNDS",
            field=f"row {row.row_number} of the feed",
            value=f"quantity {quantity}, exchange time {row.exchange_ns}",
            fix=f"At most {QUANTITY_LOTS_MAX} lots and the year 2116; mend the file.",
        )


def _largest_lots(row: FeedRow) -> int:
    if isinstance(row, TradeRow):
        return row.quantity_lots or 0
    sides = (row.bid, row.ask) if isinstance(row, QuoteRow) else (*row.bids, *row.asks)
    return max((level.quantity_lots for level in sides if level is not None), default=0)
