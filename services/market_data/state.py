"""What the ingestor must not forget."""

from __future__ import annotations

from dataclasses import dataclass, field

from proto_schemas.enums import FeedState
from proto_schemas.market_data import Bar, Depth, Mark, Quote, Trade
from services.market_data.bars import BarBuilder
from services.market_data.conflation import Backlog


@dataclass(slots=True)
class MarketDataState:
    """Everything that changes. `quiet_since_ns` (boot): since then a row could have come.

    `held_row` has moved the mark to `held_price_ticks` since `last_mark`, and no mark says so yet.
    """

    feed: FeedState = FeedState.STALE
    bars: BarBuilder = field(default_factory=BarBuilder)
    backlog: Backlog = field(default_factory=Backlog)
    last_feed_seq: int = 0
    progress_feed_seq: int = 0
    credit_feed_seq: int = 0
    reopening: bool = False
    opened: bool = False
    halted: bool = True
    row_this_life: bool = False
    row_this_second: bool = False
    quiet_since_ns: int = 0
    last_trade: Trade | None = None
    last_bar: Bar | None = None
    last_quote: Quote | None = None
    last_depth: Depth | None = None
    good_quote: Quote | None = None
    last_mark: Mark | None = None
    held_row: Trade | Quote | None = None
    held_price_ticks: int = 0
    crossed_quotes: int = 0
    rows_in: int = 0
    rows_other: int = 0
    rows_bad: int = 0
    events_out: int = 0
    gaps: int = 0
    repeats: int = 0
    foreign: int = 0
