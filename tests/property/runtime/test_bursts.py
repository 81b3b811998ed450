"""A burst means its rows one by one: the same calls, bars, marks, fills, orders and state.

Two chains of real engines (venue, ingestor, strategy engine) get the same rows at the same moments,
one as bursts and one as single rows; whatever can be seen of them must be equal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proto_schemas.base import Message
from proto_schemas.broker import NewOrder
from proto_schemas.control import Control, Sighted
from proto_schemas.enums import Mode, OrderType, SessionPhase, Side
from proto_schemas.market_data import (
    BURST_ROWS_MAX,
    Bar,
    Depth,
    FeedBurst,
    FeedCredit,
    FeedDepth,
    FeedEnd,
    FeedQuote,
    FeedTrade,
    Level,
    Mark,
    MarketBurst,
    Quote,
    Trade,
)
from services.market_data.config import MarketDataConfig
from services.market_data.core import MarketDataCore
from services.strategy_engine.api import Context, Strategy
from services.strategy_engine.config import StrategyEngineConfig
from services.strategy_engine.core import StrategyEngineCore
from services.venue.config import VenueConfig
from services.venue.core import VenueCore
from shared.bus.codec import decode, encode
from shared.kernel.clock import MS, SECOND, Now
from shared.kernel.outputs import Core, Event
from shared.kernel.state import state_hash
from shared.runtime.bursts import FeedRow, feed_burst, market_rows
from shared.runtime.effects import Effect, Transmit
from shared.runtime.engine import Engine
from tests.support import INSTALL_ID, event, started

ES = "ESM30"
MARKET = f"market.{ES}"
FIRST_NS = 1_898_946_000 * SECOND
ROW_KINDS = (Trade, Quote, Depth, FeedTrade, FeedQuote, FeedDepth)


class Notes(Strategy):
    """Writes down each call, and trades now and then."""

    name = "notes"

    def __init__(self) -> None:
        self.heard: list[tuple[int, str]] = []

    def on_trade(self, ctx: Context, trade: Trade) -> None:
        self._note(ctx, trade)
        if trade.feed_seq % 3 == 0:
            ctx.market(Side.BUY, 1)

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        self._note(ctx, quote)

    def on_depth(self, ctx: Context, depth: Depth) -> None:
        self._note(ctx, depth)

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        self._note(ctx, bar)

    def _note(self, ctx: Context, seen: Message) -> None:
        last = ctx.last_price_ticks, ctx.quote, ctx.depth, len(ctx.open_orders)
        self.heard.append((ctx.stream_ns, f"{ctx.data_age_ns} {seen} {last}"))


class Chain:
    """Venue, ingestor and strategy engine, on links that lose nothing."""

    def __init__(self, conflates: bool) -> None:
        self.strategy = Notes()
        data = MarketDataConfig(
            ES, credit_events=8, when_behind="conflate" if conflates else "wait"
        )
        self.engines = {
            "venue": self._engine("venue", VenueCore(VenueConfig(ES))),
            "market_data": self._engine("market_data", MarketDataCore(data)),
            "strategy_engine": self._engine(
                "strategy_engine",
                StrategyEngineCore(StrategyEngineConfig(ES, "notes"), self.strategy),
                {MARKET: "market_data", "ledger": "order_state"},
            ),
        }
        self.clocks = dict.fromkeys(self.engines, 0)
        self.boot_ns = 100 * SECOND
        self.said: list[tuple[str, int, Message]] = []
        self.started()

    def _engine(self, name: str, core: Core, streams: dict[str, str] | None = None) -> Engine:
        return Engine(core, name, streams or {})

    def started(self) -> None:
        for name in self.engines:
            self.step(name, started(name))
        normal = Control(1, Mode.NORMAL, SessionPhase.OPEN, "", False, True, None)
        for name in ("market_data", "strategy_engine"):
            self.step(name, event(normal, producer="watchdog"))
        desk = self.engines["strategy_engine"].core
        desk.handle(event(Sighted("ledger", "order_state")), Now(0, self.boot_ns))
        self.step("venue", event(FeedCredit(10**6), producer="market_data"))
        buy = NewOrder(
            "00000000-0000-0000-0000-000000000001", "order_router", ES, Side.BUY, 500,
            OrderType.MARKET, False,
        )  # fmt: skip
        self.step("venue", event(buy, producer="order_router"))

    def step(self, name: str, one: Event) -> None:
        """One input and all that it leads to, to its end."""
        clock = self.clocks[name] = max(self.clocks[name], one.envelope.stream_ns)
        for effect in self.engines[name].step(one, Now(clock, self.boot_ns)).effects:
            self._carry(name, effect)

    def _carry(self, source: str, effect: Effect) -> None:
        if not isinstance(effect, Transmit):
            return
        sent = decode(effect.frame)
        self.note(source, sent)
        target = effect.peer if effect.route != "pub" else "strategy_engine"
        listens = effect.route != "pub" or sent.envelope.stream == MARKET
        if target in self.engines and listens:
            self.step(target, sent)

    def note(self, source: str, sent: Event) -> None:
        """What readers see, rows singly: (who, market time, message)."""
        for each in market_rows(sent.body) or [sent.body]:
            at_ns = sent.envelope.stream_ns if not isinstance(each, ROW_KINDS) else 0
            self.said.append((source, at_ns, each))

    def feed(self, body: Message, at_ns: int) -> None:
        """The venue's pump hands this over."""
        engine = self.engines["venue"]
        self.clocks["venue"] = max(self.clocks["venue"], at_ns)
        self.step("venue", engine.internal(body, Now(self.clocks["venue"], self.boot_ns)))

    def of(self, *kinds: type[Message]) -> list[Any]:
        return [each for each in self.said if isinstance(each[2], kinds)]


