"""Feeds: files (CSV, LEAN, DBN) as one feed of good rows, or a made-up market."""

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
from shared.feeds.synthetic import SyntheticFeed
from shared.feeds.synthetic_rate import ONE, Synthetic

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
    "PassedOver",
    "QuoteRow",
    "RowReason",
    "Synthetic",
    "SyntheticFeed",
    "TradeRow",
    "open_feed",
]
