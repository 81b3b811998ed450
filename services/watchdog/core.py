"""The watchdog: who may trade, until when, and how a session ends. No strategy logic here.

Theory of operation. The watchdog holds its own session with the broker. It answers the router's
lease requests: how much is allowed (mode) and for how long. It grants nothing before its own
session is complete and a first reconcile of this life came back clean, and nothing once a session
is ending.

The session end is a planner that runs through phases, each of which survives a restart:

    OPEN -> ENTRIES_STOPPED -> REVOKING -> FLATTENING -> VERIFYING -> FLAT -> OPEN (next session)
                                  ^ after a restart in any of these        -> CLOSED (stream ended)

REVOKING waits until no order of the router can arrive any more; FLATTENING and VERIFYING follow the
three laws of `flatten.py`; FLAT asks for a last reconcile. Closing orders go through our own
session and are marked reduce-only. Times of day come from the stream clock, everything else from
the boot clock.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from proto_schemas.base import Envelope, Message
from proto_schemas.broker import BrokerExecution, BrokerOrderEvent, BrokerSnapshot, NewOrder
from proto_schemas.control import (
    Control,
    Lease,
    LeaseRequest,
    PeerStatus,
    Started,
    TimerFired,
    Undelivered,
)
from proto_schemas.enums import FeedState, Mode, OrderType, ServiceState, SessionPhase
from proto_schemas.ledger import PositionUpdate, ReconcileFetch, ReconcileReport
from proto_schemas.market_data import FeedStatus
from proto_schemas.signals import Ack, Nack
from services.watchdog.config import WatchdogConfig
from services.watchdog.flatten import Close, Flattening
from shared.brokers.session import LEDGER, BrokerSession
from shared.kernel.clock import MS, SECOND, Now
from shared.kernel.ids import ORIGIN_WATCHDOG, client_order_id
from shared.kernel.outputs import Event, Log, Output, Publish, Push, Request, SetTimer
from shared.markets import new_york_day_and_second, next_time_of_day_ns

NAME = "watchdog"
ROUTER = "order_router"
LOOK_EVERY_NS = 50 * MS
RECONCILE_RETRY_NS = 500 * MS
CONTROL_EVERY_NS = SECOND
ENDING = (SessionPhase.REVOKING, SessionPhase.FLATTENING, SessionPhase.VERIFYING)


@dataclass(slots=True)
class WatchdogState:
    """Everything the watchdog must not forget."""

    session: BrokerSession
    epoch: int = 0
    install_id: str = ""
    orders_made: int = 0
    phase: SessionPhase = SessionPhase.OPEN
    stream_ended: bool = False
    clock_armed: bool = False
    reopen_due: bool = False
    cleared: bool = False
    flat: bool = False
    reconciled: bool = False
    reconcile_id: int = 0
    reconcile_floor: int = 0
    reason: str = "starting"
    control_epoch: int = 0
    plan: Flattening = field(default_factory=Flattening)
    owners: dict[str, str] = field(default_factory=dict)


class WatchdogCore:
    """See the module's theory of operation."""

    def __init__(self, config: WatchdogConfig) -> None:
        self._config = config
        session = BrokerSession(NAME, config.ack_timeout_ns, config.wire_delay_ns)
        self._state = WatchdogState(session)

    def handle(self, event: Event, now: Now) -> list[Output]:
        """Take one input."""
        state, session = self._state, self._state.session
        armed = self._arm_clock(now)
        match event.body:
            case LeaseRequest(nonce=nonce):
                lease = Lease(nonce, state.epoch, self.mode(), self._config.lease_ttl_ns)
                return [*armed, Push(ROUTER, lease)]
            case FeedStatus(state=FeedState.ENDED):
                return armed + self._on_stream_end(now)
            case BrokerOrderEvent() as body:
                return armed + session.on_order_event(body, now)
            case BrokerExecution() as body:
                return armed + session.on_execution(body, now)
            case BrokerSnapshot() as body:
                return armed + self._on_snapshot(body, now)
            case PositionUpdate() as body:
                self._note_owner(body)
            case ReconcileReport() as report:
                return armed + self._on_report(report, now)
            case Ack() | Nack():
                return armed + self._on_answer(event.envelope, event.body)
            case PeerStatus(peer="venue") as status:
                return armed + session.on_broker(status, now)
            case Undelivered(kind="new_order", subject=client_id):
                return armed + session.on_undelivered(client_id, now)
            case TimerFired(name=name):
                return armed + self._on_timer(name, now)
            case Started(install_id=install_id):
                return armed + self._on_started(install_id, event.envelope.epoch, now)
        return armed

    def current(self, stream: str) -> list[Message]:
        """The watchdog publishes only a latch, repeated every second."""
        return []

    def state(self) -> WatchdogState:
        """Everything mutable."""
        return self._state

    def state_word(self) -> str:
        """RECONCILING until cleared, then what is allowed."""
        if not (self._state.cleared and self._state.session.ready):
            return ServiceState.RECONCILING
        words = {
            Mode.NORMAL: ServiceState.TRADING,
            Mode.REDUCE_ONLY: ServiceState.REDUCE_ONLY,
            Mode.HALT: ServiceState.PAUSED,
        }
        return words[self.mode()]

    def mode(self) -> Mode:
        """What is allowed now."""
        state = self._state
        healthy = state.cleared and state.session.ready and not state.session.halted
        if not healthy or state.phase not in (SessionPhase.OPEN, SessionPhase.ENTRIES_STOPPED):
            return Mode.HALT
        return Mode.NORMAL if state.phase is SessionPhase.OPEN else Mode.REDUCE_ONLY

    # --- the session's phases -------------------------------------------------------------------

    def _enter(self, phase: SessionPhase, reason: str, now: Now) -> list[Output]:
        self._state.phase, self._state.reason = phase, reason
        line = Log("session_phase", {"phase": str(phase), "reason": reason})
        return [line, *self._publish_control(now)]

    def _on_stream_end(self, now: Now) -> list[Output]:
        if self._state.stream_ended:
            return []
        self._state.stream_ended = True
        return self._revoke("END_OF_STREAM", now)

    def _revoke(self, reason: str, now: Now) -> list[Output]:
        """Grant no lease any more; wait out the last one and the wire."""
        self._state.flat = self._state.reconciled = False
        self._state.plan = Flattening()
        self._state.reconcile_floor = self._state.reconcile_id
        wait_ns = self._config.lease_ttl_ns + self._config.wire_delay_ns
        entered = self._enter(SessionPhase.REVOKING, reason, now)
        return [*entered, SetTimer("revoked", now.boot_ns + wait_ns)]

    def _look(self, now: Now) -> list[Output]:
        """Ask for the account again, soon."""
        asked = self._state.session.ask_again(now)
        return [*asked, SetTimer("look", now.boot_ns + LOOK_EVERY_NS)]

    def _on_snapshot(self, body: BrokerSnapshot, now: Now) -> list[Output]:
        state = self._state
        was_ready = state.session.ready
        outputs = state.session.on_snapshot(body, now)
        if state.session.snapshot is not body:
            return outputs  # not accepted: it proves nothing
        if not was_ready:
            outputs += self._reconcile(now)
        if state.phase in (SessionPhase.FLATTENING, SessionPhase.VERIFYING):
            outputs += self._flatten(body, now)
        return outputs

    def _flatten(self, body: BrokerSnapshot, now: Now) -> list[Output]:
        plan, settle_ns = self._state.plan, self._config.report_lag_ns
        closes = plan.look(body, self._state.session.snapshot_asked_ns, settle_ns, now)
        if closes is None:
            return []
        if closes:
            outputs = self._enter(SessionPhase.FLATTENING, self._state.reason, now)
            for close in closes:
                outputs += self._close(close, now)
            return outputs
        if plan.proven_flat(settle_ns, now):
            self._state.flat, self._state.reconciled = True, False  # the last reconcile comes now
            self._state.reconcile_floor = self._state.reconcile_id
            return self._enter(SessionPhase.FLAT, self._state.reason, now) + self._reconcile(now)
        if self._state.phase is SessionPhase.FLATTENING and plan.view == ((), ()):
            return self._enter(SessionPhase.VERIFYING, self._state.reason, now)
        return []

    def _close(self, close: Close, now: Now) -> list[Output]:
        state = self._state
        state.orders_made += 1
        order_id = client_order_id(
            state.install_id, ORIGIN_WATCHDOG, state.epoch, state.orders_made
        )
        order = NewOrder(
            NAME,
            order_id,
            close.instrument,
            close.side,
            close.quantity_lots,
            OrderType.MARKET,
            True,
        )
        owner = state.owners.get(close.instrument, NAME)
        correlation = f"{NAME}-{state.epoch}-{state.orders_made}"
        until_ns = now.boot_ns + self._config.report_lag_ns
        return state.session.submit(order, owner, correlation, until_ns, now)

    def _note_owner(self, body: PositionUpdate) -> None:
        """Whose position it is: closing orders are booked to that strategy."""
        if body.position_lots:
            self._state.owners[body.instrument] = body.strategy

    # --- reconcile ------------------------------------------------------------------------------

    def _reconcile(self, now: Now) -> list[Output]:
        """Have the router fetch the account for the ledger, once our own news is in."""
        retry = SetTimer("reconcile", now.boot_ns + RECONCILE_RETRY_NS)
        if self._state.session.ledger_waiting:
            return [retry]
        self._state.reconcile_id += 1
        fetch = ReconcileFetch(self._state.reconcile_id)
        expires_ns = now.boot_ns + RECONCILE_RETRY_NS
        return [Request(ROUTER, fetch, expires_ns=expires_ns), retry]

    def _on_report(self, report: ReconcileReport, now: Now) -> list[Output]:
        state = self._state
        if report.reconcile_id <= state.reconcile_floor:
            return []  # of an earlier life, or from before this session's end
        line = Log(
            "reconciled",
            {"clean": report.clean, "breaks": len(report.breaks), "id": report.reconcile_id},
            "info" if report.clean else "error",
        )
        if not report.clean:
            state.reconciled = False
            return [line]
        state.reconciled = True
        later = SetTimer("reconcile", now.boot_ns + self._config.reconcile_every_ns)
        outputs: list[Output] = [line, later]
        if not state.cleared:
            state.cleared = True
            if state.phase is SessionPhase.OPEN:
                state.reason = "SESSION_OPEN"
            outputs += self._publish_control(now)
        if state.phase is SessionPhase.FLAT:
            outputs += self._after_flat(now)
        return outputs

    def _after_flat(self, now: Now) -> list[Output]:
        """Flat and reconciled: the end of the run, or the night until the next session."""
        state = self._state
        if state.stream_ended:
            return self._enter(SessionPhase.CLOSED, state.reason, now)
        if not state.reopen_due:
            return []
        state.reopen_due = state.clock_armed = state.flat = False
        return self._enter(SessionPhase.OPEN, "SESSION_OPEN", now) + self._arm_clock(now)

    def _on_answer(self, envelope: Envelope, answer: Message) -> list[Output]:
        if envelope.producer != LEDGER:
            return []
        return self._state.session.on_ledger_answer(answer)

    # --- timers ---------------------------------------------------------------------------------

    def _on_timer(self, name: str, now: Now) -> list[Output]:
        state = self._state
        match name:
            case "control":
                return self._publish_control(now)
            case "reconcile":
                return self._reconcile(now)
            case "revoked" if state.phase is SessionPhase.REVOKING:
                return self._enter(SessionPhase.FLATTENING, state.reason, now) + self._look(now)
            case "look":
                ending = state.phase in (SessionPhase.FLATTENING, SessionPhase.VERIFYING)
                return self._look(now) if ending else []
            case "entries_stop" if state.phase is SessionPhase.OPEN:
                return self._enter(SessionPhase.ENTRIES_STOPPED, "SESSION_END", now)
            case "flatten_start" if not state.stream_ended:
                return self._revoke("SESSION_END", now)
            case "reopen" if not state.stream_ended:
                state.reopen_due = True
                proven = state.phase is SessionPhase.FLAT and state.reconciled
                return self._after_flat(now) if proven else []
            case "broker_session":
                return state.session.on_timer(now)
        return []

    def _arm_clock(self, now: Now) -> list[Output]:
        """Set today's session timers once the stream clock runs; catch up if it starts late."""
        state, config = self._state, self._config
        if state.clock_armed or now.stream_ns == 0:
            return []
        state.clock_armed = True
        times = {
            "entries_stop": config.entries_stop_s,
            "flatten_start": config.flatten_start_s,
            "reopen": config.reopen_s,
        }
        _, second = new_york_day_and_second(now.stream_ns)
        return [
            SetTimer(
                name,
                now.stream_ns
                if at_s <= second < config.reopen_s
                else next_time_of_day_ns(now.stream_ns + 1, at_s),
                "stream",
            )
            for name, at_s in times.items()
        ]

    def _publish_control(self, now: Now) -> list[Output]:
        state = self._state
        control = Control(
            state.epoch, self.mode(), state.phase, state.reason, state.flat, state.reconciled
        )
        return [Publish(control), SetTimer("control", now.boot_ns + CONTROL_EVERY_NS)]

    def _on_started(self, install_id: str, epoch: int, now: Now) -> list[Output]:
        state = self._state
        state.install_id, state.epoch = install_id, epoch
        state.cleared = state.clock_armed = False
        state.reconcile_floor = state.reconcile_id  # no report of an earlier life clears this one
        outputs = state.session.start(now) + self._publish_control(now)
        if state.phase in ENDING:
            outputs += self._revoke(state.reason, now)
        return [*outputs, *self._arm_clock(now)]
