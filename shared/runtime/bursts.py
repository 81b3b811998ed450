"""Bursts of market rows: taken apart before the core, put together behind it. Pure.

Theory of operation. A core knows single rows only. The engine hands it the rows of a burst one
after the other, each at its own market time, so what a row leads to cannot depend on its company.
What the core passes on of them is gathered on the way out: rows that follow each other on one
stream leave as one burst, a single one as itself. Whatever else goes out on that stream (a bar)
ends the burst before it, so its readers get everything in the order of single rows. Messages of
other streams do not wait: a mark or a fill may leave before the burst that its row is in.

All of a burst was received at one moment, so its rows share the boot clock of the input.
"""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from proto_schemas.base import Envelope, Message
from proto_schemas.market_data import (
    BURST_ROWS_MAX,
    Depth,
    FeedBurst,
    FeedDepth,
    FeedQuote,
    FeedTrade,
    MarketBurst,
    Quote,
    Trade,
)
from proto_schemas.registry import BY_MODEL, TABLE
from shared.kernel.clock import Now
from shared.kernel.outputs import Core, Event, Output, Publish, Push

FeedRow = FeedTrade | FeedQuote | FeedDepth
MarketRow = Trade | Quote | Depth
Row = FeedRow | MarketRow
Emit = Callable[[Output, Envelope, Now], None]

BURSTS: tuple[type[Message], ...] = (FeedBurst, MarketBurst)
ROW_KINDS = frozenset((FeedTrade, FeedQuote, FeedDepth, Trade, Quote, Depth))
"""What leaves as part of a burst, if it has company."""
FEED, MARKET = BY_MODEL[FeedTrade], BY_MODEL[Trade]
ENDS_A_BURST = frozenset(
    row.model
    for row in TABLE
    if row.stream == MARKET.stream
    or (row.delivery == FEED.delivery and row.consumers == FEED.consumers)
)
"""Whatever shares a stream with rows: nothing on it may overtake them."""
_feed_seq = attrgetter("feed_seq")


def rows_of(burst: FeedBurst | MarketBurst) -> list[Row]:
    """Every row of it, in feed order."""
    rows: list[Row] = [*burst.trades, *burst.quotes, *burst.depths]
    rows.sort(key=_feed_seq)
    return rows


def market_rows(body: Message) -> list[Row]:
    """The rows that a message brings: those of a burst, itself if it is one, none otherwise."""
    if isinstance(body, FeedBurst | MarketBurst):
        return rows_of(body)
    return [body] if isinstance(body, Row) else []


def row_count(body: Message) -> int:
    """How much work a message is: rows of a burst, else 1."""
    if isinstance(body, FeedBurst | MarketBurst):
        return len(body.trades) + len(body.quotes) + len(body.depths)
    return 1


def feed_burst(rows: list[FeedRow]) -> FeedBurst:
    """These rows as one message."""
    return FeedBurst(*_by_kind(rows, FeedTrade, FeedQuote, FeedDepth))


def market_burst(rows: list[MarketRow]) -> MarketBurst:
    """These events of one instrument as one message."""
    return MarketBurst(rows[0].instrument, *_by_kind(rows, Trade, Quote, Depth))


def _by_kind(rows: list[Any], *kinds: type[Message]) -> tuple[tuple[Any, ...], ...]:
    return tuple(tuple(row for row in rows if type(row) is kind) for kind in kinds)


def play(core: Core, event: Event, clock_ns: int, now: Now, emit: Emit) -> int:
    """Hand the core each row of a burst at its own market time, and emit what it leads to.

    `clock_ns`: the market time before it, for time never goes back; returned is that behind it.
    """
    envelope, boot_ns, latest_ns = event.envelope, now.boot_ns, now.stream_ns
    gathered, handle = Gathered(envelope, emit), core.handle
    moment = Now(clock_ns, boot_ns)
    for row in rows_of(event.body):  # type: ignore[arg-type]
        if clock_ns < row.exchange_ns:
            clock_ns = min(row.exchange_ns, latest_ns)
            moment = Now(clock_ns, boot_ns)
        for output in handle(Event(envelope, row), moment):
            gathered.take(output, moment)
    gathered.let_go()
    return clock_ns


class Gathered:
    """Rows on their way out that wait for the next one on their stream."""

    def __init__(self, cause: Envelope, emit: Emit) -> None:
        self._cause, self._emit = cause, emit
        self._outputs: list[Any] = []
        self._to = ""
        self._now = Now(0, 0)

    def take(self, output: Output, now: Now) -> None:
        """The next output: kept if it may be part of a burst, else emitted in its place."""
        body: Any = getattr(output, "message", None)
        kind = type(body)
        if kind in ROW_KINDS:
            to = output.to if type(output) is Push else body.instrument
            if to != self._to or len(self._outputs) == BURST_ROWS_MAX:
                self.let_go()
                self._to = to
            self._outputs.append(output)
            self._now = now
            return
        if kind in ENDS_A_BURST:
            self.let_go()
        self._emit(output, self._cause, now)

    def let_go(self) -> None:
        """Emit what waits, at the market time of its last row."""
        waiting, self._outputs = self._outputs, []
        if waiting:
            self._emit(_together(waiting), self._cause, self._now)


def _together(waiting: list[Any]) -> Output:
    if len(waiting) == 1:
        only: Output = waiting[0]
        return only
    rows = [output.message for output in waiting]
    if type(waiting[0]) is Push:
        return Push(waiting[0].to, feed_burst(rows))
    return Publish(market_burst(rows))
