"""The order router: approvals in, orders out, and the truth about both to the ledger.

Theory of operation. An approval is a command from the risk engine. It is answered once: Ack means
that it stands in our journal, synced, and its order has been handed to the broker session; Nack
means that it never was and never will be. In between lies only the gate. A repeat of an approval
gets the same answer and sends nothing.

The journal of inputs is the outbox: stepping it again after a kill rebuilds every order, and since
nobody can know which bytes left before the kill, all orders without an answer become UNKNOWN and
the broker is asked (`shared/brokers/session.py`). Until a complete snapshot came back the gate is
shut.

The lease is pulled: every quarter of its life we ask the watchdog with a fresh nonce; an answer
counts from the moment that its own request was sent, so an old or queued answer is worth nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from proto_schemas.base import Envelope, Message
from proto_schemas.broker import BrokerExecution, BrokerOrderEvent, BrokerSnapshot, NewOrder
from proto_schemas.control import (
    Control,
    Garbled,
    GateClose,
    GateClosed,
    Lease,
    LeaseRequest,
    PeerStatus,
    Started,
    TimerFired,
    Undelivered,
)
from proto_schemas.enums import Mode, OrderType, ServiceState
from proto_schemas.ledger import BrokerReport, ReconcileFetch
from proto_schemas.signals import Ack, Approval, CancelApproval, Nack, ReplaceApproval
from services.order_router.config import RouterConfig
from services.order_router.gate import GateState, Refusal, check_gate, is_open, stricter, until_ns
from services.order_router.readings import readings
from shared.brokers.orders import CHANGEABLE, LEDGER, SessionOrder
from shared.brokers.session import LIVE_MAX, TIMER, BrokerSession
from shared.kernel.clock import MS, Now
from shared.kernel.outputs import Event, Log, Output, Reply, Request, Send, SetTimer
from shared.kernel.readings import Readings

NAME = "order_router"
WATCHDOG = "watchdog"
LEASE_TIMER = "lease"
REPORT_TIMER = "report"
REPORT_RETRY_NS = 100 * MS
ACK_MAY_WAIT_NS = 50 * MS
"""All that risk does with it is to stop repeating, and it begins later than this."""
NONCES_MAX = 64


@dataclass(slots=True)
class RouterState:
    """Everything the router must not forget."""

    session: BrokerSession
    gate: GateState = field(default_factory=GateState)
    report_id: int | None = None
    fetched_ns: int = 0
    refused: int = 0


class RouterCore:
    """See the module's theory of operation."""

    def __init__(self, config: RouterConfig) -> None:
        self._config = config
        self._state = RouterState(BrokerSession(NAME, config.ack_timeout_ns, config.wire_delay_ns))

    def handle(self, event: Event, now: Now) -> list[Output]:
        """Take one input."""
        session = self._state.session
        match event.body:
            case Approval() | CancelApproval() | ReplaceApproval() as approved:
                return self._on_approved(approved, event.envelope, now)
            case BrokerOrderEvent() as body:
                return session.on_order_event(body, now)
            case BrokerExecution() as body:
                return session.on_execution(body, now)
            case BrokerSnapshot() as body:
                judged = session.on_snapshot(body, event.envelope.epoch, now)
                return judged + self._report(body, now)
            case Lease() | Control() | GateClose():
                return self._on_watchdog(event, now)
            case Ack() | Nack():
                return self._on_answer(event)
            case ReconcileFetch(reconcile_id=reconcile_id):
                return self._on_fetch(reconcile_id, event.envelope, now)
            case PeerStatus(peer="venue") as status:
                return session.on_broker(status, now)
            case Garbled(code=code):
                return session.on_garbled(code, now)
            case Undelivered(kind="new_order", subject=client_order_id):
                return session.on_undelivered(client_order_id, now)
            case TimerFired(name=name):
                return self._on_timer(name, now)
            case Started():
                return self._on_started(now)
        return []

    def current(self, stream: str) -> list[Message]:
        """The router publishes no stream."""
        return []

    def readings(self, now: Now) -> Readings:
        """Numbers for whoever watches."""
        return readings(self._state.session, self._state.gate, now)

    def state(self) -> RouterState:
        """Everything mutable."""
        return self._state

    def restore(self, state: Any) -> None:
        """Take back what `state` once gave."""
        self._state = state

    def state_word(self) -> str:
        """RECONCILING until the broker's snapshot, then what lease and control allow."""
        if self._state.session.halted:
            return ServiceState.PAUSED
        if not self._state.session.ready:
            return ServiceState.RECONCILING
        mode = stricter(self._state.gate.lease.mode, self._state.gate.control)
        words = {
            Mode.NORMAL: ServiceState.TRADING,
            Mode.REDUCE_ONLY: ServiceState.REDUCE_ONLY,
            Mode.HALT: ServiceState.PAUSED,
        }
        return words[mode]

    # --- orders ---------------------------------------------------------------------------------

    def _on_approved(
        self, body: Approval | CancelApproval | ReplaceApproval, request: Envelope, now: Now
    ) -> list[Output]:
        match body:
            case Approval():
                return self._on_approval(body, request, now)
            case CancelApproval():
                return self._on_cancel(body, request, now)
            case ReplaceApproval():
                return self._on_replace(body, request, now)

    def _on_approval(self, approval: Approval, request: Envelope, now: Now) -> list[Output]:
        session, gate = self._state.session, self._state.gate
        known = session.order(approval.client_order_id)
        if known is not None:
            same = (_order(approval), approval.strategy) == (known.order, known.strategy)
            return [Reply(request, Ack() if same else Nack("DUPLICATE_ORDER", "facts", "differ"))]
        rate_max = self._config.orders_per_second_max
        refusal = check_gate(gate, approval, self._blocked(approval), rate_max, now)
        if refusal is not None:
            return self._refuse(approval, refusal, request)
        gate.sends_ns.append(now.boot_ns)
        outputs = session.submit(
            _order(approval),
            approval.strategy,
            request.correlation_id,
            until_ns(gate, approval),
            now,
        )
        return [*outputs, Reply(request, Ack(), may_wait_ns=ACK_MAY_WAIT_NS)]

    def _on_cancel(self, body: CancelApproval, request: Envelope, now: Now) -> list[Output]:
        """Cancels always pass, but for an exit's that could not be put back: the gate is shut."""
        session, key = self._state.session, body.client_order_id
        item = session.order(key)
        if item is None or item.strategy != body.strategy:
            return [Reply(request, Nack("ORDER_UNKNOWN", "client_order_id", key))]
        if item.order.reduce_only and not is_open(self._state.gate, now):
            return [Reply(request, Nack("GATE_SHUT", "an open gate", "reduce_only order"))]
        return [*session.cancel(key, now), Reply(request, Ack(), may_wait_ns=ACK_MAY_WAIT_NS)]

    def _on_replace(self, body: ReplaceApproval, request: Envelope, now: Now) -> list[Output]:
        """A change is an order that leaves: it passes the gate with its new terms."""
        session, gate = self._state.session, self._state.gate
        item = session.order(body.client_order_id)
        if item is None or item.strategy != body.strategy:
            return [Reply(request, Nack("ORDER_UNKNOWN", "order", body.client_order_id))]
        if body.change_id <= item.change_id:
            return [Reply(request, Ack())]  # asked again: it was taken
        approval = _as_approval(item, body)
        blocked = self._blocked(approval) or _unchangeable(item, body)
        rate_max = self._config.orders_per_second_max
        refusal = check_gate(gate, approval, blocked, rate_max, now)
        if refusal is not None:
            return self._refuse(approval, refusal, request)
        gate.sends_ns.append(now.boot_ns)
        item.change_id = body.change_id
        outputs = session.replace(item, body.quantity_lots, body.price_ticks, now)
        return [*outputs, Reply(request, Ack(), may_wait_ns=ACK_MAY_WAIT_NS)]

    def _blocked(self, approval: Approval) -> Refusal | None:
        session = self._state.session
        if session.halted:
            return Refusal("HALTED", "none", session.halted)
        if not session.ready:
            return Refusal("BROKER_NOT_READY", "snapshot", "none")
        if len(session.live) >= LIVE_MAX:
            return Refusal("TOO_MANY_LIVE", str(LIVE_MAX), str(len(session.live)))
        for item in session.unknown():
            if item.order.instrument == approval.instrument and not approval.reduce_only:
                return Refusal("ORDER_UNKNOWN", "0", item.order.client_order_id)
        return None

    def _refuse(self, approval: Approval, refusal: Refusal, request: Envelope) -> list[Output]:
        self._state.refused += 1
        fields: dict[str, str | int | bool | None] = {
            "client_order_id": approval.client_order_id,
            "code": refusal.code,
            "limit": refusal.limit,
            "value": refusal.value,
        }
        return [
            Reply(request, Nack(refusal.code, refusal.limit, refusal.value)),
            Log("gate_refused", fields, "warning"),
        ]

    def _on_answer(self, event: Event) -> list[Output]:
        if event.envelope.producer != LEDGER:
            return []
        return self._state.session.on_ledger_answer(event.body)

    # --- lease ----------------------------------------------------------------------------------

    def _on_watchdog(self, event: Event, now: Now) -> list[Output]:
        match event.body:
            case Lease() as lease:
                return self._on_lease(lease)
            case Control(mode=mode):
                return self._on_control(mode, now)
            case GateClose(gate_id=gate_id):
                return self._on_gate_close(gate_id, event.envelope)
        return []

    def _ask_lease(self, now: Now) -> list[Output]:
        lease = self._state.gate.lease
        nonce, lease.next_nonce = lease.next_nonce, lease.next_nonce + 1
        lease.asked_ns[nonce] = now.boot_ns
        while len(lease.asked_ns) > NONCES_MAX:
            del lease.asked_ns[min(lease.asked_ns)]
        return [
            Send(WATCHDOG, LeaseRequest(nonce)),
            SetTimer(LEASE_TIMER, now.boot_ns + self._config.lease_ask_every_ns),
        ]

    def _on_lease(self, answer: Lease) -> list[Output]:
        lease = self._state.gate.lease
        asked_ns = lease.asked_ns.get(answer.nonce)
        if asked_ns is None or answer.lease_epoch < lease.epoch:
            return []  # an old or queued answer is worth nothing
        for nonce in [each for each in lease.asked_ns if each <= answer.nonce]:
            del lease.asked_ns[nonce]
        changed = lease.mode is not answer.mode
        lease.epoch, lease.mode = answer.lease_epoch, answer.mode
        lease.until_ns = asked_ns + answer.ttl_ns
        return [Log("lease", {"mode": str(answer.mode)})] if changed else []

    def _on_control(self, mode: Mode, now: Now) -> list[Output]:
        """Shut at once on a stricter word; on a milder one ask for the lease that it promises."""
        gate = self._state.gate
        stopped = mode is Mode.REDUCE_ONLY and gate.control is Mode.NORMAL
        gate.control = mode
        if stopped:
            return self._cancel_entries(now)
        waiting = mode is not Mode.HALT and gate.lease.mode is Mode.HALT
        return self._ask_lease(now) if waiting else []

    def _cancel_entries(self, now: Now) -> list[Output]:
        """No entries any more: those that still wait in the market would be such."""
        session = self._state.session
        waiting = [
            key
            for key, item in session.live.items()
            if not item.order.reduce_only and item.order.order_type is not OrderType.MARKET
        ]
        return [output for key in waiting for output in session.cancel(key, now)]

    def _on_gate_close(self, gate_id: int, request: Envelope) -> list[Output]:
        """Shut now. Answers to questions from before this are worth nothing any more."""
        gate = self._state.gate
        gate.control = gate.lease.mode = Mode.HALT
        gate.lease.until_ns = 0
        gate.lease.asked_ns.clear()
        in_flight = self._state.session.in_flight()
        line = Log("gate_closed", {"gate_id": gate_id, "in_flight": len(in_flight)})
        return [line, Reply(request, GateClosed(gate_id, in_flight))]

    # --- reconcile, timers, start ---------------------------------------------------------------

    def _on_fetch(self, reconcile_id: int, request: Envelope, now: Now) -> list[Output]:
        """Fetch a fresh account for the ledger; its own news must have reached the ledger first."""
        self._state.report_id, self._state.fetched_ns = reconcile_id, now.boot_ns
        again = SetTimer(REPORT_TIMER, now.boot_ns + REPORT_RETRY_NS)
        return [Reply(request, Ack()), *self._state.session.ask_again(now), again]

    def _report(self, body: BrokerSnapshot, now: Now) -> list[Output]:
        """Hand on a snapshot that was accepted and asked for since the fetch; else ask again."""
        session, report_id = self._state.session, self._state.report_id
        if report_id is None:
            return []
        fresh = session.snapshot is body and session.snapshot_asked_ns >= self._state.fetched_ns
        if session.ledger_waiting or not fresh:
            return []  # the timer asks again
        self._state.report_id = None
        report = BrokerReport(report_id, body.orders, body.positions)
        session.ledger_waiting += 1
        return [Request(LEDGER, report)]

    def _ask_for_report(self, now: Now) -> list[Output]:
        if self._state.report_id is None:
            return []
        again = SetTimer(REPORT_TIMER, now.boot_ns + REPORT_RETRY_NS)
        return [*self._state.session.ask_again(now), again]

    def _on_timer(self, name: str, now: Now) -> list[Output]:
        match name:
            case "lease":
                return self._ask_lease(now)
            case "report":
                return self._ask_for_report(now)
        return self._state.session.on_timer(now) if name == TIMER else []

    def _on_started(self, now: Now) -> list[Output]:
        gate = self._state.gate
        gate.lease.until_ns, gate.lease.mode, gate.control = 0, Mode.HALT, Mode.NORMAL
        gate.lease.asked_ns.clear()
        kept = [at_ns for at_ns in gate.sends_ns if at_ns <= now.boot_ns]  # none of another boot
        gate.sends_ns.clear()
        gate.sends_ns.extend(kept)
        self._state.fetched_ns = 0  # maybe of another boot; the session starts with a fresh query
        report = SetTimer(REPORT_TIMER, now.boot_ns + REPORT_RETRY_NS)
        return [*self._state.session.start(now), *self._ask_lease(now), report]


def _order(approval: Approval) -> NewOrder:
    return NewOrder(
        NAME,
        approval.client_order_id,
        approval.instrument,
        approval.side,
        approval.quantity_lots,
        approval.order_type,
        approval.reduce_only,
        approval.price_ticks,
        approval.legs,
    )


def _as_approval(item: SessionOrder, body: ReplaceApproval) -> Approval:
    """The order with its new terms, for the gate."""
    order = item.order
    return Approval(
        order.client_order_id, body.strategy, order.instrument, order.side, body.quantity_lots,
        order.order_type, order.reduce_only, body.expires_ns, body.limits_hash, body.price_ticks,
    )  # fmt: skip


def _unchangeable(item: SessionOrder, body: ReplaceApproval) -> Refusal | None:
    if item.state not in CHANGEABLE:
        return Refusal("NOT_CHANGEABLE", "an order at work", item.state.value)
    if body.quantity_lots > item.quantity_lots:
        return Refusal("QUANTITY_RAISED", str(item.quantity_lots), str(body.quantity_lots))
    return None
