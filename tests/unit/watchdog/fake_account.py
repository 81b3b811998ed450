"""A watchdog in a small world: a naive broker account, a ledger and a router that just answer.

`Kennel` steps the real core, keeps its timers and moves both clocks. The account knows nothing of
exchanges: an order waits until `fill`, or fills at once while `fills_at_once` is set.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any

from proto_schemas.base import Message
from proto_schemas.broker import (
    BrokerExecution,
    BrokerOrder,
    BrokerOrderEvent,
    BrokerPosition,
    BrokerQuery,
    BrokerSnapshot,
    NewOrder,
)
from proto_schemas.control import (
    AccountView,
    Control,
    Fenced,
    GateClose,
    GateClosed,
    Lease,
    LeaseRequest,
    TimerFired,
)
from proto_schemas.enums import FeedState, OrderState
from proto_schemas.ledger import OrderEvent, PositionUpdate, ReconcileFetch, ReconcileReport
from proto_schemas.market_data import FeedStatus
from proto_schemas.signals import Ack
from services.watchdog.closing import NAME
from services.watchdog.config import WatchdogConfig
from services.watchdog.core import WatchdogCore
from shared.kernel.clock import MS, SECOND, Now
from shared.kernel.outputs import Event, Fence, Output, Publish, Push, Request, Send, SetTimer
from tests.support import event, started

CONFIG = WatchdogConfig()
BOOT = 100 * SECOND


@dataclass
class FakeAccount:
    """Positions and orders of everybody; the watchdog's own events, numbered."""

    lots: dict[str, int] = field(default_factory=dict)
    orders: dict[str, BrokerOrder] = field(default_factory=dict)
    events: list[BrokerOrderEvent | BrokerExecution] = field(default_factory=list)
    fills_at_once: bool = True
    complete: bool = True
    deaf: bool = False

    def take(self, order: NewOrder) -> list[Message]:
        self.place(order)
        said = self._say(order.client_order_id)
        filled = self.fill(order.client_order_id) if self.fills_at_once else []
        return [said, *filled]

    def place(self, order: NewOrder) -> None:
        """An order of anybody, live and acknowledged."""
        self.orders[order.client_order_id] = BrokerOrder(
            order.client_order_id, order.session, order.instrument, order.side,
            order.quantity_lots, 0, OrderState.ACKNOWLEDGED,
        )  # fmt: skip

    def _say(self, order_id: str) -> BrokerOrderEvent:
        seq = len(self.events) + 1
        state = OrderState.ACKNOWLEDGED
        said = BrokerOrderEvent(NAME, seq, order_id, "B1", state, "ACCEPTED", 1)
        self.events.append(said)
        return said

    def fill(self, order_id: str, lots: int | None = None) -> list[Message]:
        """Fill all (or so many lots); the events are the watchdog's only if the order is."""
        order = self.orders[order_id]
        traded = order.quantity_lots - order.filled_lots if lots is None else lots
        count = order.filled_lots + traded
        full = count == order.quantity_lots
        self.orders[order_id] = BrokerOrder(
            order_id, order.session, order.instrument, order.side, order.quantity_lots, count,
            OrderState.FILLED if full else OrderState.PARTIAL_FILL,
        )  # fmt: skip
        held = self.lots.get(order.instrument, 0)
        self.lots[order.instrument] = held + order.side.sign * traded
        if order.session != NAME:
            return []
        seq = len(self.events) + 1
        done = BrokerExecution(
            NAME, seq, order_id, "B1", f"X{seq}", order.instrument, order.side, traded, 1, 1, 0, 1
        )
        self.events.append(done)
        return [done]

    def answer(self, query: BrokerQuery) -> list[Message]:
        held = tuple(BrokerPosition(name, lots) for name, lots in self.lots.items() if lots)
        shown = tuple(self.orders.values())
        if not self.complete:
            held, shown = (), ()
        missed = self.events[query.after_session_seq :]
        snapshot = BrokerSnapshot(
            NAME, query.query_id, len(self.events), 1, shown, held, self.complete
        )
        return [*missed, snapshot]


