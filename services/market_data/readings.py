"""What the ingestor shows of itself: rows, gaps, the feed's age, and whether a row is awaited."""

from __future__ import annotations

from typing import Protocol

from proto_schemas.enums import FeedState
from shared.kernel.clock import Now
from shared.kernel.readings import Readings
from shared.markets import is_open


class FeedNumbers(Protocol):
    """What is read of the core's state. `quiet_since_ns`: since then a row could have come."""

    feed: FeedState
    last_feed_seq: int
    credit_feed_seq: int
    quiet_since_ns: int
    events_out: int
    gaps: int
    repeats: int
    foreign: int
    crossed_quotes: int


def readings(state: FeedNumbers, now: Now) -> Readings:
    """Counts of the run, and the state of the feed now."""
    may_send_rows = max(0, state.credit_feed_seq - state.last_feed_seq)
    return {
        ("bulkhead_feed_rows",): state.events_out,
        ("bulkhead_feed_gaps",): state.gaps,
        ("bulkhead_feed_repeats",): state.repeats,
        ("bulkhead_feed_foreign_rows",): state.foreign,
        ("bulkhead_feed_crossed_quotes",): state.crossed_quotes,
        ("bulkhead_feed_age_seconds",): max(0, now.boot_ns - state.quiet_since_ns),
        ("bulkhead_feed_stale",): int(state.feed is FeedState.STALE),
        ("bulkhead_feed_credit_rows",): may_send_rows,
        ("bulkhead_feed_awaited",): int(awaited(state, now)),
    }


def awaited(state: FeedNumbers, now: Now) -> bool:
    """Whether a row should come: the feed may send, has not ended, and the market is open.

    Stream time stands still while no row comes, so the market's clock is taken to have gone on
    with the machine's since the last one. Holidays and early closes are not known.
    """
    may_send = state.credit_feed_seq > state.last_feed_seq
    if state.feed is FeedState.ENDED or not may_send:
        return False
    quiet_ns = max(0, now.boot_ns - state.quiet_since_ns)
    return now.stream_ns == 0 or is_open(now.stream_ns + quiet_ns)
