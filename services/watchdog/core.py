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
resumes it (`latch.py`).

REVOKING waits until no order of the router can arrive any more; FLATTENING and VERIFYING follow the
three laws of `flatten.py`; FLAT asks for a last reconcile. Closing orders go through our own
session and are marked reduce-only. Times of day come from the stream clock, everything else from
the boot clock.
"""

from __future__ import annotations

from proto_schemas.base import Envelope, Message
from proto_schemas.broker import (
    BrokerExecution,
    BrokerOrderEvent,
    BrokerSnapshot,
    CancelOthers,
    NewOrder,
)
from proto_schemas.control import (
    Control,
    KillRequest,
    KillSeen,
    LatchSeen,
    Lease,
    LeaseRequest,
    PeerStatus,
    ResumeRequest,
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
from services.watchdog.latch import CLEAR, FILE, Latch, resume_refusal, seen_latch
from services.watchdog.session_clock import session_timers
from services.watchdog.state import WatchdogState
from shared.brokers.session import BROKER, LEDGER, BrokerSession
from shared.kernel.clock import MS, SECOND, Now
from shared.kernel.ids import ORIGIN_WATCHDOG, client_order_id
from shared.kernel.outputs import (
    Barrier,
    Event,
    Log,
    Output,
    Publish,
    Push,
    Reply,
    Request,
    Send,
    SetTimer,
    Store,
)

NAME = "watchdog"
ROUTER = "order_router"
LOOK_EVERY_NS = 50 * MS
WATCH_EVERY_NS = SECOND
RECONCILE_RETRY_NS = 500 * MS
CONTROL_EVERY_NS = SECOND
LOOKING = (SessionPhase.FLATTENING, SessionPhase.VERIFYING)


class WatchdogCore:
    """See the module's theory of operation."""

    def __init__(self, config: WatchdogConfig) -> None:
        self._config = config
        session = BrokerSession(NAME, config.ack_timeout_ns, config.wire_delay_ns)
        self._state = WatchdogState(session)

    def handle(self, event: Event, now: Now) -> list[Output]:
        """Take one input."""
        armed = self._arm_clock(now)
        match event.body:
            case LeaseRequest(nonce=nonce):
                lease = Lease(nonce, self._state.epoch, self.mode(), self._config.lease_ttl_ns)
                return [*armed, Push(ROUTER, lease)]
            case FeedStatus(state=FeedState.ENDED):
                return armed + self._on_stream_end(now)
            case PositionUpdate() as body:
                self._note_owner(body)
            case ReconcileReport() as report:
                return armed + self._on_report(report, now)
            case Ack() | Nack():
                return armed + self._on_answer(event.envelope, event.body)
            case TimerFired(name=name):
                return armed + self._on_timer(name, now)
            case Started(install_id=install_id):
                return armed + self._on_started(install_id, event.envelope.epoch, now)
            case _:
                return armed + self._on_broker_or_person(event, now)
        return armed

    def _on_broker_or_person(self, event: Event, now: Now) -> list[Output]:
        """News of our own broker session, and the wishes of people."""
        session = self._state.session
        match event.body:
            case BrokerSnapshot() as body:
                return self._on_snapshot(body, now)
            case BrokerOrderEvent() as body:
                return session.on_order_event(body, now)
            case BrokerExecution() as body:
                return session.on_execution(body, now)
            case PeerStatus(peer="venue") as status:
                return session.on_broker(status, now)
            case Undelivered(kind="new_order", subject=client_id):
                return session.on_undelivered(client_id, now)
            case KillRequest(source, reason):  # the answer goes behind the latch on disk
                return [*self._kill(source, reason, now), Reply(event.envelope, Ack())]
            case KillSeen(source, reason):
                return self._kill(source, reason, now)
            case ResumeRequest() as wish:
                return self._resume(wish, event.envelope, now)
            case LatchSeen() as seen:
                return self._on_latch_seen(seen, now)
        return []

    def current(self, stream: str) -> list[Message]:
        """No gapless stream: only a latch, repeated every second."""
        return []

    def state(self) -> WatchdogState:
        """Everything mutable."""
        return self._state

    def state_word(self) -> str:
        """KILLED while a kill holds; RECONCILING until cleared, then what is allowed."""
        if self._state.latch is not None:
            return ServiceState.KILLED
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
        healthy = healthy and state.latch is None
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

    def _begin_flattening(self, now: Now) -> list[Output]:
        """Nobody else can send any more: cancel what still lives, then look."""
        entered = self._enter(SessionPhase.FLATTENING, self._state.reason, now)
        return [*entered, Send(BROKER, CancelOthers(NAME)), *self._look(now)]

    def _look(self, now: Now) -> list[Output]:
        """Ask for the account again, soon; after a kill for as long as it holds, but slowly."""
        asked = self._state.session.ask_again(now)
        flat = self._state.phase is SessionPhase.FLAT
        every_ns = WATCH_EVERY_NS if flat else LOOK_EVERY_NS
        return [*asked, SetTimer("look", now.boot_ns + every_ns)]

    def _looking(self) -> bool:
        held = self._state.phase is SessionPhase.FLAT and self._state.latch is not None
        return held or self._state.phase in LOOKING

    def _on_snapshot(self, body: BrokerSnapshot, now: Now) -> list[Output]:
        state = self._state
        was_ready = state.session.ready
        outputs = state.session.on_snapshot(body, now)
        if state.session.snapshot is not body:
            return outputs  # not accepted: it proves nothing
        if not was_ready:
            outputs += self._reconcile(now)
        if self._looking():
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
        if self._state.phase is SessionPhase.FLAT:
            return []
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
        side, lots = close.side, close.quantity_lots
        order = NewOrder(NAME, order_id, close.instrument, side, lots, OrderType.MARKET, True)
        owner = state.owners.get(close.instrument, NAME)
        correlation = f"{NAME}-{state.epoch}-{state.orders_made}"
        until_ns = now.boot_ns + self._config.report_lag_ns
        return state.session.submit(order, owner, correlation, until_ns, now)

    def _note_owner(self, body: PositionUpdate) -> None:
        """Whose position it is: closing orders are booked to that strategy."""
        if body.position_lots:
            self._state.owners[body.instrument] = body.strategy

    # --- kill and resume ------------------------------------------------------------------------

    def _kill(self, source: str, reason: str, now: Now) -> list[Output]:
        """Latch first, on disk; then shut, cancel and close. A second kill joins the first."""
        state = self._state
        if state.latch is not None:
            joined = _line("kill_joined", kill_id=state.latch.kill_id, source=source, reason=reason)
            return [joined]
        state.kills += 1
        return self._latch(Latch(f"kill-{state.epoch}-{state.kills}", source, reason), now)

    def _latch(self, latch: Latch, now: Now) -> list[Output]:
        self._state.latch = latch
        said = _line("killed", kill_id=latch.kill_id, source=latch.source, reason=latch.reason)
        return [Store(FILE, latch.record()), Barrier(), said, *self._revoke("KILL", now)]

    def _on_latch_seen(self, seen: LatchSeen, now: Now) -> list[Output]:
        """The files may say more than the journal, never less."""
        latch = seen_latch(seen)
        if self._state.latch is not None or latch is None:
            current = self._state.latch
            return [Store(FILE, current.record() if current else CLEAR)]
        return self._latch(latch, now)

    def _resume(self, wish: ResumeRequest, request: Envelope, now: Now) -> list[Output]:
        state = self._state
        proven = state.flat and state.reconciled and state.phase is SessionPhase.FLAT
        refusal = resume_refusal(state.latch, wish, proven)
        if refusal is not None:
            return [Reply(request, Nack(refusal[0], "resume", refusal[1]))]
        state.latch, state.flat = None, False
        state.reopen_due = state.clock_armed = False  # hours that passed meanwhile count again
        said = _line("resumed", kill_id=wish.kill_id, operator=wish.operator, reason=wish.reason)
        opened = self._enter(SessionPhase.OPEN, f"RESUMED by {wish.operator}"[:200], now)
        opened += self._arm_clock(now)
        return [Store(FILE, CLEAR), Barrier(), said, *opened, Reply(request, Ack())]

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
        if not state.reopen_due or state.latch is not None:
            return self._publish_control(now)
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
                return self._begin_flattening(now)
            case "look":
                return self._look(now) if self._looking() else []
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
        return session_timers(config, now.stream_ns)

    def _publish_control(self, now: Now) -> list[Output]:
        state = self._state
        control = Control(
            state.epoch,
            self.mode(),
            state.phase,
            state.reason,
            state.flat,
            state.reconciled,
            state.latch.kill_id if state.latch else None,
        )
        return [Publish(control), SetTimer("control", now.boot_ns + CONTROL_EVERY_NS)]

    def _on_started(self, install_id: str, epoch: int, now: Now) -> list[Output]:
        state = self._state
        state.install_id, state.epoch = install_id, epoch
        state.cleared = state.clock_armed = False
        state.reconcile_floor = state.reconcile_id  # no report of an earlier life clears this one
        outputs = state.session.start(now) + self._publish_control(now)
        if state.phase in (SessionPhase.REVOKING, *LOOKING) or state.latch is not None:
            outputs += self._revoke(state.reason, now)
        return [*outputs, *self._arm_clock(now)]


def _line(event: str, **fields: str) -> Log:
    return Log(event, dict(fields), "warning")
