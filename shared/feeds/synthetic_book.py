"""The made-up market's top of book and what can happen to it: pure steps from book to book.

The side that shows more lots is the likelier to win the next tick, as in real books. The spread is
one tick but for the moments in which one side has moved and the other has not followed yet.
"""

from __future__ import annotations

from typing import NamedTuple

from shared.feeds.chance import PARTS, Chance, draw
from shared.feeds.rows import BookLevel
from shared.feeds.synthetic_rate import LEVELS

DEPTH_LEVELS = 5
WIDE_PARTS = 400
"""Of 1024 moves so many open the spread first."""
LEAN_PARTS = 128
DRIFT_PARTS = 18
_TRADE_LOTS = (1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 3, 4, 5, 8, 12, 40)


class Book(NamedTuple):
    """Best bid and ask."""

    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int

    @property
    def spread_ticks(self) -> int:
        """1 most of the time."""
        return self.ask_ticks - self.bid_ticks


def new_book(bid_ticks: int, typical_lots: int, share: Chance) -> Book:
    """A book one tick wide."""
    return Book(
        bid_ticks, _fresh(typical_lots, share.size), bid_ticks + 1, _fresh(typical_lots, share.side)
    )


def typical_lots(trades_a_minute: int) -> int:
    """A busy market shows more."""
    return 8 + trades_a_minute // 8


def rises(book: Book, share: int, drift: int) -> bool:
    """Whether buyers win this moment."""
    lean = (book.bid_lots - book.ask_lots) * LEAN_PARTS // (book.bid_lots + book.ask_lots)
    return share < PARTS // 2 + lean + drift * DRIFT_PARTS


def trade_lots(book: Book, buys: bool, share: int) -> int:
    """A taker gets at most what the touch shows."""
    wanted = _TRADE_LOTS[share * len(_TRADE_LOTS) // PARTS]
    return min(wanted, book.ask_lots if buys else book.bid_lots)


def after_trade(book: Book, buys: bool, lots: int, typical: int, share: Chance) -> Book:
    """What a trade leaves; a level that is gone is a move."""
    left = (book.ask_lots if buys else book.bid_lots) - lots
    if left <= 0:
        return moved(book, buys, typical, share)
    return book._replace(ask_lots=left) if buys else book._replace(bid_lots=left)


def moved(book: Book, up: bool, typical: int, share: Chance) -> Book:
    """One side gives way by a tick; the other follows at once or leaves the spread open."""
    shown, new = _fresh(typical, share.size), 1 + _fresh(typical, share.side) // 4
    wide = share.other < WIDE_PARTS
    if up:
        gone = book._replace(ask_ticks=book.ask_ticks + 1, ask_lots=shown)
        return gone if wide else gone._replace(bid_ticks=book.bid_ticks + 1, bid_lots=new)
    gone = book._replace(bid_ticks=book.bid_ticks - 1, bid_lots=shown)
    return gone if wide else gone._replace(ask_ticks=book.ask_ticks - 1, ask_lots=new)


def closed(book: Book, up: bool, typical: int, share: Chance) -> Book:
    """The spread is one tick again: one side comes in, with few lots at first."""
    new = 1 + _fresh(typical, share.size) // 4
    if up:
        return book._replace(bid_ticks=book.ask_ticks - 1, bid_lots=new)
    return book._replace(ask_ticks=book.bid_ticks + 1, ask_lots=new)


def resized(book: Book, bid_side: bool, typical: int, share: Chance) -> Book:
    """Orders come and go at one side; what it shows is drawn back to the usual."""
    before = book.bid_lots if bid_side else book.ask_lots
    after = (3 * before + _fresh(typical, share.size)) // 4
    after += after == before
    return book._replace(bid_lots=after) if bid_side else book._replace(ask_lots=after)


def shifted(book: Book, ticks: int, typical: int, share: Chance) -> Book:
    """The exchange opens elsewhere, with a thin book."""
    thin = 1 + typical // 4
    return new_book(book.bid_ticks + ticks, thin, share)


def levels(book: Book, seed: int, number: int, typical: int) -> tuple[tuple[BookLevel, ...], ...]:
    """Bids and asks, best first: the touch as it stands, behind it more, each of its own chance."""
    bits = draw(seed, number, LEVELS)
    bids, asks = (
        [BookLevel(book.bid_ticks, book.bid_lots)],
        [BookLevel(book.ask_ticks, book.ask_lots)],
    )
    for away in range(1, DEPTH_LEVELS):
        usual = typical * (4 + away) // 3
        bids.append(BookLevel(book.bid_ticks - away, _fresh(usual, bits & PARTS - 1)))
        asks.append(BookLevel(book.ask_ticks + away, _fresh(usual, bits >> 32 & PARTS - 1)))
        bits >>= 7
    return tuple(bids), tuple(asks)


def _fresh(typical: int, share: int) -> int:
    """A quarter of the typical size to more than twice."""
    return 1 + typical * (share + PARTS // 8) // (PARTS // 2)