@dataclass
class Kennel:
    """The core with timers, clocks, and everybody that it talks to."""

    stream_ns: int = 0
    boot_ns: int = BOOT
    config: WatchdogConfig = CONFIG
    account: FakeAccount = field(default_factory=FakeAccount)
    ledger_answers: bool = True
    reconcile_clean: bool | None = True
    in_flight: tuple[str, ...] | None = None
    """What the router answers when its gate is to close; None: it does not answer."""
    epoch: int = 0
    timers: dict[str, SetTimer] = field(default_factory=dict)
    history: list[tuple[Event, Now]] = field(default_factory=list)
    outputs: list[list[Output]] = field(default_factory=list)
    controls: list[Control] = field(default_factory=list)
    leases: list[Lease] = field(default_factory=list)
    orders: list[NewOrder] = field(default_factory=list)
    sent_ns: list[int] = field(default_factory=list)
    told: list[OrderEvent] = field(default_factory=list)
    fetched_ns: list[int] = field(default_factory=list)
    gates: list[GateClose] = field(default_factory=list)
    fenced: list[str] = field(default_factory=list)
    views: list[AccountView] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.core = WatchdogCore(self.config)
        self._inputs: deque[Event] = deque()

    @property
    def now(self) -> Now:
        return Now(self.stream_ns, self.boot_ns)

    @property
    def phase(self) -> str:
        return str(self.core.state().phase)

    def start(self) -> None:
        """A new life: timers are gone, the state is what the journal made it."""
        self.epoch += 1
        self.timers.clear()
        self._step(started(NAME, self.epoch))

    def give(self, body: Message, producer: str | None = None) -> None:
        self._step(event(body, producer=producer))

    def show(self, query_id: int | None = None, **changes: Any) -> None:
        """The account, changed so, as the answer to this query, or to the last one that waits."""
        number = max(self.core.state().session.queries) if query_id is None else query_id
        last_seq = self.core.state().session.last_seq
        snapshot = self.account.answer(BrokerQuery(NAME, last_seq, number))[-1]
        assert isinstance(snapshot, BrokerSnapshot)
        self.give(replace(snapshot, **changes))

    def ask_lease(self, nonce: int = 1) -> Lease:
        self.give(LeaseRequest(nonce))
        return self.leases[-1]

    def end_stream(self) -> None:
        self.give(FeedStatus("ESM18", FeedState.ENDED, 1, 1, 0, 0, 1, 0))

    def report(self, reconcile_id: int, clean: bool = True) -> None:
        self.give(ReconcileReport(reconcile_id, clean, (), (), 0, (), 1))

    def run_for(self, milliseconds: int) -> None:
        """Fire boot timers in order of time; the stream clock stands still."""
        end_ns = self.boot_ns + milliseconds * MS
        while (due := self._next("boot")) is not None and due.at_ns <= end_ns:
            self.boot_ns = max(self.boot_ns, due.at_ns)
            self._fire(due)
        self.boot_ns = end_ns

    def stream_to(self, stream_ns: int) -> None:
        """A market event at this time: the clock jumps, then every timer behind it fires."""
        self.stream_ns = stream_ns
        while (due := self._next("stream")) is not None and due.at_ns <= stream_ns:
            self._fire(due)
        self.give(FeedStatus("ESM18", FeedState.LIVE, 1, 1, 0, 0, 1, 0))

    def _next(self, clock: str) -> SetTimer | None:
        mine = [timer for timer in self.timers.values() if timer.clock == clock]
        return min(mine, key=lambda timer: timer.at_ns, default=None)

    def _fire(self, timer: SetTimer) -> None:
        del self.timers[timer.name]
        self._step(event(TimerFired(timer.name)))

    def _step(self, first: Event) -> None:
        self._inputs.append(first)
        while self._inputs:
            each = self._inputs.popleft()
            self.history.append((each, self.now))
            outputs = self.core.handle(each, self.now)
            self.outputs.append(outputs)
            for output in outputs:
                self._do(output)

    def _do(self, output: Output) -> None:
        self._shut(output)
        match output:
            case SetTimer():
                self.timers[output.name] = output
            case Publish(message=Control() as control):
                self.controls.append(control)
            case Publish(message=AccountView() as view):
                self.views.append(view)
            case Push(message=Lease() as lease):
                self.leases.append(lease)
            case Send(message=NewOrder() as order):
                self.orders.append(order)
                self.sent_ns.append(self.boot_ns)
                self._hear(self.account.take(order))
            case Send(message=BrokerQuery() as query):
                self._hear(self.account.answer(query))
            case Request(message=ReconcileFetch(reconcile_id=number)):
                self.fetched_ns.append(self.boot_ns)
                self._inputs.append(event(Ack(), producer="order_router"))
                if self.reconcile_clean is not None:
                    report = ReconcileReport(number, self.reconcile_clean, (), (), 0, (), 1)
                    self._inputs.append(event(report))
            case Request(to="order_state", message=message):
                if isinstance(message, OrderEvent):
                    self.told.append(message)
                if self.ledger_answers:
                    self._inputs.append(event(Ack(), producer="order_state"))

    def _shut(self, output: Output) -> None:
        """What the watchdog does to the router."""
        match output:
            case Request(to="order_router", message=GateClose() as gate):
                self.gates.append(gate)
                if self.in_flight is not None:
                    answer = GateClosed(gate.gate_id, self.in_flight)
                    self._inputs.append(event(answer, producer="order_router"))
            case Fence(peer=peer):
                self.fenced.append(peer)
                self._inputs.append(event(Fenced(peer, "ENDED")))

    def _hear(self, messages: list[Message]) -> None:
        if not self.account.deaf:
            self._inputs.extend(event(message) for message in messages)


def open_kennel(stream_ns: int = 0, config: WatchdogConfig = CONFIG) -> Kennel:
    """Started, its session ready, its first reconcile clean."""
    kennel = Kennel(stream_ns, config=config)
    kennel.start()
    return kennel


def held(lots: int, strategy: str = "ema_cross", instrument: str = "ESM18") -> PositionUpdate:
    return PositionUpdate(strategy, instrument, lots, 0, 0, 0, 0, None)


def kennel_with(lots: int) -> Kennel:
    kennel = open_kennel()
    kennel.account.lots["ESM18"] = lots
    kennel.give(held(lots))
    return kennel
