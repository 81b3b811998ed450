"""A session against a naive broker over a bad wire: whatever happens, no order lives twice.

The wire loses, doubles and swaps messages and holds them back for as long as it likes, also beyond
a restart of either end; fills come before acknowledgements and after cancels. The one promise that
the session rests on is kept: an order on its way arrives, or is lost, within `wire_delay_ns`.
Queries, answers and events may be older than that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from proto_schemas.broker import (
    BrokerExecution,
    BrokerOrder,
    BrokerOrderEvent,
    BrokerQuery,
    BrokerSnapshot,
    NewOrder,
)
from proto_schemas.control import PeerStatus
from proto_schemas.enums import OrderState, Side
from proto_schemas.ledger import Execution
from proto_schemas.signals import Ack
from shared.kernel.clock import MS, SECOND, Now
from shared.kernel.order_states import is_live
from shared.kernel.outputs import Barrier, Output, Request, Send
from tests.unit.brokers.session_inputs import (
    NAME,
    STRATEGY,
    WIRE_DELAY,
    at,
    fresh_session,
    new_order,
    order_id,
)

TICK_MS = 100
Push = BrokerOrderEvent | BrokerExecution | BrokerSnapshot
pick = st.integers(0, 1_000)


@dataclass
class NaiveBroker:
    """Takes every order, numbers what it says, answers a query with all of it."""

    events: list[BrokerOrderEvent | BrokerExecution] = field(default_factory=list)
    orders: dict[str, NewOrder] = field(default_factory=dict)
    states: dict[str, OrderState] = field(default_factory=dict)
    lots: Counter[str] = field(default_factory=Counter)
    taken: Counter[str] = field(default_factory=Counter)

    def take(self, order: NewOrder) -> list[Push]:
        self.taken[order.client_order_id] += 1
        self.orders[order.client_order_id] = order
        self.states[order.client_order_id] = OrderState.PENDING_CREATION
        return []

    def answer(self, query: BrokerQuery) -> list[Push]:
        shown = tuple(
            BrokerOrder(
                order_id, NAME, "ESM18", Side.BUY, order.quantity_lots, self.lots[order_id],
                self.states[order_id],
            )
            for order_id, order in self.orders.items()
        )  # fmt: skip
        missed = self.events[query.after_session_seq :]
        seq = len(self.events)
        return [*missed, BrokerSnapshot(NAME, query.query_id, seq, 1, shown, (), True)]

    def say(self, order_id: str, state: OrderState) -> Push:
        if self.states[order_id] is not OrderState.PARTIAL_FILL or not is_live(state):
            self.states[order_id] = state
        seq = len(self.events) + 1
        self.events.append(BrokerOrderEvent(NAME, seq, order_id, "B1", state, "SAID", 1))
        return self.events[-1]

    def fill(self, order_id: str, lots: int) -> Push:
        self.lots[order_id] += lots
        full = self.lots[order_id] == self.orders[order_id].quantity_lots
        if full:
            self.states[order_id] = OrderState.FILLED
        elif self.states[order_id] is not OrderState.CANCELLED:
            self.states[order_id] = OrderState.PARTIAL_FILL
        seq = len(self.events) + 1
        self.events.append(
            BrokerExecution(
                NAME, seq, order_id, "B1", f"X{seq}", "ESM18", Side.BUY, lots, 1, 1, 0, 1
            )
        )
        return self.events[-1]

    def ids(self, *states: OrderState) -> list[str]:
        return [order_id for order_id, state in self.states.items() if state in states]

    def fillable(self) -> list[str]:
        return [
            order_id
            for order_id, order in self.orders.items()
            if self.states[order_id] is not OrderState.REJECTED
            and self.lots[order_id] < order.quantity_lots
        ]


class SessionUnderFire(RuleBasedStateMachine):
    """Rules are what the world may do; invariants are what must hold after each."""

    def __init__(self) -> None:
        super().__init__()
        self.session, self.broker = fresh_session(), NaiveBroker()
        self.milliseconds, self.broker_epoch, self.made = 0, 1, 0
        self.to_broker: list[tuple[int, NewOrder | BrokerQuery]] = []
        self.to_session: list[Push] = []
        self.sent: Counter[str] = Counter()
        self.booked: Counter[str] = Counter()
        self.asked_ns: dict[int, int] = {}
        self.ended: set[str] = set()
        self.filled: Counter[str] = Counter()
        self._do(self.session.start(self.now))
        self.flush()

    @property
    def now(self) -> Now:
        return at(self.milliseconds)

    def _do(self, outputs: Sequence[Output]) -> None:
        barrier = False
        for output in outputs:
            barrier = barrier or isinstance(output, Barrier)
            if isinstance(output, Send):
                message = output.message
                if isinstance(message, NewOrder):
                    assert barrier, "an order left before the disk had it"
                    self.sent[message.client_order_id] += 1
                assert isinstance(message, NewOrder | BrokerQuery)
                if isinstance(message, BrokerQuery):
                    self.asked_ns[message.query_id] = self.now.boot_ns
                self.to_broker.append((self.milliseconds, message))
            if isinstance(output, Request):
                if isinstance(output.message, Execution):
                    self.booked[output.message.execution_id] += 1
                self.session.on_ledger_answer(Ack())

    def _hear(self, message: Push) -> None:
        match message:
            case BrokerOrderEvent():
                self._do(self.session.on_order_event(message, self.now))
            case BrokerExecution():
                self._do(self.session.on_execution(message, self.now))
            case BrokerSnapshot():
                before = self.session.snapshot
                self._do(self.session.on_snapshot(message, self.broker_epoch, self.now))
                if self.session.snapshot is not before:
                    self._believed(message)

    def _believed(self, snapshot: BrokerSnapshot) -> None:
        """It answers a question of this life, once, and shows no fill that was not heard of."""
        assert self.session.ready
        assert self.session.snapshot_asked_ns == self.asked_ns.pop(snapshot.query_id)
        for shown in snapshot.orders:
            item = self.session.order(shown.client_order_id)
            assert item is not None and item.filled_lots == shown.filled_lots

    def _arrive(self, message: NewOrder | BrokerQuery) -> None:
        if isinstance(message, NewOrder):
            self.to_session += self.broker.take(message)
        else:
            self.to_session += self.broker.answer(message)

    # --- what we do

    @precondition(lambda self: self.session.ready)
    @rule(lots=st.integers(1, 4))
    def submit(self, lots: int) -> None:
        self.made += 1
        order = new_order(self.made, quantity_lots=lots)
        until_ns = self.now.boot_ns + SECOND
        self._do(self.session.submit(order, STRATEGY, None, until_ns, self.now))

    @rule(again=st.booleans())
    def ask(self, again: bool) -> None:
        self._do(self.session.ask_again(self.now) if again else self.session.ask(self.now))

    @rule(forgets=st.booleans())
    def restart(self, forgets: bool) -> None:
        """What was on its way to us may be gone, or may still come to the new life."""
        if forgets:
            self.to_session.clear()
        self.asked_ns.clear()
        self._do(self.session.start(self.now))

    @rule(ticks=st.integers(1, 8), calm=st.booleans())
    def time_passes(self, ticks: int, calm: bool) -> None:
        for _ in range(ticks):
            self._tick(calm)

    def _tick(self, calm: bool) -> None:
        """Not calm: nothing moves but the orders that have been on their way too long."""
        if calm:
            self.flush()
        self.milliseconds += TICK_MS
        for sent in list(self.to_broker):
            old = self.milliseconds - sent[0] >= WIRE_DELAY // MS
            if isinstance(sent[1], NewOrder) and old:
                self.to_broker.remove(sent)
                self._arrive(sent[1])
        self._do(self.session.on_timer(self.now))

    def flush(self) -> None:
        while self.to_broker or self.to_session:
            while self.to_broker:
                self._arrive(self.to_broker.pop(0)[1])
            for message in (waiting := list(self.to_session)):
                self._hear(message)
            del self.to_session[: len(waiting)]

    # --- what the broker does

    @precondition(lambda self: self.broker.ids(OrderState.PENDING_CREATION))
    @rule(which=pick, rejected=st.booleans())
    def decide(self, which: int, rejected: bool) -> None:
        fresh = self.broker.ids(OrderState.PENDING_CREATION)
        state = OrderState.REJECTED if rejected else OrderState.ACKNOWLEDGED
        self.to_session.append(self.broker.say(fresh[which % len(fresh)], state))

    @precondition(lambda self: self.broker.fillable())
    @rule(which=pick, lots=st.integers(1, 4))
    def fill(self, which: int, lots: int) -> None:
        """Also before the acknowledgement, and after a cancel."""
        order_id = self.broker.fillable()[which % len(self.broker.fillable())]
        rest = self.broker.orders[order_id].quantity_lots - self.broker.lots[order_id]
        self.to_session.append(self.broker.fill(order_id, min(lots, rest)))

    @precondition(lambda self: self.broker.ids(OrderState.PARTIAL_FILL, OrderState.ACKNOWLEDGED))
    @rule(which=pick, acknowledge=st.booleans())
    def cancel_or_acknowledge_late(self, which: int, acknowledge: bool) -> None:
        ids = self.broker.ids(OrderState.PARTIAL_FILL, OrderState.ACKNOWLEDGED)
        state = OrderState.ACKNOWLEDGED if acknowledge else OrderState.CANCELLED
        self.to_session.append(self.broker.say(ids[which % len(ids)], state))

    @rule(loses=st.booleans())
    def broker_restarts(self, loses: bool) -> None:
        if loses:
            self.to_broker.clear()
            self.to_session.clear()
        self.broker_epoch += 1
        self.asked_ns.clear()
        self._do(self.session.on_broker(PeerStatus("venue", False, 0), self.now))
        self._do(self.session.on_broker(PeerStatus("venue", True, self.broker_epoch), self.now))

    # --- what the wire does

    @precondition(lambda self: self.to_broker)
    @rule(which=pick, fate=st.sampled_from(("arrives", "overtakes", "lost")))
    def to_the_broker(self, which: int, fate: str) -> None:
        place = which % len(self.to_broker) if fate == "overtakes" else 0
        _, message = self.to_broker.pop(place)
        if fate != "lost":
            self._arrive(message)

    @precondition(lambda self: self.to_session)
    @rule(which=pick, fate=st.sampled_from(("arrives", "arrives", "overtakes", "lost", "doubled")))
    def to_the_session(self, which: int, fate: str) -> None:
        place = which % len(self.to_session) if fate == "overtakes" else 0
        message = self.to_session[place] if fate == "doubled" else self.to_session.pop(place)
        if fate != "lost":
            self._hear(message)

    # --- what must hold

    @invariant()
    def an_order_is_sent_at_most_once(self) -> None:
        assert all(times == 1 for times in self.sent.values())
        assert all(times == 1 for times in self.broker.taken.values())

    @invariant()
    def every_id_is_live_or_done_and_never_both(self) -> None:
        live, done = set(self.session.live), set(self.session.done)
        assert live | done == set(self.sent)
        assert not live & done

    @invariant()
    def what_has_ended_stays_ended(self) -> None:
        assert self.ended <= set(self.session.done)
        assert not any(is_live(item.state) for item in self.session.done.values())
        assert all(is_live(item.state) for item in self.session.live.values())
        self.ended = set(self.session.done)

    @invariant()
    def filled_never_falls_and_never_exceeds_the_brokers_count(self) -> None:
        for number in range(1, self.made + 1):
            item = self.session.order(order_id(number))
            assert item is not None
            lots = item.filled_lots
            assert self.filled[order_id(number)] <= lots <= self.broker.lots[order_id(number)]
            self.filled[order_id(number)] = lots

    @invariant()
    def every_fill_is_told_to_the_ledger_once(self) -> None:
        assert all(times == 1 for times in self.booked.values())

    @invariant()
    def what_the_broker_has_is_not_ended_by_silence(self) -> None:
        for client_order_id, item in self.session.done.items():
            if item.state is OrderState.REJECTED and client_order_id in self.broker.states:
                assert self.broker.states[client_order_id] is OrderState.REJECTED

    @invariant()
    def nothing_halts(self) -> None:
        assert self.session.halted == ""

    def teardown(self) -> None:
        """Calm: everything arrives. Then nothing is unknown and both sides count the same."""
        for _ in range(60):
            self._tick(calm=True)
        for client_order_id in self.broker.ids(OrderState.PENDING_CREATION):
            self.to_session.append(self.broker.say(client_order_id, OrderState.ACKNOWLEDGED))
        self._do(self.session.on_broker(PeerStatus("venue", False, 0), self.now))
        for _ in range(60):
            self._tick(calm=True)
        assert self.session.ready
        assert self.session.unknown() == []
        assert sum(self.booked.values()) == sum(
            isinstance(each, BrokerExecution) for each in self.broker.events
        )
        for client_order_id in self.sent:
            item = self.session.order(client_order_id)
            assert item is not None
            assert item.filled_lots == self.broker.lots[client_order_id]
            live_there = is_live(self.broker.states.get(client_order_id, OrderState.REJECTED))
            assert is_live(item.state) == live_there


SessionUnderFire.TestCase.settings = settings(max_examples=250, stateful_step_count=80)
TestSessionUnderFire = SessionUnderFire.TestCase
