"""What the strategy has not handled yet, and what becomes of quotes and depth meanwhile.

Every row that goes out is remembered until the strategy reports that it is past it. While more than
`hold_events` of them are out, a quote or depth does not go out but is held, and the next one takes
its place: only the newest matters. Trades always go out. A held one follows as soon as the strategy
has caught up, and at the latest after `hold_events` trades, so that a rush of trades hides no book.

So the strategy may get a quote behind a trade that is younger: it is still the newest quote.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from proto_schemas.market_data import Depth, Quote, Trade
from services.market_data.config import CREDIT_EVENTS_MAX
from shared.kernel.outputs import Log, Output, Publish

UNHANDLED_MAX = 2 * CREDIT_EVENTS_MAX
"""The credit ends long before."""


@dataclass(slots=True)
class Backlog:
    """One reader's. `conflated`: quotes and depths that a newer one took the place of."""

    unhandled: deque[int] = field(default_factory=lambda: deque(maxlen=UNHANDLED_MAX))
    held_quote: Quote | None = None
    held_depth: Depth | None = None
    out_since_book: int = 0
    behind: bool = False
    conflated: int = 0

    def take(self, row: Trade | Quote | Depth, hold_events: int) -> list[Output]:
        """A new row: what goes out now."""
        if isinstance(row, Trade):
            outputs = [self._out(row)]
            self.out_since_book += 1
            return outputs + (self._book() if self.out_since_book >= hold_events else [])
        self._hold(row)
        if len(self.unhandled) < hold_events:
            return self._book()
        if self.behind:
            return []
        self.behind = True
        fields: dict[str, str | int | bool | None] = {"events_out": len(self.unhandled)}
        return [Log("reader_behind", {**fields, "feed_seq": row.feed_seq}, "warning")]

    def handled(self, feed_seq: int, hold_events: int) -> list[Output]:
        """The reader is past this row: what was held for it goes out, if there is room."""
        unhandled = self.unhandled
        while unhandled and unhandled[0] <= feed_seq:
            unhandled.popleft()
        if len(unhandled) >= hold_events:
            return []
        outputs = self._book()
        # Half of it must be gone: a reader that is just too slow shall not be told of at each row.
        if self.behind and len(unhandled) <= hold_events // 2:
            self.behind = False
            outputs.append(Log("reader_caught_up", {"conflated": self.conflated}, "info"))
        return outputs

    def _hold(self, row: Quote | Depth) -> None:
        if isinstance(row, Quote):
            self.conflated += self.held_quote is not None
            self.held_quote = row
        else:
            self.conflated += self.held_depth is not None
            self.held_depth = row

    def _book(self) -> list[Output]:
        held = [row for row in (self.held_quote, self.held_depth) if row is not None]
        self.held_quote = self.held_depth = None
        self.out_since_book = 0
        return [self._out(row) for row in sorted(held, key=lambda row: row.feed_seq)]

    def _out(self, row: Trade | Quote | Depth) -> Output:
        self.unhandled.append(row.feed_seq)
        return Publish(row)
