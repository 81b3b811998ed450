"""Feeds of trades and quotes: files (CSV, LEAN, DBN) as one feed of rows, or a made-up market."""

from shared.feeds.feed import Feed, open_feed
from shared.feeds.reading import BAD_ROWS_KEPT_MAX, PassedOver
from shared.feeds.rows import (
    BadRow,
    BookLevel,
    DepthRow,
    FeedCounts,
    FeedRow,
    QuoteRow,
    RowReason,
    TradeRow,
)
from shared.feeds.samples import SAMPLE_PATH
from shared.feeds.synthetic import ONE, Last, Synthetic, SyntheticFeed

__all__ = [
    "BAD_ROWS_KEPT_MAX",
    "ONE",
    "SAMPLE_PATH",
    "BadRow",
    "BookLevel",
    "DepthRow",
    "Feed",
    "FeedCounts",
    "FeedRow",
    "Last",
    "PassedOver",
    "QuoteRow",
    "RowReason",
    "Synthetic",
    "SyntheticFeed",
    "TradeRow",
    "open_feed",
]
