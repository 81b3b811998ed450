"""Venue and ingestor over links that lose messages, with kills: nothing lost, nothing twice.

A kill throws away the core and all that is on the way from and to it; the new core is made from the
inputs that stood in the journal, as a restart does. The watchdog's standing order is told when it
changes and every second; a new life of the ingestor hears it with the next second.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from proto_schemas.base import Message
from proto_schemas.broker import BrokerExecution, BrokerQuery, BrokerSnapshot, NewOrder
from proto_schemas.control import Control, PeerStatus, TimerFired
from proto_schemas.enums import FeedState, Mode, OrderType, SessionPhase, Side
from proto_schemas.market_data import FeedEnd, FeedTrade, MarketProgress, Trade
from services.market_data.config import MarketDataConfig
from services.market_data.core import (
    SECOND_TIMER,
    TRICKLE_ROWS,
    TRICKLE_TIMER,
    MarketDataCore,
)
from services.venue.config import VenueConfig
from services.venue.core import VenueCore
from shared.kernel.clock import SECOND, Now
from shared.kernel.outputs import Event, Output, Publish, Push, Send
from shared.kernel.state import state_hash
from tests.support import event, started

ROWS = 40
WINDOW = 8
MODES = {"permit": Mode.NORMAL, "reduce": Mode.REDUCE_ONLY, "halt": Mode.HALT}


class Node:
    """One process: a core, and the journal of its inputs."""

    def __init__(self, name: str, make: Callable[[], Any]) -> None:
        self.name, self.make, self.core = name, make, make()
        self.journal: list[tuple[Event, Now]] = []
        self.epoch = 0

    def step(self, body: Message, producer: str) -> list[Output]:
        return self._take(event(body, producer=producer))

    def start(self) -> list[Output]:
        self.epoch += 1
        return self._take(started(self.name, self.epoch))

    def restart(self) -> list[Output]:
        before = state_hash(self.core.state())
        self.core = self.make()
        for each, moment in self.journal:
            self.core.handle(each, moment)
        assert state_hash(self.core.state()) == before
        return self.start()

    def _take(self, made: Event) -> list[Output]:
        self.journal.append((made, Now(0, len(self.journal) * SECOND)))
        return self.core.handle(*self.journal[-1])


class Chain:
    """Both nodes, the links between them, the consumer and one broker session behind them."""

    def __init__(self) -> None:
        self.venue = Node("venue", lambda: VenueCore(VenueConfig("ESM18")))
        self.data = Node(
            "market_data", lambda: MarketDataCore(MarketDataConfig("ESM18", credit_events=WINDOW))
        )
        self.to_venue: deque[tuple[Message, str]] = deque()
        self.to_data: deque[tuple[Message, str]] = deque()
        self.trades: list[int] = []
        self.states: list[FeedState] = []
        self.session: list[Any] = []
        self.snapshot: BrokerSnapshot | None = None
        self.queries = 0
        self.orders = 0
        self.mode = Mode.HALT
        self.held_credit = 0
        self.carry(self.venue.start())
        self.carry(self.data.start())

    def carry(self, outputs: list[Output]) -> None:
        for output in outputs:
            match output:
                case Send(to="venue", message=message):
                    self.to_venue.append((message, "market_data"))
                case Push(to="market_data", message=message):
                    self.to_data.append((message, "venue"))
                case Push(to="order_router", message=message):
                    self.hear(message)
                case Publish(message=Trade() as trade):
                    self.trades.append(trade.feed_seq)
                case Publish(message=message) if hasattr(message, "rows_in"):
                    self.states.append(message.state)

    def hear(self, message: Any) -> None:
        """A session takes what continues its numbering and asks again for the rest."""
        if isinstance(message, BrokerSnapshot):
            self.snapshot = message
        elif message.session_seq == len(self.session) + 1:
            self.session.append(message)

    def order_all(self, mode: Mode) -> None:
        """The watchdog's standing order, changed or repeated."""
        if mode is Mode.HALT and self.mode is not Mode.HALT:
            self.held_credit = self.data.core.state().credit_feed_seq
        self.mode = mode
        told = Control(1, mode, SessionPhase.OPEN, "", False, True, None)
        self.carry(self.data.step(told, "watchdog"))

    def do(self, word: str) -> None:
        """One word of a story; and while nobody may trade, the feed never runs away."""
        self.happen(word)
        state = self.data.core.state()
        if self.mode is Mode.HALT:
            trickle = state.last_feed_seq + TRICKLE_ROWS if state.opened else 0
            assert state.credit_feed_seq <= max(self.held_credit, trickle)

    def happen(self, word: str) -> None:
        feed = self.venue.core.feed
        match word:
            case "pump" if feed.fed_seq < feed.credit_feed_seq and not feed.ended:
                number = feed.fed_seq + 1
                row = FeedTrade(number, "ESM18", number, 100, 2)
                end = FeedEnd(number, "ESM18", ROWS, 0, 0)
                self.carry(self.venue.step(row if number <= ROWS else end, "venue"))
                assert feed.fed_seq - self.trades_seen() <= WINDOW
            case "to_venue" if self.to_venue:
                self.carry(self.venue.step(*self.to_venue.popleft()))
            case "to_data" if self.to_data:
                self.carry(self.data.step(*self.to_data.popleft()))
            case "lose_up" if self.to_venue:
                self.to_venue.popleft()
            case "lose_down" if self.to_data:
                self.to_data.popleft()
            case "progress":
                done = MarketProgress("strategy_engine", self.trades_seen())
                self.carry(self.data.step(done, "strategy_engine"))
            case "second":
                self.carry(self.data.step(TimerFired(SECOND_TIMER), "market_data"))
                self.order_all(self.mode)
            case "trickle":
                self.carry(self.data.step(TimerFired(TRICKLE_TIMER), "market_data"))
            case "permit" | "reduce" | "halt":
                self.order_all(MODES[word])
            case "order":
                self.order()
            case "kill_venue":
                self.lose_all()
                self.carry(self.venue.restart())
                self.carry(self.data.step(PeerStatus("venue", True, self.venue.epoch), "venue"))
            case "kill_data":
                self.lose_all()
                self.carry(self.data.restart())

    def trades_seen(self) -> int:
        return self.trades[-1] if self.trades else 0

    def lose_all(self) -> None:
        self.to_venue.clear()
        self.to_data.clear()

    def order(self) -> None:
        """Every second order's answers are lost on the way."""
        self.orders += 1
        new = NewOrder(
            "order_router", f"{self.orders:036d}", "ESM18", Side.BUY, 3, OrderType.MARKET, False
        )
        outputs = self.venue.step(new, "order_router")
        if self.orders % 2:
            self.carry(outputs)

    def settle(self, order: str = "permit") -> None:
        """Let time pass without faults, under one standing order, until nothing is left to do."""
        self.do(order)
        for _ in range(ROWS + 20):
            for word in ("second", "progress", "trickle"):
                self.do(word)
            while self.to_venue or self.to_data:
                self.do("to_venue")
                self.do("to_data")
            for _ in range(WINDOW):
                self.do("pump")
        self.ask()

    def ask(self) -> None:
        """One query of the session; its answer must be the one to it."""
        self.queries += 1
        query = BrokerQuery("order_router", len(self.session), self.queries)
        self.carry(self.venue.step(query, "order_router"))
        assert self.snapshot is not None and self.snapshot.query_id == self.queries


