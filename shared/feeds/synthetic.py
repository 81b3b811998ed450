"""A made-up market, without an end unless one is asked for: what `bulkhead up` trades on.

Theory of operation. Every row follows from the seed, the row's number, the row before it and the
last quote, and from nothing else. So the feed can be taken up again behind any row, in no time, and
the same seed is the same market. Chance is arithmetic, not a generator with a state; there are no
floats in a row's making, so every machine makes the same rows.

It is shaped like ES: quotes one tick wide, trades at the touch, five levels of depth now and then;
busy at the open and the close of New York, quiet over night, bursts of some seconds at twelve times
the rate, now and then some seconds without a row, nothing while the exchange is closed, and a jump
of the price when it opens again. `docs/synthetic-market.md` has the figures. Its time is called
SIMULATED; it is no forecast, and no strategy is good because it wins here.

At each moment one thing happens: a taker trades, or the book changes by itself. A trade is followed
at once by the quote that it leaves; after some quotes comes the depth of that moment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from shared.feeds import synthetic_book
from shared.feeds.chance import PARTS, Chance, chance, draw
from shared.feeds.reading import PassedOver
from shared.feeds.rows import BookLevel, DepthRow, FeedCounts, FeedRow, QuoteRow, TradeRow
from shared.feeds.synthetic_book import Book
from shared.feeds.synthetic_rate import JUMP, ROW, Minute, Synthetic, minute_at, wait_ns
from shared.markets import Contract, next_open_ns

FIRST_PRICE_TICKS = 24_000
JUMP_TICKS_MAX = 24
# Of 1024 moments after a quote so many are: the depth of this moment; a trade; else the book moves.
DEPTH_PARTS = 80
TRADE_PARTS = 307
MOVE_PARTS = 120
"""Of 1024 changes of the book so many move the price."""
WIDE_WAIT_PART = 2
"""A wide spread lasts this part of the usual wait."""


class Place(NamedTuple):
    """Where the market stands: the last row, and the book that it left."""

    last: FeedRow | None
    at_ns: int
    book: Book

    @property
    def row_number(self) -> int:
        """0 before the first row."""
        return self.last.row_number if self.last is not None else 0


class SyntheticFeed(Iterator[FeedRow]):
    """Rows without an end; stands where a `Feed` of files stands."""

    def __init__(self, contract: Contract, market: Synthetic) -> None:
        self.contract = contract
        self.counts = FeedCounts()
        self.passed_over: tuple[PassedOver, ...] = ()
        self._market = market
        start_ns = next_open_ns(market.start_ns)
        self._place = Place(None, start_ns, _first_book(market, FIRST_PRICE_TICKS, start_ns))

    def __iter__(self) -> Iterator[FeedRow]:
        return self

    def __next__(self) -> FeedRow:
        if self._place.row_number == self._market.rows_max:
            raise StopIteration
        row = self._next()
        self._place = _stepped(self._place, row)
        self.counts.rows_in += 1
        self.counts.rows_good += 1
        return row

    def resume_after(self, rows: Iterable[FeedRow]) -> None:
        """Go on behind the last of these; some hundred rows are enough, one quote must be there."""
        place = self._place
        for row in rows:
            if isinstance(row, TradeRow) and place.last is None:
                book = _first_book(self._market, row.price_ticks, row.exchange_ns)
                place = place._replace(book=book)
            place = _stepped(place, row)
        self._place = place
        self.counts = FeedCounts(place.row_number, place.row_number)

    def close(self) -> None:
        """Nothing is open."""

    # --- the next row ---------------------------------------------------------------------------

    def _next(self) -> FeedRow:
        place, number = self._place, self._place.row_number + 1
        share = chance(self._market.seed, number, ROW)
        minute = minute_at(self._market, place.at_ns)
        typical = synthetic_book.typical_lots(minute.trades)
        match place.last:
            case None:
                return _quote(number, place.at_ns, place.book)
            case TradeRow(price_ticks=ticks, quantity_lots=lots):
                buys = ticks >= place.book.ask_ticks
                left = synthetic_book.after_trade(place.book, buys, lots or 0, typical, share)
                return _quote(number, place.at_ns, left)
            case QuoteRow() if share.kind < DEPTH_PARTS and place.book.spread_ticks == 1:
                market = self._market
                bids, asks = synthetic_book.levels(place.book, market.seed, number, typical)
                return DepthRow(number, place.at_ns, bids, asks)
        return self._moment(number, minute, typical, share)

    def _moment(self, number: int, minute: Minute, typical: int, share: Chance) -> FeedRow:
        """Time passes, then something happens."""
        book, now_ns = self._place.book, self._place.at_ns
        wide = book.spread_ticks > 1
        wait = wait_ns(self._market, now_ns, number, share)
        wanted_ns = now_ns + (wait // WIDE_WAIT_PART if wide else wait)
        if not minute_at(self._market, wanted_ns).is_open:
            ticks = draw(self._market.seed, number, JUMP) % (2 * JUMP_TICKS_MAX + 1)
            opened = synthetic_book.shifted(book, ticks - JUMP_TICKS_MAX, typical, share)
            return _quote(number, next_open_ns(wanted_ns), opened)
        up = synthetic_book.rises(book, share.side, minute.drift)
        if wide:
            return _quote(number, wanted_ns, synthetic_book.closed(book, up, typical, share))
        if DEPTH_PARTS <= share.kind < DEPTH_PARTS + TRADE_PARTS:
            lots = synthetic_book.trade_lots(book, up, share.size)
            return TradeRow(number, wanted_ns, book.ask_ticks if up else book.bid_ticks, lots)
        if share.move < MOVE_PARTS:
            return _quote(number, wanted_ns, synthetic_book.moved(book, up, typical, share))
        bid_side = share.other * 2 < PARTS
        return _quote(number, wanted_ns, synthetic_book.resized(book, bid_side, typical, share))


def _first_book(market: Synthetic, bid_ticks: int, at_ns: int) -> Book:
    typical = synthetic_book.typical_lots(minute_at(market, at_ns).trades)
    return synthetic_book.new_book(bid_ticks, typical, chance(market.seed, 0, ROW))


def _stepped(place: Place, row: FeedRow) -> Place:
    if not isinstance(row, QuoteRow) or row.bid is None or row.ask is None:
        return Place(row, row.exchange_ns, place.book)
    book = Book(
        row.bid.price_ticks, row.bid.quantity_lots, row.ask.price_ticks, row.ask.quantity_lots
    )
    return Place(row, row.exchange_ns, book)


def _quote(number: int, at_ns: int, book: Book) -> QuoteRow:
    bid = BookLevel(book.bid_ticks, book.bid_lots)
    return QuoteRow(number, at_ns, bid, BookLevel(book.ask_ticks, book.ask_lots))
