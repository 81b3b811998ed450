"""The watchdog: who may trade, until when, and how a session ends. No strategy logic here.

Theory of operation. The watchdog holds its own session with the broker. It answers the router's
lease requests: how much is allowed (mode) and for how long. It grants nothing before its own
session is complete and a first reconcile of this life came back clean, and nothing once a session
is ending.

The session end is a planner that runs through phases, each of which survives a restart:

    OPEN -> ENTRIES_STOPPED -> REVOKING -> FLATTENING -> VERIFYING -> FLAT -> OPEN (next session)
                                  ^ after a restart in any of these        -> CLOSED (stream ended)

A kill runs through the same phases, from any of them, first cancels all orders of others, and then
holds in FLAT: it keeps looking, closes whatever still appears, and grants nothing until a person
resumes it. A kill comes from a person (`ways_in.py`, `killing.py`) or from a trip (`trips.py`).

Times of day come from the stream clock, everything else from the boot clock. Read on in
`closing.py`.
"""

from __future__ import annotations

from typing import Any

from proto_schemas.base import Envelope, Message
from proto_schemas.broker import BrokerExecution, BrokerOrderEvent, BrokerSnapshot
from proto_schemas.control import (
    Fenced,
    Garbled,
    GateClosed,
    KillRequest,
    KillSeen,
    LatchSeen,
    Lease,
    LeaseRequest,
    PeerStatus,
    Replace,
    ResumeRequest,
    Started,
    TimerFired,
    Undelivered,
)
from proto_schemas.enums import FeedState, Mode, SessionPhase
from proto_schemas.ledger import OrderUpdate, PositionUpdate, ReconcileReport
from proto_schemas.market_data import FeedStatus
from proto_schemas.signals import Ack, Nack
from services.watchdog import trips
from services.watchdog.announce import enter, publish_control, show_account
from services.watchdog.closing import (
    NAME,
    ROUTER,
    begin_flattening,
    flatten,
    gate_closed,
    lease_over,
    look,
    looking,
    revoke,
)
from services.watchdog.config import WatchdogConfig
from services.watchdog.killing import kill, on_latch_seen, resume
from services.watchdog.readings import readings
from services.watchdog.reconciling import after_flat, on_report, reconcile
from services.watchdog.session_clock import arm_clock
from services.watchdog.state import LOOKING, WatchdogState, mode, state_word
from shared.brokers.orders import LEDGER
from shared.brokers.session import BrokerSession
from shared.kernel.clock import SECOND, Now
from shared.kernel.outputs import Event, Log, Output, Push, Reply, SetTimer
from shared.kernel.readings import Readings