FLOW = ["pump"] * 6 + ["to_data"] * 6 + ["to_venue"] * 4 + ["progress"] * 3
FAULTS = ["order", "lose_up", "lose_down", "kill_venue", "kill_data"]
TIME = ["second", "trickle"]
plain_words = st.sampled_from([*FLOW, *FAULTS, *TIME])
words = st.sampled_from([*FLOW, *FAULTS, *TIME, *MODES])


def told(story: list[str], first: str = "permit") -> Chain:
    """A chain that has lived through this story, under this first order of the watchdog."""
    chain = Chain()
    for word in (first, *story):
        chain.do(word)
    return chain


@settings(max_examples=60)
@given(st.lists(words, max_size=150))
def test_every_row_is_published_once_in_order_whatever_is_lost_or_killed(story: list[str]) -> None:
    chain = told(story)
    chain.settle()
    assert chain.trades == list(range(1, ROWS + 1))
    assert chain.states[-1] is FeedState.ENDED


@settings(max_examples=60)
@given(st.lists(words, max_size=150))
def test_a_feed_that_was_opened_trickles_to_its_end_though_nobody_may_trade(
    story: list[str],
) -> None:
    chain = told(story)
    chain.settle("halt")
    assert chain.trades == list(range(1, ROWS + 1))
    assert chain.states[-1] is FeedState.ENDED


@settings(max_examples=60)
@given(st.lists(plain_words, max_size=150), st.sampled_from(["permit", "reduce"]))
def test_no_row_leaves_the_venue_before_the_first_permission_of_a_run(
    story: list[str], permission: str
) -> None:
    chain = told(story, first="halt")
    chain.settle("halt")
    assert (chain.venue.core.feed.fed_seq, chain.trades) == (0, [])
    chain.settle(permission)
    assert chain.trades == list(range(1, ROWS + 1))


@settings(max_examples=60)
@given(st.lists(words, max_size=150))
def test_a_session_hears_every_fill_once_whatever_is_lost_or_killed(story: list[str]) -> None:
    chain = told(story)
    chain.settle()
    fills = [m for m in chain.session if isinstance(m, BrokerExecution)]
    assert len({fill.execution_id for fill in fills}) == len(fills)
    assert sum(fill.quantity_lots for fill in fills) == 3 * chain.orders
    assert chain.snapshot is not None
    assert chain.snapshot.session_seq == len(chain.session)
    assert sum(p.position_lots for p in chain.snapshot.positions) == 3 * chain.orders
