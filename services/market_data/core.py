"""The ingestor: takes the feed's rows once each, in order, and makes them everyone's market data.

Theory of operation. Rows are numbered without a hole. The next number is handled, a lower one is a
repeat, a higher one shows a gap: then the feed is opened again after the last row, and it comes
again from there. What was lost at the very end shows no gap, so whenever a second passes without a
row the feed is opened again too; that costs nothing if nothing was lost.

Pace. The venue may send rows up to the credit: the consumer's progress plus a window. A slow or
dead strategy thereby slows the feed instead of losing ticks. Credit only ever grows; a lost one is
repeated within a second. With `when_behind = "conflate"` only what went out counts against the
window, and quotes and depth conflate to the newest while the strategy is behind (`conflation.py`).

While nobody may trade (the watchdog's word is HALT) a recorded feed must not run away: it waits for
the first permission of a run, and later, while a session ends, it only trickles, so that closing
orders find a market. A live feed has no credit and is not slowed.

Mark. It is the last trade, clamped into the last quote: a market that moves away without a trade is
seen, and a spread alone moves nothing. A crossed or locked quote is passed on and counted; it never
moves the mark, and until the next good one the trades alone do. Before a trade there is no mark.

Age. A feed is LIVE only if a row came in this life of the process and the last one is younger than
`stale_after_ns` (boot clock) - or if no row may come for want of credit, which is not its fault.
"""

from __future__ import annotations

from typing import Any

from proto_schemas.base import Message
from proto_schemas.control import Control, PeerStatus, Started, TimerFired
from proto_schemas.enums import FeedState, Mode, ServiceState
from proto_schemas.market_data import (
    Depth,
    FeedCredit,
    FeedDepth,
    FeedEnd,
    FeedOpen,
    FeedQuote,
    FeedStatus,
    FeedTrade,
    Mark,
    MarketProgress,
    Quote,
    Trade,
)
from services.market_data.config import MarketDataConfig
from services.market_data.readings import readings
from services.market_data.state import MarketDataState
from shared.kernel.clock import MS, SECOND, Now
from shared.kernel.outputs import Event, Log, Output, Publish, Send, SetTimer
from shared.kernel.readings import Readings

VENUE = "venue"
SECOND_TIMER = "second"
STALE_TIMER = "stale"
MARK_EVERY_NS = 50 * MS  # of stream time: 20 marks a second at most
TRICKLE_TIMER = "trickle"
TRICKLE_EVERY_NS = 50 * MS
TRICKLE_ROWS = 5  # in that time, while nobody may trade
CREDIT_STEP_PARTS = 4  # tell the venue when a quarter of the window is free again