def level(ticks: int, lots: int) -> Level:
    return Level(ticks, lots)


@st.composite
def feeds(draw: Callable[..., Any]) -> list[list[FeedRow]]:
    """Rows in groups that come together; minutes pass, books cross, sides are empty."""
    groups, number, at_ns = [], 0, FIRST_NS
    for size in draw(st.lists(st.integers(1, 12), min_size=1, max_size=8)):
        group: list[FeedRow] = []
        for _ in range(size):
            number += 1
            at_ns += draw(st.sampled_from((0, 1, MS, 60 * MS, 20 * SECOND, 70 * SECOND)))
            group.append(draw(rows(number, at_ns)))
        groups.append(group)
    return groups


@st.composite
def rows(draw: Callable[..., Any], number: int, at_ns: int) -> FeedRow:
    ticks, lots = draw(st.integers(990, 1_010)), draw(st.integers(0, 9))
    kind = draw(st.sampled_from("tttqqd"))
    if kind == "t":
        return FeedTrade(number, ES, at_ns, ticks, draw(st.sampled_from((None, 0, 1, 7))))
    bid, ask = level(ticks, lots), level(ticks + draw(st.integers(-1, 3)), lots + 1)
    if kind == "q":
        return FeedQuote(number, ES, at_ns, draw(st.sampled_from((bid, None))), ask)
    return FeedDepth(number, ES, at_ns, (bid, level(ticks - 1, lots)), (ask,))


def both(groups: list[list[FeedRow]], conflates: bool) -> tuple[Chain, Chain]:
    """(chain that got bursts, chain that got single rows), all rows handled."""
    together, singly = Chain(conflates), Chain(conflates)
    for group in groups:
        at_ns = group[-1].exchange_ns
        together.boot_ns += 5 * MS
        singly.boot_ns += 5 * MS
        together.feed(group[0] if len(group) == 1 else feed_burst(group), at_ns)
        for row in group:
            singly.feed(row, row.exchange_ns)
    end = FeedEnd(sum(map(len, groups)) + 1, ES, 1, 0, 0)
    for chain in (together, singly):
        chain.feed(end, 0)
    return together, singly


@settings(max_examples=60, deadline=None)
@given(feeds())
def test_a_burst_leads_to_what_its_rows_lead_to(groups: list[list[FeedRow]]) -> None:
    together, singly = both(groups, conflates=False)
    assert together.strategy.heard == singly.strategy.heard
    assert len(together.strategy.heard) >= sum(map(len, groups))
    for name in together.engines:
        ours, theirs = (chain.engines[name].core.state() for chain in (together, singly))
        assert state_hash(ours) == state_hash(theirs), name
    for source in ("market_data", "strategy_engine", "venue"):
        for kinds in ((Bar,), (Mark,), (Trade, Quote, Depth), (FeedTrade, FeedQuote, FeedDepth)):
            ours, theirs = ([s for s in c.of(*kinds) if s[0] == source] for c in (together, singly))
            assert ours == theirs, (source, kinds)
    told = [
        [(who, body) for who, _, body in chain.said if who != "market_data" and _is_money(body)]
        for chain in (together, singly)
    ]
    assert told[0] == told[1]


def _is_money(body: Message) -> bool:
    return type(body).__name__ in ("Intent", "BrokerExecution", "BrokerOrderEvent")


