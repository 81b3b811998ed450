"""The risk engine: one final answer per intent, from hard limits and the worst case.

Theory of operation. An intent runs through the table in `checks.py`. If nothing refuses it, its
lots are reserved and the router gets an approval, both in one step, so no kill can leave an
approval without its reservation. The approval is repeated until the router answers. The router
judges its time to live, and refuses a late one with a Nack; that answer frees the reservation, so
none can leak. What the router accepted ends by the ledger's word.

The strategy's answer is final: refused here at once, or approved and taken by the router, or
refused by the router's gate with the gate's code. So the strategy never waits for an order that
nobody has.

Positions and orders are a replica of the ledger's stream. While it is blind nothing is approved. A
restart trusts nothing from before about the present: mode, feed and marks must be heard again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from proto_schemas.base import Envelope, Message
from proto_schemas.control import Blind, Control, Replace, Sighted, Started, TimerFired
from proto_schemas.enums import Mode, ServiceState
from proto_schemas.ledger import OrderUpdate, PositionUpdate, ReconcileReport
from proto_schemas.market_data import FeedStatus, Mark
from proto_schemas.signals import (
    Ack,
    Approval,
    CancelApproval,
    CancelIntent,
    Decision,
    Intent,
    Nack,
    ReplaceApproval,
    ReplaceIntent,
)
from services.risk_engine.changes import cancel_refusal, replace_refusal
from services.risk_engine.checks import (
    CONTROL_SILENCE_MAX_NS,
    DECISIONS_MAX,
    RATE_WINDOW_NS,
    Refusal,
    RiskState,
    first_refusal,
)
from services.risk_engine.config import RiskConfig
from services.risk_engine.limits import limits_hash
from services.risk_engine.readings import readings
from shared.kernel.clock import Now
from shared.kernel.outputs import Event, Log, Output, Reply, Request, SetTimer
from shared.kernel.readings import Readings

LEDGER = "ledger"
ROUTER = "order_router"
SILENCE_TIMER = "control_silence"
APPROVED = "APPROVED"


@dataclass(slots=True)
class Life:
    """This life's epoch, and the intents whose approval the router has not answered yet."""

    epoch: int = 0
    asked: dict[str, Envelope] = field(default_factory=dict)