class MarketDataCore:
    """One instrument's feed."""

    def __init__(self, config: MarketDataConfig) -> None:
        self.config = config
        self._state = MarketDataState()

    def handle(self, event: Event, now: Now) -> list[Output]:
        """Take one input; see the file's docstring."""
        match event.body:
            case FeedTrade() | FeedQuote() | FeedDepth() as row:
                if not self._is_next(row.feed_seq):
                    return self._out_of_order(row.feed_seq, now)
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
        """For a reader that lost the thread: the last bar, then the last of each in feed order."""
        state = self._state
        rows = (state.last_trade, state.last_quote, state.last_depth)
        in_order = sorted((row for row in rows if row is not None), key=lambda row: row.feed_seq)
        bars = (state.last_bar,) if state.last_bar is not None else ()
        return [*bars, *in_order]

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

    def readings(self, now: Now) -> Readings:
        """Numbers for whoever watches."""
        return readings(self._state, now)

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

    def _on_row(self, row: FeedTrade | FeedQuote | FeedDepth, now: Now) -> list[Output]:
        state = self._state
        state.quiet_since_ns = now.boot_ns
        state.row_this_second = state.row_this_life = True
        if row.instrument != self.config.instrument:
            state.foreign += 1
            return [Log("row_of_other_instrument", {"instrument": row.instrument}, "error")]
        state.events_out += 1
        outputs = self._publish(row, now.boot_ns)
        if state.feed is not FeedState.LIVE:
            outputs.append(self._become(FeedState.LIVE))
        if self.config.conflates:
            outputs += self._credit_if_due(now)
        return outputs

    def _publish(self, row: FeedTrade | FeedQuote | FeedDepth, receive_ns: int) -> list[Output]:
        head = row.feed_seq, row.instrument, row.exchange_ns, receive_ns
        match row:
            case FeedTrade(price_ticks=price_ticks, quantity_lots=quantity_lots):
                return self._on_trade(Trade(*head, price_ticks, quantity_lots))
            case FeedQuote(bid=bid, ask=ask):
                return self._on_quote(Quote(*head, bid, ask))
        self._state.last_depth = depth = Depth(*head, row.bids, row.asks)
        return self._pass_on(depth)

    def _pass_on(self, row: Trade | Quote | Depth) -> list[Output]:
        """To the strategy: at once, or as it can take it."""
        if not self.config.conflates:
            return [Publish(row)]
        return self._state.backlog.take(row, self.config.hold_events)

    def _on_trade(self, trade: Trade) -> list[Output]:
        state = self._state
        state.last_trade = trade
        outputs = self._pass_on(trade)
        if (bar := state.bars.add(trade)) is not None:
            state.last_bar = bar
            outputs.append(Publish(bar))
        return outputs + self._mark_if_due(trade)

    def _on_quote(self, quote: Quote) -> list[Output]:
        state = self._state
        state.last_quote = quote
        if quote.bid and quote.ask and quote.bid.price_ticks >= quote.ask.price_ticks:
            state.crossed_quotes += 1
            state.good_quote = None
            return self._pass_on(quote)
        state.good_quote = quote
        return self._pass_on(quote) + self._mark_if_due(quote)

    def _on_end(self, end: FeedEnd) -> list[Output]:
        """The running bar stays open: nothing came that could close it."""
        state = self._state
        state.rows_in, state.rows_other, state.rows_bad = (
            end.rows_in, end.rows_other, end.rows_bad,
        )  # fmt: skip
        return [*self._newest_mark(), self._become(FeedState.ENDED)]

    def _mark_if_due(self, row: Trade | Quote) -> list[Output]:
        """The last trade clamped into the last good quote, at most 20 times a second.

        Most rows come sooner: then only what the mark would be is noted.
        """
        state = self._state
        last = state.last_mark
        if state.last_trade is None:
            return []
        state.held_row = row
        state.held_price_ticks = _clamped(state.last_trade.price_ticks, state.good_quote)
        if last is not None and row.exchange_ns - last.exchange_ns < MARK_EVERY_NS:
            return []
        return self._newest_mark()

    def _newest_mark(self) -> list[Output]:
        """What moved the mark and is not said yet: out when due, or when the market is quiet."""
        state, row = self._state, self._state.held_row
        if row is None:
            return []
        state.held_row = None
        state.last_mark = mark = Mark(
            row.instrument, row.exchange_ns, row.receive_ns, state.held_price_ticks
        )
        return [Publish(mark)]

    # --- pace -----------------------------------------------------------------------------------

    def _window(self) -> int:
        """The last row for which there is room."""
        state, credit_events = self._state, self.config.credit_events
        if not self.config.conflates:
            return state.progress_feed_seq + credit_events
        return state.last_feed_seq + max(0, credit_events - len(state.backlog.unhandled))

    def _credit_now(self) -> int:
        state, window = self._state, self._window()
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
        wanted = min(self._window(), state.last_feed_seq + TRICKLE_ROWS)
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
        state.credit_feed_seq = max(state.credit_feed_seq, self._credit_now())
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
        if not self.config.conflates:
            return self._credit_if_due(now)
        caught_up = state.backlog.handled(state.progress_feed_seq, self.config.hold_events)
        return [*caught_up, *self._credit_if_due(now)]

    def _credit_if_due(self, now: Now) -> list[Output]:
        step = max(1, self.config.credit_events // CREDIT_STEP_PARTS)
        if self._ended() or self._credit_now() - self._state.credit_feed_seq < step:
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
            outputs += [self._open(now), *self._newest_mark()]
        state.row_this_second = False
        return [*outputs, Publish(self._status())]

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


def _clamped(price_ticks: int, quote: Quote | None) -> int:
    """An empty side sets no bound."""
    if quote is None:
        return price_ticks
    bid, ask = quote.bid, quote.ask
    if bid is not None and price_ticks < bid.price_ticks:
        price_ticks = bid.price_ticks
    return ask.price_ticks if ask is not None and price_ticks > ask.price_ticks else price_ticks
