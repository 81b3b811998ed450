"""The feed as far as it has been served: the credit, and the last rows, to be served again.

The reader promises never to be more than `ROWS_KEPT_MAX` rows behind (its credit window is at most
that), so a row that got lost on the way can always be had again.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import islice

from proto_schemas.market_data import FeedDepth, FeedEnd, FeedQuote, FeedTrade
from shared.kernel.check import check

ROWS_KEPT_MAX = 4_096

FeedItem = FeedTrade | FeedQuote | FeedDepth | FeedEnd


@dataclass(slots=True)
class ServedFeed:
    """`fed_seq`: last row handled, the end mark included; `credit_feed_seq`: last one allowed."""

    fed_seq: int = 0
    credit_feed_seq: int = 0
    ended: bool = False
    kept: deque[FeedItem] = field(default_factory=lambda: deque(maxlen=ROWS_KEPT_MAX))

    def add(self, item: FeedItem) -> None:
        """Take the next row, in order and within the credit; anything else is our own bug."""
        check(not self.ended, "nothing comes after the end of the feed", item.feed_seq)
        check(item.feed_seq == self.fed_seq + 1, "rows come without a hole", item.feed_seq)
        check(item.feed_seq <= self.credit_feed_seq, "rows stay within credit", item.feed_seq)
        self.fed_seq = item.feed_seq
        self.ended = isinstance(item, FeedEnd)
        self.kept.append(item)

    def raise_credit(self, credit_feed_seq: int) -> None:
        """A smaller value than before is an old message: ignored."""
        self.credit_feed_seq = max(self.credit_feed_seq, credit_feed_seq)

    def has_all_after(self, feed_seq: int) -> bool:
        """Whether every row after this one is still here."""
        return self.fed_seq - len(self.kept) <= feed_seq <= self.fed_seq

    def after(self, feed_seq: int) -> list[FeedItem]:
        """Kept rows after this one, in order."""
        first_kept_seq = self.fed_seq - len(self.kept) + 1
        return list(islice(self.kept, max(0, feed_seq + 1 - first_kept_seq), None))
