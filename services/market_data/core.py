"""The ingestor: takes the feed's rows once each, in order, and makes them everyone's market data.

Theory of operation. Rows are numbered without a hole. The next number is handled, a lower one is a
repeat, a higher one shows a gap: then the feed is opened again after the last row, and it comes
again from there. What was lost at the very end shows no gap, so whenever a second passes without a
row the feed is opened again too; that costs nothing if nothing was lost.

Pace. The venue may send rows up to the credit: the consumer's progress plus a window. A slow or
dead strategy thereby slows the feed instead of losing ticks. Credit only ever grows; a lost one is
repeated within a second.

While nobody may trade (the watchdog's word is HALT) a recorded feed must not run away: it waits for
the first permission of a run, and later, while a session ends, it only trickles, so that closing
orders find a market. A live feed has no credit and is not slowed.

Age. A feed is LIVE only if a row came in this life of the process and the last one is younger than
`stale_after_ns` (boot clock) - or if no row may come for want of credit, which is not its fault.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from proto_schemas.base import Message
from proto_schemas.control import Control, PeerStatus, Started, TimerFired
from proto_schemas.enums import FeedState, Mode, ServiceState
from proto_schemas.market_data import (
    Bar,
    FeedCredit,
    FeedEnd,
    FeedOpen,
    FeedStatus,
    FeedTrade,
    Mark,
    MarketProgress,
    Trade,
)
from services.market_data.bars import BarBuilder
from services.market_data.config import MarketDataConfig
from shared.kernel.clock import MS, SECOND, Now
from shared.kernel.outputs import Event, Log, Output, Publish, Send, SetTimer

VENUE = "venue"
SECOND_TIMER = "second"
STALE_TIMER = "stale"
MARK_EVERY_NS = 50 * MS  # of stream time: 20 marks a second at most
TRICKLE_TIMER = "trickle"
TRICKLE_EVERY_NS = 50 * MS
TRICKLE_ROWS = 5  # in that time, while nobody may trade
CREDIT_STEP_PARTS = 4  # tell the venue when a quarter of the window is free again


@dataclass(slots=True)
class MarketDataState:
    """Everything that changes. `quiet_since_ns` (boot): since then a row could have come."""

    feed: FeedState = FeedState.STALE
    bars: BarBuilder = field(default_factory=BarBuilder)
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
    last_mark: Mark | None = None
    rows_in: int = 0
    rows_other: int = 0
    rows_bad: int = 0
    events_out: int = 0
    gaps: int = 0
    repeats: int = 0
    foreign: int = 0


class MarketDataCore:
    """One instrument's feed."""

    def __init__(self, config: MarketDataConfig) -> None:
        self.config = config
        self._state = MarketDataState()

    def handle(self, event: Event, now: Now) -> list[Output]:
        """Take one input; see the file's docstring."""
        match event.body:
            case FeedTrade(feed_seq=feed_seq) as row:
                if not self._is_next(feed_seq):
                    return self._out_of_order(feed_seq, now)
                return self._on_row(row, now)
            case MarketProgress(_, feed_seq):
                return self._on_progress(feed_seq, now)
            case Control(mode=mode):
                return self._on_control(mode, now)
            case TimerFired(name=name):
                return self._on_timer(name, now)
            case FeedEnd(feed_seq=feed_seq) as end:
                if not self._is_next(feed_seq):
                    return self._out_of_order(feed_seq, now)
                return self._on_end(end)
            case Started():
                return self._on_started(now)
            case PeerStatus(peer="venue", up=True) if not self._ended():
                return [self._open(now)]
        return []

    def current(self, stream: str) -> list[Message]:
        """For a reader that lost the thread: the last bar and the last trade, with its number."""
        messages = (self._state.last_bar, self._state.last_trade)
        return [message for message in messages if message is not None]

    def state_word(self) -> str:
        """STARTING until a row came in this life; then the feed's state in the common words."""
        match self._state.feed:
            case FeedState.ENDED:
                return ServiceState.READY
            case FeedState.LIVE:
                return ServiceState.TRADING
            case FeedState.STALE:
                seen = self._state.row_this_life
                return ServiceState.PAUSED if seen else ServiceState.STARTING

    def state(self) -> object:
        """Counters, the running bar and the last of everything."""
        return self._state

    def restore(self, state: Any) -> None:
        """Take back what `state` once gave."""
        self._state = state

    def _ended(self) -> bool:
        return self._state.feed is FeedState.ENDED

    # --- rows -----------------------------------------------------------------------------------

    def _is_next(self, feed_seq: int) -> bool:
        """Count the row that is expected; leave everything as it is for any other."""
        state = self._state
        if feed_seq != state.last_feed_seq + 1:
            return False
        state.last_feed_seq = feed_seq
        state.reopening = False
        return True

    def _out_of_order(self, feed_seq: int, now: Now) -> list[Output]:
        """Drop a repeat; answer a gap once, for the rows behind it come again anyway."""
        state = self._state
        if feed_seq <= state.last_feed_seq:
            state.repeats += 1
            return []
        if state.reopening:
            return []
        state.reopening = True
        state.gaps += 1
        gap = Log("feed_gap", {"feed_seq": feed_seq, "last": state.last_feed_seq}, "warning")
        return [gap, self._open(now)]

    def _on_row(self, row: FeedTrade, now: Now) -> list[Output]:
        state = self._state
        state.quiet_since_ns = now.boot_ns
        state.row_this_second = state.row_this_life = True
        if row.instrument != self.config.instrument:
            state.foreign += 1
            return [Log("row_of_other_instrument", {"instrument": row.instrument}, "error")]
        trade = Trade(
            row.feed_seq, row.instrument, row.exchange_ns, now.boot_ns, row.price_ticks,
            row.quantity_lots,
        )  # fmt: skip
        state.last_trade = trade
        state.events_out += 1
        outputs: list[Output] = [Publish(trade)]
        bar = state.bars.add(trade)
        if bar is not None:
            state.last_bar = bar
            outputs.append(Publish(bar))
        if self._mark_due(trade):
            outputs.append(self._mark(trade))
        if state.feed is not FeedState.LIVE:
            outputs.append(self._become(FeedState.LIVE))
        return outputs

    def _on_end(self, end: FeedEnd) -> list[Output]:
        """The running bar stays open: nothing came that could close it."""
        state = self._state
        state.rows_in, state.rows_other, state.rows_bad = (
            end.rows_in, end.rows_other, end.rows_bad,
        )  # fmt: skip
        mark = [] if state.last_trade is None else [self._mark(state.last_trade)]
        return [*mark, self._become(FeedState.ENDED)]

    def _mark_due(self, trade: Trade) -> bool:
        last = self._state.last_mark
        return last is None or trade.exchange_ns - last.exchange_ns >= MARK_EVERY_NS

    def _mark(self, trade: Trade) -> Output:
        mark = Mark(trade.instrument, trade.exchange_ns, trade.receive_ns, trade.price_ticks)
        self._state.last_mark = mark
        return Publish(mark)

    # --- pace -----------------------------------------------------------------------------------

    def _credit_now(self) -> int:
        state = self._state
        window = state.progress_feed_seq + self.config.credit_events
        if not state.halted:
            return window
        return min(window, state.credit_feed_seq) if state.opened else 0

    def _on_control(self, mode: Mode, now: Now) -> list[Output]:
        """Full speed while trading is allowed; a trickle while it is not."""
        state = self._state
        was_halted, state.halted = state.halted, mode is Mode.HALT
        if state.halted == was_halted or self._ended():
            return []
        if state.halted:
            return [SetTimer(TRICKLE_TIMER, now.boot_ns + TRICKLE_EVERY_NS)]
        state.opened = True
        return [self._open(now)]

    def _on_trickle(self, now: Now) -> list[Output]:
        state = self._state
        if not state.halted or not state.opened or self._ended():
            return []
        window = state.progress_feed_seq + self.config.credit_events
        wanted = min(window, state.last_feed_seq + TRICKLE_ROWS)
        if state.credit_feed_seq <= state.last_feed_seq < wanted:
            state.quiet_since_ns = now.boot_ns
        state.credit_feed_seq = max(state.credit_feed_seq, wanted)
        again = SetTimer(TRICKLE_TIMER, now.boot_ns + TRICKLE_EVERY_NS)
        return [Send(VENUE, FeedCredit(state.credit_feed_seq)), again]

    def _grant(self, now: Now) -> int:
        """Raise the credit to what it may be; a feed that was held back is young again."""
        state = self._state
        if state.credit_feed_seq <= state.last_feed_seq < self._credit_now():
            state.quiet_since_ns = now.boot_ns
        state.credit_feed_seq = self._credit_now()
        return state.credit_feed_seq

    def _open(self, now: Now) -> Output:
        return Send(VENUE, FeedOpen(self._state.last_feed_seq, self._grant(now)))

    def _credit(self, now: Now) -> Output:
        return Send(VENUE, FeedCredit(self._grant(now)))

    def _on_progress(self, feed_seq: int, now: Now) -> list[Output]:
        """Never believe more progress than there were rows: the venue keeps only one window."""
        state = self._state
        handled = min(feed_seq, state.last_feed_seq)
        state.progress_feed_seq = max(state.progress_feed_seq, handled)
        step = max(1, self.config.credit_events // CREDIT_STEP_PARTS)
        if self._ended() or self._credit_now() - state.credit_feed_seq < step:
            return []
        return [self._credit(now)]

    # --- time -----------------------------------------------------------------------------------

    def _on_timer(self, name: str, now: Now) -> list[Output]:
        match name:
            case "second":
                return self._on_second(now)
            case "stale":
                return self._on_stale(now)
        return self._on_trickle(now)

    def _on_started(self, now: Now) -> list[Output]:
        """A new life knows nothing about the feed's age: STALE until a row comes."""
        state = self._state
        state.row_this_life = False
        state.quiet_since_ns = now.boot_ns
        outputs: list[Output] = [
            SetTimer(TRICKLE_TIMER, now.boot_ns + TRICKLE_EVERY_NS),
            SetTimer(SECOND_TIMER, now.boot_ns + SECOND),
            SetTimer(STALE_TIMER, now.boot_ns + self.config.stale_after_ns),
        ]
        if self._ended():
            return [*outputs, Publish(self._status())]
        return [*outputs, self._become(FeedState.STALE), self._open(now)]

    def _on_second(self, now: Now) -> list[Output]:
        state = self._state
        outputs: list[Output] = [SetTimer(SECOND_TIMER, now.boot_ns + SECOND)]
        if not self._ended() and state.row_this_second:
            outputs.append(self._credit(now))
        elif not self._ended():
            outputs += [self._open(now), *self._late_mark()]
        state.row_this_second = False
        return [*outputs, Publish(self._status())]

    def _late_mark(self) -> list[Output]:
        """A price that the 20 a second held back goes out when the market falls quiet."""
        trade, mark = self._state.last_trade, self._state.last_mark
        if trade is None or mark is None:
            return []
        as_marked = (trade.receive_ns, trade.price_ticks) == (mark.receive_ns, mark.price_ticks)
        return [] if as_marked else [self._mark(trade)]

    def _on_stale(self, now: Now) -> list[Output]:
        """Look at the age; look again when it could be too high."""
        state = self._state
        due_ns = state.quiet_since_ns + self.config.stale_after_ns
        waiting_for_rows = state.credit_feed_seq > state.last_feed_seq
        if due_ns > now.boot_ns:
            return [SetTimer(STALE_TIMER, due_ns)]
        again = SetTimer(STALE_TIMER, now.boot_ns + self.config.stale_after_ns)
        if state.feed is not FeedState.LIVE or not waiting_for_rows:
            return [again]
        return [again, Log("feed_stale", {}, "warning"), self._become(FeedState.STALE)]

    def _become(self, word: FeedState) -> Output:
        self._state.feed = word
        return Publish(self._status())

    def _status(self) -> FeedStatus:
        state = self._state
        return FeedStatus(
            instrument=self.config.instrument,
            state=state.feed,
            feed_seq=state.last_feed_seq,
            rows_in=state.rows_in,
            rows_other=state.rows_other,
            rows_bad=state.rows_bad,
            events_out=state.events_out,
            gaps=state.gaps,
        )