class WatchdogCore:
    """See the module's theory of operation."""

    def __init__(self, config: WatchdogConfig) -> None:
        self._config = config
        session = BrokerSession(NAME, config.ack_timeout_ns, config.wire_delay_ns)
        self._state = WatchdogState(session)

    def handle(self, event: Event, now: Now) -> list[Output]:
        """Take one input."""
        state, config = self._state, self._config
        armed = arm_clock(state, config, now)
        match event.body:
            case LeaseRequest(nonce=nonce):
                lease = Lease(nonce, state.epoch, mode(state), config.lease_ttl_ns)
                return [*armed, Push(ROUTER, lease)]
            case FeedStatus() as status:
                return armed + self._on_feed(status, now)
            case PositionUpdate() as body:
                trips.note_position(state, body)
            case OrderUpdate() as update:
                trips.note_order(state, update, now)
            case ReconcileReport() as report:
                return armed + on_report(state, config, report, now)
            case Ack() | Nack():
                return armed + self._on_answer(event.envelope, event.body)
            case TimerFired(name=name):
                return armed + self._on_timer(name, now)
            case PeerStatus() as status:
                return armed + self._on_peer(status, now)
            case Started(install_id=install_id):
                return armed + self._on_started(install_id, event.envelope.epoch, now)
            case _:
                return armed + self._on_broker_or_person(event, now)
        return armed

    def _on_broker_or_person(self, event: Event, now: Now) -> list[Output]:
        """News of our own broker session and of the gate, and the wishes of people."""
        state, config = self._state, self._config
        match event.body:
            case BrokerSnapshot() as body:
                return self._on_snapshot(body, event.envelope.epoch, now)
            case BrokerOrderEvent() as body:
                return state.session.on_order_event(body, now)
            case BrokerExecution() as body:
                return state.session.on_execution(body, now)
            case Undelivered(kind="new_order", subject=client_id):
                return state.session.on_undelivered(client_id, now)
            case Garbled(code=code):
                return state.session.on_garbled(code, now)
            case GateClosed() as body:
                return gate_closed(state, config, body, now)
            case Fenced(peer=peer, outcome=outcome):
                return [Log("fenced", {"peer": peer, "outcome": outcome}, "warning")]
            case KillRequest(source, reason):  # the answer goes behind the latch on disk
                killed = kill(state, config, source, reason, now)
                return [*killed, Reply(event.envelope, Ack())]
            case KillSeen(source, reason):
                return kill(state, config, source, reason, now)
            case ResumeRequest() as wish:
                return resume(state, config, wish, event.envelope, now)
            case LatchSeen() as seen:
                return on_latch_seen(state, config, seen, now)
            case Replace():
                state.sights.ledger_lots.clear()
                state.sights.unknown_ns.clear()
        return []

    def current(self, stream: str) -> list[Message]:
        """No gapless stream: only latches, repeated every second."""
        return []

    def readings(self, now: Now) -> Readings:
        """Numbers for whoever watches."""
        return readings(self._state, now)

    def state(self) -> WatchdogState:
        """Everything mutable."""
        return self._state

    def restore(self, state: Any) -> None:
        """Take back what `state` once gave."""
        self._state = state

    def state_word(self) -> str:
        """See `state.state_word`."""
        return state_word(self._state)

    def mode(self) -> Mode:
        """What is allowed now."""
        return mode(self._state)

    # --- news -----------------------------------------------------------------------------------

    def _on_feed(self, status: FeedStatus, now: Now) -> list[Output]:
        state = self._state
        state.sights.feed = status.state
        if status.state is not FeedState.ENDED or state.stream_ended:
            return []
        state.stream_ended = True
        return revoke(state, self._config, "END_OF_STREAM", now)

    def _on_peer(self, status: PeerStatus, now: Now) -> list[Output]:
        """A process that came up hears at once what is allowed."""
        trips.note_peer(self._state, self._config, status, now)
        told = publish_control(self._state, now) if status.up else []
        if status.peer != "venue":
            return told
        return [*told, *self._state.session.on_broker(status, now)]

    def _on_snapshot(self, body: BrokerSnapshot, life: int, now: Now) -> list[Output]:
        state = self._state
        was_ready, before = state.session.ready, state.session.snapshot
        outputs = state.session.on_snapshot(body, life, now)
        if state.session.snapshot is not body:
            return outputs  # not accepted: it proves nothing
        if not was_ready:
            outputs += reconcile(state, now)
        moved = before is None or before.positions != body.positions
        if moved or now.boot_ns - state.account_shown_ns >= SECOND:
            outputs += show_account(state, now)
        if looking(state):
            outputs += flatten(state, self._config, body, now)
        return outputs

    def _on_answer(self, envelope: Envelope, answer: Message) -> list[Output]:
        if envelope.producer != LEDGER:
            return []
        return self._state.session.on_ledger_answer(answer)

    # --- timers ---------------------------------------------------------------------------------

    def _on_timer(self, name: str, now: Now) -> list[Output]:
        state, config = self._state, self._config
        revoking = state.phase is SessionPhase.REVOKING
        match name:
            case "control":
                return publish_control(state, now)
            case "trips":
                return self._look_for_trips(now)
            case "account":
                return self._ask_account(now)
            case "reconcile":
                return reconcile(state, now)
            case "lease_over" if revoking:
                return lease_over(state, config, now)
            case "wire_drained" if revoking:
                return begin_flattening(state, now)
            case "look":
                return look(state, now) if looking(state) else []
            case "broker_session":
                return state.session.on_timer(now)
        return self._on_time_of_day(name, now)

    def _on_time_of_day(self, name: str, now: Now) -> list[Output]:
        state, config = self._state, self._config
        match name:
            case "entries_stop" if state.phase is SessionPhase.OPEN:
                return enter(state, SessionPhase.ENTRIES_STOPPED, "SESSION_END", now)
            case "flatten_start" if not state.stream_ended:
                return revoke(state, config, "SESSION_END", now)
            case "reopen" if not state.stream_ended:
                state.reopen_due = True
                proven = state.phase is SessionPhase.FLAT and state.reconciled
                return after_flat(state, config, now) if proven else []
        return []

    def _look_for_trips(self, now: Now) -> list[Output]:
        again = SetTimer("trips", now.boot_ns + trips.LOOK_EVERY_NS)
        found = trips.tripped(self._state, self._config, now)
        if found is None:
            return [again]
        return [again, *kill(self._state, self._config, "trip", ": ".join(found)[:300], now)]

    def _ask_account(self, now: Now) -> list[Output]:
        """Keep our own view of the account young; while closing, `look` does it faster."""
        again = SetTimer("account", now.boot_ns + self._config.account_every_ns)
        return [again] if looking(self._state) else [again, *self._state.session.ask(now)]

    # --- start ----------------------------------------------------------------------------------

    def _on_started(self, install_id: str, epoch: int, now: Now) -> list[Output]:
        state, config = self._state, self._config
        state.install_id, state.epoch = install_id, epoch
        state.cleared = state.clock_armed = False
        state.reconcile_floor = state.reconcile_id  # no report of an earlier life clears this one
        trips.open_life(state, now)
        outputs = state.session.start(now) + publish_control(state, now)
        if state.phase in (SessionPhase.REVOKING, *LOOKING) or state.latch is not None:
            outputs += revoke(state, config, state.reason, now)
        outputs.append(SetTimer("trips", now.boot_ns + trips.LOOK_EVERY_NS))
        outputs.append(SetTimer("account", now.boot_ns + config.account_every_ns))
        return [*outputs, *arm_clock(state, config, now)]
