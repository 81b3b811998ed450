"""Readers of market data files: CSV trades and LEAN trade ticks, as one feed of good rows."""

from shared.feeds.feed import BAD_ROWS_KEPT_MAX, Feed, PassedOver, open_feed
from shared.feeds.rows import BadRow, FeedCounts, FeedRow, RowReason
from shared.feeds.samples import SAMPLE_PATH

__all__ = [
    "BAD_ROWS_KEPT_MAX",
    "SAMPLE_PATH",
    "BadRow",
    "Feed",
    "FeedCounts",
    "FeedRow",
    "PassedOver",
    "RowReason",
    "open_feed",
]
