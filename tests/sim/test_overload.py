"""Twice and ten times more market than the strategy can take: real cores, a reader of fixed speed.

The made-up market feeds the ingestor; what it publishes waits in a queue; the strategy takes one
event a millisecond. Its progress travels back, its intents go to the risk engine at once. Time is
counted, not slept, so a run takes a second and is always the same.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import islice

import pytest

from proto_schemas.base import Message
from proto_schemas.control import Control, Replace, Sighted
from proto_schemas.enums import FeedState, Mode, SessionPhase
from proto_schemas.market_data import (
    FeedDepth,
    FeedQuote,
    FeedStatus,
    FeedTrade,
    Mark,
    MarketProgress,
    Quote,
)
from proto_schemas.signals import Decision, Intent
from services.market_data.config import MarketDataConfig
from services.market_data.core import MarketDataCore
from services.risk_engine.config import RiskConfig
from services.risk_engine.core import RiskCore
from services.risk_engine.limits import tighten
from services.strategy_engine.api import Context, Side, Strategy
from services.strategy_engine.api import Trade as SeenTrade
from services.strategy_engine.config import StrategyEngineConfig, Tunables
from services.strategy_engine.core import StrategyEngineCore
from services.venue.feed_pump import message_of
from shared.feeds import FeedRow, Synthetic, SyntheticFeed
from shared.kernel.clock import MS, SECOND, Now
from shared.kernel.outputs import Output, Publish, Reply, Request, Send
from shared.markets import parse_contract
from tests.support import event, started

ES = "ESM30"
MORNING_NS = 1_898_865_000 * SECOND
TAKES_NS = MS  # what the strategy needs for one event: a capacity of 1,000 a second
CREDIT = 256
BEHIND_NS = 50 * MS
LAG_MAX_NS = 100 * MS
RUSH_ROWS = 12_000
CALM_ROWS = 2_000
BOOT_NS = 1_000 * SECOND


class Busy(Strategy):
    """Notes what it saw and wants a lot now and then."""

    name = "busy"

    def __init__(self) -> None:
        self.trades: list[int] = []
        self.quotes: list[int] = []
        self.behind: list[bool] = []
        self.lags_ns: list[int] = []

    def on_trade(self, ctx: Context, trade: SeenTrade) -> None:
        self.trades.append(trade.feed_seq)
        self.behind.append(ctx.is_behind)
        self.lags_ns.append(ctx.data_age_ns or 0)
        if len(self.trades) % 10 == 0:
            ctx.market(Side.BUY, 1)

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        self.quotes.append(quote.feed_seq)


@dataclass
class World:
    """The three cores, the queue between the first two, and a clock."""

    market: MarketDataCore
    engine: StrategyEngineCore
    risk: RiskCore
    strategy: Busy
    boot_ns: int = BOOT_NS
    free_at_ns: int = BOOT_NS
    queue: deque[Message] = field(default_factory=deque)
    queued_max: int = 0
    waited_for_credit: int = 0
    refused: list[str] = field(default_factory=list)
    approved: int = 0

    def now(self) -> Now:
        return Now(MORNING_NS, self.boot_ns)

    def to_market(self, body: Message) -> None:
        for output in self.market.handle(event(body), self.now()):
            if isinstance(output, Publish) and isinstance(output.message, Mark):
                self.to_risk(output.message)
            elif isinstance(output, Publish) and not isinstance(output.message, FeedStatus):
                self.queue.append(output.message)
        self.queued_max = max(self.queued_max, len(self.queue))

    def to_risk(self, body: Message) -> None:
        for output in self.risk.handle(event(body), self.now()):
            self._answered(output)

    def _answered(self, output: Output) -> None:
        if isinstance(output, Request):
            self.approved += 1
        elif isinstance(output, Reply) and isinstance(output.message, Decision):
            self.refused.append(output.message.code)

    def work(self) -> None:
        """Whatever the strategy can do until now, one event after the other."""
        while self.queue and self.free_at_ns + TAKES_NS <= self.boot_ns:
            body = self.queue.popleft()
            self.free_at_ns += TAKES_NS
            for output in self.engine.handle(event(body), Now(MORNING_NS, self.free_at_ns)):
                if isinstance(output, Send) and isinstance(output.message, MarketProgress):
                    self.to_market(output.message)
                elif isinstance(output, Request) and isinstance(output.message, Intent):
                    self.to_risk(output.message)
        if not self.queue:
            self.free_at_ns = self.boot_ns

    def feed(self, row: FeedRow, every_ns: int) -> None:
        """The next row, after its time and when there is credit; the feed never bursts later."""
        self.boot_ns += every_ns
        self.work()
        while self.market._state.credit_feed_seq < row.row_number:
            self.waited_for_credit += 1
            self.boot_ns += TAKES_NS // 4
            self.work()
        body = message_of(row, ES)
        assert isinstance(body, FeedTrade | FeedQuote | FeedDepth)
        self.to_market(body)

    def drain(self) -> None:
        while self.queue:
            self.boot_ns += TAKES_NS
            self.work()


def world() -> World:
    strategy = Busy()
    control = Control(1, Mode.NORMAL, SessionPhase.OPEN, "", False, True, None)
    limits = tighten("bench", {"data_lag_max_ns": LAG_MAX_NS, "order_max_lots": 1})
    made = World(
        MarketDataCore(MarketDataConfig(ES, credit_events=CREDIT, when_behind="conflate")),
        StrategyEngineCore(
            StrategyEngineConfig(ES, "busy", Tunables(behind_after_ns=BEHIND_NS)), strategy
        ),
        RiskCore(RiskConfig("busy", ES, limits)),
        strategy,
    )
    for core, name in (
        (made.market, "market_data"),
        (made.engine, "strategy_engine"),
        (made.risk, "risk_engine"),
    ):
        core.handle(started(name), made.now())
        core.handle(event(control), made.now())
    for core, stream in (
        (made.engine, "ledger"),
        (made.engine, f"market.{ES}"),
        (made.risk, "ledger"),
    ):
        core.handle(event(Replace(stream, "x")), made.now())
        core.handle(event(Sighted(stream, "x")), made.now())
    made.to_risk(FeedStatus(ES, FeedState.LIVE, 1, 1, 0, 0, 1, 0))
    return made


def rows() -> list[FeedRow]:
    feed = SyntheticFeed(parse_contract(ES), Synthetic(5, MORNING_NS))
    return list(islice(feed, RUSH_ROWS + CALM_ROWS))


def run(times: int) -> tuple[World, list[FeedRow], int]:
    """A rush at so many times the capacity, then calm at half of it; when the rush ended."""
    made, given = world(), rows()
    for row in given[:RUSH_ROWS]:
        made.feed(row, TAKES_NS // times)
        if row.row_number % 100 == 0:
            made.to_risk(Control(1, Mode.NORMAL, SessionPhase.OPEN, "", False, True, None))
    rush_ended_ns, behind = made.boot_ns, len(made.strategy.behind)
    for row in given[RUSH_ROWS:]:
        made.feed(row, 2 * TAKES_NS)
        if row.row_number % 100 == 0:
            made.to_risk(Control(1, Mode.NORMAL, SessionPhase.OPEN, "", False, True, None))
    made.drain()
    print(
        f"{times}x: rush {(rush_ended_ns - BOOT_NS) / SECOND:.1f} s for"
        f" {RUSH_ROWS * TAKES_NS // times / SECOND:.1f} s of market, queue {made.queued_max},"
        f" conflated {made.market._state.backlog.conflated},"
        f" refused {len(made.refused)}, approved {made.approved}, behind {behind}"
    )
    return made, given, rush_ended_ns


@pytest.mark.parametrize("times", [2, 10])
def test_trades_never_drop_quotes_conflate_memory_is_bounded_and_it_recovers(times: int) -> None:
    made, given, _ = run(times)
    kinds = {row.row_number: type(row).__name__ for row in given}
    trades = [number for number, kind in kinds.items() if kind == "TradeRow"]
    assert made.strategy.trades == trades, "every trade once and in order"
    quotes = [number for number, kind in kinds.items() if kind == "QuoteRow"]
    assert made.strategy.quotes[-1] == quotes[-1], "the newest quote always arrives"
    assert made.strategy.quotes == sorted(made.strategy.quotes)
    assert made.market._state.backlog.conflated > 1_000
    assert made.queued_max <= CREDIT + CREDIT // 2, "bars and held quotes beside the window"
    assert made.strategy.behind[-1] is False and made.strategy.lags_ns[-1] < 10 * MS
    assert not made.market._state.backlog.behind


def test_at_twice_the_capacity_the_feed_keeps_its_pace() -> None:
    made, _, rush_ended_ns = run(2)
    assert made.waited_for_credit == 0
    assert rush_ended_ns - BOOT_NS == RUSH_ROWS * TAKES_NS // 2


def test_at_ten_times_trades_alone_are_too_many_the_feed_waits_and_stale_is_refused() -> None:
    made, _, _ = run(10)
    assert made.waited_for_credit > 0
    assert made.strategy.behind.count(True) > 100
    assert max(made.strategy.lags_ns) < (CREDIT + CREDIT // 2) * TAKES_NS * 1.2
    assert made.refused.count("STALE_DATA") > 10
    assert set(made.refused) <= {"STALE_DATA", "POSITION_LIMIT"}


def test_without_conflation_a_slow_strategy_slows_the_feed() -> None:
    made = world()
    made.market.config = MarketDataConfig(ES, credit_events=CREDIT)
    for row in rows()[:3_000]:
        made.feed(row, TAKES_NS // 2)
    assert made.waited_for_credit > 0 and made.market._state.backlog.conflated == 0
    assert len(made.strategy.trades) + len(made.strategy.quotes) > 2_000
