"""One session with the broker: what was sent, what came back, and what nobody knows. Pure.

Theory of operation. The broker numbers a session's events (`session_seq`). We take them in order,
once each; a hole or a doubt makes us ask (`BrokerQuery`) and be told again. The session is READY
only after a complete snapshot that includes every event we have seen; before that, no order may
leave.

An order is sent once, its legs with it. If the answer does not come in `ack_timeout_ns`, or if we
restart and cannot know whether the bytes left, it is UNKNOWN: its risk stays reserved and it is
never sent again. What ends it is evidence: an event that names it, or a complete snapshot, asked
for later than the longest time that bytes can still be on the way (`wire_delay_ns`), that does not
know it (NEVER_ARRIVED).

Changes of an order are numbered (`revision`), one at a time on its way. A cancel that the broker
never got is sent again under its number; a replace counts as refused then (CHANGE_LOST).

A snapshot is tied to its query: it says what was true after that query was sent, and nothing about
what was sent later. An answer that no query is waiting for is dropped.

Everything that happens to an order goes to the ledger as a command, repeated by the engine until
the ledger has it on disk; a fill goes there whatever we think of it. A refusal by the ledger, or
news that cannot be (an overfill, a fill of a rejected order, an order that we never sent, a broker
that forgot its numbering) sets `halted`: the router sends nothing more until a person has looked.
The watchdog still closes positions, as long as the broker shows a whole account.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from proto_schemas.base import Message
from proto_schemas.broker import (
    BrokerExecution,
    BrokerOrder,
    BrokerOrderEvent,
    BrokerQuery,
    BrokerSnapshot,
    NewOrder,
)
from proto_schemas.control import PeerStatus
from proto_schemas.enums import OrderAction, OrderState
from proto_schemas.ledger import Execution, OrderEvent
from proto_schemas.signals import Nack
from shared.brokers.orders import (
    ACTION_OF_STATE,
    CHANGEABLE,
    PENDING,
    SessionOrder,
    as_broker_order,
    change_message,
    execution_report,
    order_line,
    order_report,
    report_request,
    with_legs,
)
from shared.kernel.check import check
from shared.kernel.clock import MS, Now
from shared.kernel.order_states import TRANSITIONS, is_live, settled
from shared.kernel.outputs import Barrier, Log, Output, Send, SetTimer

BROKER = "venue"
TIMER = "broker_session"
LOOK_EVERY_NS = 100 * MS
QUERY_TIMEOUT_NS = 500 * MS
LIVE_MAX = 1_000
QUERIES_MAX = 64
QUERY_LOST_NS = 30_000 * MS
DUPLICATE = "DUPLICATE_CLIENT_ORDER_ID"
DONE_MAX = 1_000_000


@dataclass(slots=True)
class BrokerSession:
    """State of one session. `live`: orders not known to be ended; `done`: ended ones by id.

    `queries`: unanswered ones, id -> when sent. `snapshot_asked_ns`: when the query of the last
    accepted snapshot was sent.
    """

    name: str
    ack_timeout_ns: int
    wire_delay_ns: int
    last_seq: int = 0
    ready: bool = False
    broker_epoch: int = 0
    queries: dict[int, int] = field(default_factory=dict)
    next_query_id: int = 1
    snapshot: BrokerSnapshot | None = None
    snapshot_asked_ns: int = 0
    ledger_waiting: int = 0
    halted: str = ""
    live: dict[str, SessionOrder] = field(default_factory=dict)
    done: dict[str, SessionOrder] = field(default_factory=dict)

    # --- what the owner does --------------------------------------------------------------------

    def start(self, now: Now) -> list[Output]:
        """A new life: we cannot know which of the orders sent just before really left."""
        outputs: list[Output] = []
        for item in self.live.values():
            item.sent_ns = item.asked_ns = now.boot_ns
            outputs += self._move(item, OrderAction.LOSE_SIGHT, "RESTARTED")
        self.ready = False
        self.queries.clear()
        timer = SetTimer(TIMER, now.boot_ns + LOOK_EVERY_NS)
        return [*outputs, *self.ask_again(now), timer]

    def ask(self, now: Now) -> list[Output]:
        """Query the broker, unless a fresh query is on its way."""
        last_ns = max(self.queries.values(), default=None)
        if last_ns is not None and now.boot_ns - last_ns < QUERY_TIMEOUT_NS:
            return []
        return self.ask_again(now)

    def ask_again(self, now: Now) -> list[Output]:
        """Query the broker now: what is on its way is too old for the purpose.

        Not while `QUERIES_MAX` wait: a broker that slow must be let answer.
        """
        oldest_ns = min(self.queries.values(), default=now.boot_ns)
        if len(self.queries) >= QUERIES_MAX and now.boot_ns - oldest_ns < QUERY_LOST_NS:
            return []
        query_id, self.next_query_id = self.next_query_id, self.next_query_id + 1
        self.queries[query_id] = now.boot_ns
        while len(self.queries) > QUERIES_MAX:
            del self.queries[min(self.queries)]
        return [Send(BROKER, BrokerQuery(self.name, self.last_seq, query_id))]

    def submit(
        self, order: NewOrder, strategy: str, correlation: str | None, until_ns: int, now: Now
    ) -> list[Output]:
        """Write down, wait for the disk, send once; not at all if `until_ns` (boot) has passed."""
        items = with_legs(order, strategy, correlation, now.boot_ns)
        check(len(self.live) + len(items) <= LIVE_MAX, "live orders are bounded", len(self.live))
        send = Send(BROKER, order, correlation, order.client_order_id, until_ns)
        outputs: list[Output] = [Barrier(), send]
        for item in items:
            key = item.order.client_order_id
            check(self.order(key) is None, "order id is new", key)
            self.live[key] = item
            outputs += self._move(item, OrderAction.SUBMIT, "SENT")
        return outputs

    def cancel(self, client_order_id: str, now: Now) -> list[Output]:
        """Ask the broker to end an order; later, if it cannot be asked yet. Safe to repeat."""
        item = self.live.get(client_order_id)
        if item is None or item.state is OrderState.PENDING_CANCEL:
            return []
        if item.state not in CHANGEABLE:
            item.cancel_wanted = True  # the broker has not named it, or judges another change
            return []
        item.cancel_wanted = False
        return self._change(item, OrderAction.ASK_CANCEL, "CANCEL_SENT", now)

    def replace(
        self, item: SessionOrder, quantity_lots: int, price_ticks: int, now: Now
    ) -> list[Output]:
        """Ask the broker for new terms of an order that `changeable` let pass."""
        check(item.state in CHANGEABLE, "only what works can be changed", item.state)
        item.wanted_lots, item.wanted_ticks = quantity_lots, price_ticks
        return self._change(item, OrderAction.ASK_REPLACE, "REPLACE_SENT", now)

    def order(self, client_order_id: str) -> SessionOrder | None:
        """The order with this id, live or ended, if it was ever sent in this session."""
        return self.live.get(client_order_id) or self.done.get(client_order_id)

    def unknown(self) -> list[SessionOrder]:
        """Orders of which nobody knows whether they live."""
        return [item for item in self.live.values() if item.state is OrderState.UNKNOWN]

    def in_flight(self) -> tuple[str, ...]:
        """Ids of orders that were handed to the socket and that the broker has not named yet."""
        waiting = (OrderState.SUBMITTED, OrderState.UNKNOWN)
        return tuple(key for key, item in self.live.items() if item.state in waiting)

    def with_unseen(self, body: BrokerSnapshot) -> BrokerSnapshot:
        """The account, and our own live orders that it does not show (yet): they may be behind it.

        A query may reach the broker before an order that was sent before it.
        """
        shown = {order.client_order_id for order in body.orders}
        orders = tuple(as_broker_order(i) for key, i in self.live.items() if key not in shown)
        return replace(body, orders=body.orders + orders) if orders else body

    # --- what the broker and the ledger say -----------------------------------------------------

    def on_order_event(self, body: BrokerOrderEvent, now: Now) -> list[Output]:
        """The broker acknowledged, refused or ended an order."""
        if not self._in_sequence(body.session_seq):
            return self._again(body.session_seq, now)
        item = self.order(body.client_order_id)
        if item is None:
            return self._orphan(body.client_order_id, str(body.state))
        if body.code == DUPLICATE:  # says only that the broker has this order already
            return [order_line(item, body.code, body.broker_order_id), *self.ask(now)]
        action = self._action(item, body)
        if action is None:
            return self._halt(f"order event {body.state}", body.client_order_id)
        outputs = self._move(item, action, body.code, body.broker_order_id, body.exchange_ns)
        return outputs + (self.cancel(body.client_order_id, now) if item.cancel_wanted else [])

    def _action(self, item: SessionOrder, body: BrokerOrderEvent) -> OrderAction | None:
        """What the event does to the order; it may be the answer to a change."""
        if body.revision <= item.judged:
            return ACTION_OF_STATE.get(body.state)
        item.judged = body.revision
        if body.change_refused:
            return OrderAction.REFUSE_CHANGE
        if not is_live(body.state):
            return ACTION_OF_STATE.get(body.state)
        item.quantity_lots = body.quantity_lots or item.quantity_lots
        item.price_ticks = body.price_ticks
        return OrderAction.REPLACE

    def on_execution(self, body: BrokerExecution, now: Now) -> list[Output]:
        """The broker filled an order: to the ledger, whatever we think of it."""
        if not self._in_sequence(body.session_seq):
            return self._again(body.session_seq, now)
        item = self.order(body.client_order_id)
        outputs = [self._tell(execution_report(self.name, body, item), item)]
        if item is None:
            return outputs + self._orphan(body.client_order_id, "EXECUTION")
        before = item.state
        item.filled_lots += body.quantity_lots
        full = item.filled_lots >= item.quantity_lots
        if not self._enter(item, OrderAction.FILL_ALL if full else OrderAction.FILL_PART):
            return outputs + self._halt(f"fill of an order that is {before}", body.execution_id)
        if before is OrderState.REJECTED:
            outputs += self._halt("fill of an order that is REJECTED", body.execution_id)
        if item.filled_lots > item.quantity_lots:
            outputs += self._halt("overfill", body.execution_id)
        return [*outputs, order_line(item, "FILL", body.execution_id)]

    def on_snapshot(self, body: BrokerSnapshot, life: int, now: Now) -> list[Output]:
        """Judge the live orders by the whole account; then be ready. `life`: the broker's epoch.

        `self.snapshot is body` tells whether it was accepted.
        """
        asked_ns = self.queries.get(body.query_id)
        if asked_ns is None:
            return []
        for query_id in [each for each in self.queries if each <= body.query_id]:
            del self.queries[query_id]
        if not body.complete or body.session_seq != self.last_seq:
            self.ready = False  # it is not the whole present: the timer asks again
            return self._lost_events(body)
        self.snapshot, self.snapshot_asked_ns, self.ready = body, asked_ns, True
        self.broker_epoch = life  # so the first heartbeat of that life is no news
        seen = {order.client_order_id: order for order in body.orders if order.session == self.name}
        outputs: list[Output] = []
        for item in list(self.live.values()):
            outputs += self._judge(item, seen.get(item.order.client_order_id), asked_ns, now)
        return outputs

    def on_undelivered(self, client_order_id: str, now: Now) -> list[Output]:
        """Proof that no byte of this order left: it is ended, not unknown."""
        entry = self.live.get(client_order_id)
        if entry is None:
            return []
        legs = [item for item in self.live.values() if item.parent_id == client_order_id]
        gone = [self._move(item, OrderAction.REJECT, "NOT_SENT") for item in (entry, *legs)]
        return [output for outputs in gone for output in outputs]

    def on_ledger_answer(self, answer: Message) -> list[Output]:
        """One report is on the ledger's disk, or was refused: then stop sending orders."""
        self.ledger_waiting -= 1
        if not isinstance(answer, Nack):
            return []
        self.halted = self.halted or f"ledger refused a report: {answer.code}"
        fields = {"code": answer.code, "field": answer.field, "value": answer.value}
        return [Log("ledger_refused", dict(fields), "error")]

    def on_broker(self, status: PeerStatus, now: Now) -> list[Output]:
        """The broker went silent or restarted: not ready until a new snapshot."""
        if status.up and status.peer_epoch == self.broker_epoch and self.ready:
            return []
        self.ready = False
        self.queries.clear()
        if not status.up:
            return [Log("broker_silent", {"session": self.name}, "warning")]
        self.broker_epoch = status.peer_epoch
        return self.ask_again(now)

    def on_garbled(self, code: str, now: Now) -> list[Output]:
        """Something of the broker's could not be read: not ready until we were told all again."""
        self.ready = False
        fields: dict[str, str | int | bool | None] = {"session": self.name, "code": code}
        return [Log("broker_garbled", fields, "error"), *self.ask(now)]

    def on_timer(self, now: Now) -> list[Output]:
        """Look for orders without an answer and for a snapshot that is owed."""
        outputs: list[Output] = []
        sent_until_ns = now.boot_ns - self.ack_timeout_ns
        for item in list(self.live.values()):
            if item.state is OrderState.SUBMITTED and item.sent_ns < sent_until_ns:
                outputs += self._move(item, OrderAction.LOSE_SIGHT, "ACK_TIMEOUT")
        if not self.ready or self.unknown() or self.queries or self._changes_late(now):
            outputs += self.ask(now)
        return [*outputs, SetTimer(TIMER, now.boot_ns + LOOK_EVERY_NS)]

    # --- inside ---------------------------------------------------------------------------------

    def _in_sequence(self, session_seq: int) -> bool:
        if session_seq != self.last_seq + 1:
            return False
        self.last_seq = session_seq
        return True

    def _again(self, session_seq: int, now: Now) -> list[Output]:
        """A repeat is dropped in silence; a hole means that we ask for what is missing."""
        if session_seq <= self.last_seq:
            return []
        self.ready = False
        return self.ask(now)

    def _judge(
        self, item: SessionOrder, seen: BrokerOrder | None, asked_ns: int, now: Now
    ) -> list[Output]:
        if seen is not None:
            item.revision = max(item.revision, seen.revision)
            action = ACTION_OF_STATE.get(seen.state)
            news = action is not None and TRANSITIONS.get((item.state, action)) is not item.state
            if action and news:
                return self._move(item, action, "SNAPSHOT")
            return self._judge_change(item, seen, asked_ns, now)
        late_enough = asked_ns - item.sent_ns >= self.wire_delay_ns
        if item.state in (OrderState.SUBMITTED, OrderState.UNKNOWN) and late_enough:
            return self._move(item, OrderAction.REJECT, "NEVER_ARRIVED")
        return []

    def _judge_change(
        self, item: SessionOrder, seen: BrokerOrder, asked_ns: int, now: Now
    ) -> list[Output]:
        """A change that the broker should have and has not was lost. A cancel is asked again."""
        pending = item.state in PENDING and seen.revision < item.revision
        if not pending or asked_ns - item.asked_ns < self.wire_delay_ns:
            return []
        if item.state is OrderState.PENDING_CANCEL:
            item.asked_ns = now.boot_ns
            return [Send(BROKER, change_message(self.name, item), item.correlation_id)]
        item.judged = item.revision
        return self._move(item, OrderAction.REFUSE_CHANGE, "CHANGE_LOST")

    def _changes_late(self, now: Now) -> bool:
        before_ns = now.boot_ns - self.ack_timeout_ns
        late = (item for item in self.live.values() if item.asked_ns < before_ns)
        return any(item.state in PENDING for item in late)

    def _change(self, item: SessionOrder, action: OrderAction, code: str, now: Now) -> list[Output]:
        item.revision += 1
        item.asked_ns = now.boot_ns
        outputs = self._move(item, action, code)
        return [Send(BROKER, change_message(self.name, item), item.correlation_id), *outputs]

    def _move(
        self,
        item: SessionOrder,
        action: OrderAction,
        code: str,
        broker_order_id: str | None = None,
        exchange_ns: int | None = None,
    ) -> list[Output]:
        before = item.state
        if not self._enter(item, action):
            return self._halt(f"{action} of an order that is {before}", item.order.client_order_id)
        if before is item.state and action is OrderAction.LOSE_SIGHT:
            return []
        report = order_report(self.name, item, action, code, broker_order_id, exchange_ns)
        return [self._tell(report, item), order_line(item, code, broker_order_id)]

    def _enter(self, item: SessionOrder, action: OrderAction) -> bool:
        """Make the move if the table has it; False, with nothing changed, if it cannot be."""
        state = TRANSITIONS.get((item.state, action))
        if state is None:
            return False
        item.state = settled(state, item.filled_lots)
        if not is_live(state):
            check(len(self.done) < DONE_MAX, "finished orders are bounded", len(self.done))
            self.done[item.order.client_order_id] = item
            self.live.pop(item.order.client_order_id, None)
        return True

    def _tell(self, report: OrderEvent | Execution, item: SessionOrder | None) -> Output:
        self.ledger_waiting += 1
        return report_request(report, item)

    def _orphan(self, client_order_id: str, what: str) -> list[Output]:
        """The broker speaks of an order that we never sent: a person must look."""
        return self._halt(f"orphan order, {what}", client_order_id)

    def _lost_events(self, body: BrokerSnapshot) -> list[Output]:
        if body.complete and body.events_from_seq > self.last_seq + 1:
            return self._halt("broker no longer has our events", f"from {body.events_from_seq}")
        return []

    def _halt(self, why: str, subject: str) -> list[Output]:
        self.halted = self.halted or f"{why}: {subject}"
        fields = {"session": self.name, "why": why, "subject": subject}
        return [Log("session_halted", dict(fields), "error")]