@settings(max_examples=40, deadline=None)
@given(feeds())
def test_trades_bars_and_marks_are_the_same_also_for_a_strategy_that_is_spared_quotes(
    groups: list[list[FeedRow]],
) -> None:
    together, singly = both(groups, conflates=True)
    for kinds in ((Bar,), (Mark,), (Trade,)):
        assert together.of(*kinds) == singly.of(*kinds)


def fed(data: Engine, body: Message) -> list[Effect]:
    one = event(body, producer="venue")
    return data.step(decode(encode(one.envelope, one.body)), Now(FIRST_NS, SECOND)).effects


def trades(*numbers: int) -> list[FeedRow]:
    return [FeedTrade(number, ES, FIRST_NS + number, 1_000, 1) for number in numbers]


def kinds_of(effects: list[Effect]) -> list[str]:
    return [effect.kind for effect in effects if isinstance(effect, Transmit)]


def ingestor() -> Engine:
    data = Engine(MarketDataCore(MarketDataConfig(ES)), "market_data", {})
    data.step(started("market_data"), Now(0, SECOND))
    fed(data, FeedTrade(1, ES, FIRST_NS, 1_000, 1))
    return data


def published(effects: list[Effect]) -> list[int]:
    bodies = [decode(e.frame).body for e in effects if isinstance(e, Transmit)]
    return [row.feed_seq for body in bodies for row in market_rows(body)]


def test_rows_of_a_burst_that_are_known_are_dropped_and_the_rest_goes_on() -> None:
    data = ingestor()
    assert published(fed(data, feed_burst(trades(1, 2, 3)))) == [2, 3]
    core: Any = data.core
    assert (core.state().repeats, core.state().gaps) == (1, 0)


def test_a_hole_in_a_burst_is_a_gap_and_its_rest_is_asked_for_once() -> None:
    data = ingestor()
    effects = fed(data, feed_burst(trades(2, 3, 5, 6, 8)))
    assert published(effects) == [2, 3]
    assert kinds_of(effects).count("feed_open") == 1
    core: Any = data.core
    assert (core.state().gaps, core.state().last_feed_seq) == (1, 3)
    assert published(fed(data, feed_burst(trades(4, 5)))) == [4, 5]


def test_a_single_row_stays_a_plain_message_and_a_bar_ends_a_burst() -> None:
    data = ingestor()
    assert "trade" in kinds_of(fed(data, feed_burst(trades(2))))
    minute_later = FeedTrade(5, ES, FIRST_NS + 70 * SECOND, 1_001, 1)
    burst = feed_burst(
        [*trades(3, 4), minute_later, FeedTrade(6, ES, minute_later.exchange_ns, 9, 1)]
    )
    on_stream = [kind for kind in kinds_of(fed(data, burst)) if kind not in ("mark", "feed_status")]
    assert on_stream == ["market_burst", "bar", "trade"]


def test_a_burst_that_is_too_long_leaves_in_parts() -> None:
    data = ingestor()
    numbers = range(2, 2 + BURST_ROWS_MAX)
    quotes = tuple(
        FeedQuote(n + BURST_ROWS_MAX, ES, FIRST_NS + n, level(999, 1), None) for n in numbers
    )
    effects = fed(data, FeedBurst(feed_burst(trades(*numbers)).trades, quotes, ()))
    assert kinds_of(effects).count("market_burst") == 2
    assert published(effects) == [*range(2, 2 + 2 * BURST_ROWS_MAX)]


def test_an_empty_burst_is_nothing() -> None:
    data = ingestor()
    assert fed(data, FeedBurst((), (), ())) == []


def test_the_market_time_of_a_row_is_its_own_and_never_goes_back() -> None:
    chain = Chain(conflates=False)
    chain.feed(feed_burst(trades(1, 2, 3)), FIRST_NS + 3)
    chain.clocks["strategy_engine"] = FIRST_NS + 5
    chain.step(
        "strategy_engine", event(Control(2, Mode.HALT, SessionPhase.OPEN, "", False, True, None))
    )
    chain.feed(feed_burst(trades(4, 5, 6, 7)), FIRST_NS + 7)
    seen = [at_ns - FIRST_NS for at_ns, _ in chain.strategy.heard]
    assert seen == [1, 2, 3, 5, 5, 6, 7]


def test_a_reader_sorts_what_stands_in_a_burst_by_its_number() -> None:
    quote = Quote(2, ES, FIRST_NS, 0, level(1, 1), level(2, 1))
    first, third = (Trade(n, ES, FIRST_NS, 0, 1_000, 1) for n in (1, 3))
    burst = MarketBurst(ES, (third, first), (quote,), ())
    assert market_rows(burst) == [first, quote, third]
    assert market_rows(quote) == [quote] and market_rows(Sighted("ledger", INSTALL_ID)) == []