class RiskCore:
    """See the module's docstring."""

    def __init__(self, config: RiskConfig) -> None:
        self._config = config
        self._state = RiskState(config)
        self._life = Life()
        self._limits_hash = limits_hash(config.limits)

    def handle(self, event: Event, now: Now) -> list[Output]:
        """Take one input."""
        match event.body:
            case Intent() as intent:
                return self._decide(event, intent, now)
            case CancelIntent() | ReplaceIntent() as wanted:
                return self._change(event, wanted, now)
            case Ack() | Nack() as answer:
                return self._answered(event.subject, answer)
            case Control() as control:
                return self._obey(control, now)
            case TimerFired(name=name) if name == SILENCE_TIMER:
                self._state.mode = Mode.HALT
                return [Log("control_silent", {"limit_ns": CONTROL_SILENCE_MAX_NS}, "warning")]
            case Started():
                return self._start(event.envelope.epoch, now)
            case Mark() as mark:
                self._state.marks[mark.instrument] = mark
            case FeedStatus(instrument=instrument, state=feed):
                self._state.feeds[instrument] = feed
            case body:
                self._follow_ledger(body)
        return []

    def current(self, stream: str) -> list[Message]:
        """No gapless stream of its own."""
        return []

    def state_word(self) -> str:
        """READY: whole, but the watchdog has not spoken in this life yet."""
        state = self._state
        if not self._life.epoch:
            return ServiceState.STARTING
        if not state.sighted:
            return ServiceState.RECONCILING
        if state.mode is Mode.HALT or state.reconciled_clean is False:
            return ServiceState.PAUSED
        if state.mode is Mode.REDUCE_ONLY:
            return ServiceState.REDUCE_ONLY
        return ServiceState.READY if state.mode is None else ServiceState.TRADING

    def readings(self, now: Now) -> Readings:
        """Numbers for whoever watches."""
        return readings(self._state)

    def state(self) -> object:
        """Everything that changes."""
        return (self._state, self._life)

    def restore(self, state: Any) -> None:
        """Take back what `state` once gave."""
        self._state, self._life = state
        self._state.config = self._config  # limits are those of this process, never old ones

    # --- intents ----------------------------------------------------------------------------------

    def _decide(self, event: Event, intent: Intent, now: Now) -> list[Output]:
        state = self._state
        known = state.decided.get(intent.client_order_id)
        if known is not None and known[0] == intent:
            return self._repeat(event.envelope, known[1])
        self._forget_old_approvals(now)
        refusal = first_refusal(state, intent, now)
        decision = _decision(intent.client_order_id, refusal)
        if known is None and len(state.decided) < DECISIONS_MAX:
            state.decided[intent.client_order_id] = (intent, decision)
        if not decision.approved:
            return [self._log(decision), Reply(event.envelope, decision)]
        self._life.asked[intent.client_order_id] = event.envelope
        return [self._approve(intent, now), self._log(decision)]

    def _repeat(self, request: Envelope, decision: Decision) -> list[Output]:
        """The same intent under another request id: the same answer, when there is one."""
        if decision.client_order_id in self._life.asked:
            self._life.asked[decision.client_order_id] = request
            return []
        return [Reply(request, decision)]

    def _approve(self, intent: Intent, now: Now) -> Request:
        state = self._state
        state.reservations.reserve(intent)
        state.approved_ns.append(now.boot_ns)
        for leg in intent.legs:
            state.entry_of_leg[leg.client_order_id] = intent.client_order_id
        approval = Approval(
            client_order_id=intent.client_order_id,
            strategy=intent.strategy,
            instrument=intent.instrument,
            side=intent.side,
            quantity_lots=intent.quantity_lots,
            order_type=intent.order_type,
            reduce_only=intent.reduce_only,
            expires_ns=intent.expires_ns,
            limits_hash=self._limits_hash,
            price_ticks=intent.price_ticks,
            legs=intent.legs,
        )
        return Request(ROUTER, approval, subject=intent.client_order_id)

    # --- changes ----------------------------------------------------------------------------------

    def _change(self, event: Event, wanted: CancelIntent | ReplaceIntent, now: Now) -> list[Output]:
        """Pass it on, or refuse it; the router's word is the answer."""
        state, key = self._state, wanted.client_order_id
        self._forget_old_approvals(now)
        if isinstance(wanted, CancelIntent):
            refusal = cancel_refusal(state, wanted, now)
            approval: Message = CancelApproval(wanted.strategy, key)
            subject, times = f"cancel:{key}", state.cancelled_ns
        else:
            refusal = replace_refusal(state, wanted, now)
            approval = _replace_approval(wanted, self._limits_hash)
            subject, times = f"replace:{key}:{wanted.change_id}", state.approved_ns
        decision = _decision(key, refusal)
        if refusal is not None:
            return [self._log(decision), Reply(event.envelope, decision)]
        times.append(now.boot_ns)
        self._life.asked[subject] = event.envelope
        return [Request(ROUTER, approval, subject=subject), self._log(decision)]

    def _change_answered(self, subject: str, request: Envelope, answer: Ack | Nack) -> list[Output]:
        key = subject.split(":")[1]
        if isinstance(answer, Ack):
            return [Reply(request, _decision(key, None))]
        decision = _decision(key, Refusal(answer.code, answer.field, answer.value))
        return [self._log(decision), Reply(request, decision)]

    def _forget_old_approvals(self, now: Now) -> None:
        times = self._state.approved_ns
        while times and times[0] <= now.boot_ns - RATE_WINDOW_NS:
            times.popleft()

    def _log(self, decision: Decision) -> Log:
        fields: dict[str, str | int | bool | None] = {
            "client_order_id": decision.client_order_id,
            "code": decision.code,
            "limit": decision.limit,
            "value": decision.value,
            "limits_hash": self._limits_hash,
        }
        return Log("decision", fields, "debug" if decision.approved else "warning")

    # --- answers of the router --------------------------------------------------------------------

    def _answered(self, key: str, answer: Ack | Nack) -> list[Output]:
        request = self._life.asked.pop(key, None)
        if request is None:
            return [Log("answer_unknown", {"client_order_id": key}, "error")]
        if ":" in key:
            return self._change_answered(key, request, answer)
        intent, decision = self._state.decided[key]
        if isinstance(answer, Ack):
            return [Reply(request, decision)]
        freed = self._state.reservations.refuse(key)
        refused = _decision(key, Refusal(answer.code, answer.field, answer.value))
        self._state.decided[key] = (intent, refused)
        fields: dict[str, str | int | bool | None] = {
            "client_order_id": key,
            "code": answer.code,
            "limit": answer.field,
            "value": answer.value,
            "freed": freed,
        }
        return [Log("approval_refused", fields, "warning"), Reply(request, refused)]

    # --- what is allowed and what is true ---------------------------------------------------------

    def _start(self, epoch: int, now: Now) -> list[Output]:
        """A new life is blind and deaf until it hears; times of another boot mean nothing."""
        state = self._state
        self._life.epoch = epoch
        state.sighted, state.mode = False, None
        state.feeds.clear()
        state.marks.clear()
        kept = [at_ns for at_ns in state.approved_ns if at_ns <= now.boot_ns]
        state.approved_ns.clear()
        state.approved_ns.extend(kept)
        state.cancelled_ns.clear()
        return [_silence_timer(now)]

    def _obey(self, control: Control, now: Now) -> list[Output]:
        state = self._state
        outputs: list[Output] = [_silence_timer(now)]
        if control.mode is not state.mode:
            outputs.append(Log("mode", {"mode": control.mode.value, "reason": control.reason}))
        state.mode, state.control_ns = control.mode, now.boot_ns
        return outputs

    def _follow_ledger(self, body: Message) -> None:
        state = self._state
        match body:
            case PositionUpdate(strategy=strategy, instrument=instrument, position_lots=lots):
                state.positions[strategy, instrument] = lots
            case OrderUpdate() as update:
                state.reservations.post(update)
            case ReconcileReport(clean=clean):
                state.reconciled_clean = clean
            case Blind(stream=stream) if stream == LEDGER:
                state.sighted = False
            case Replace(stream=stream) if stream == LEDGER:
                state.sighted = False
                state.positions.clear()
                state.reservations.begin_rebuild()
            case Sighted(stream=stream) if stream == LEDGER:
                state.reservations.end_rebuild()
                state.sighted = True


def _decision(client_order_id: str, refusal: Refusal | None) -> Decision:
    if refusal is None:
        return Decision(client_order_id, True, APPROVED, "", "")
    return Decision(client_order_id, False, refusal.code, refusal.limit, refusal.value)


def _replace_approval(wanted: ReplaceIntent, limits_hash: str) -> ReplaceApproval:
    return ReplaceApproval(
        wanted.strategy, wanted.client_order_id, wanted.change_id, wanted.quantity_lots,
        wanted.price_ticks, wanted.expires_ns, limits_hash,
    )  # fmt: skip


def _silence_timer(now: Now) -> SetTimer:
    """Set again by every word of the watchdog; it fires only if there was none."""
    return SetTimer(SILENCE_TIMER, now.boot_ns + CONTROL_SILENCE_MAX_NS + 1)
