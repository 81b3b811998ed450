"""The monitor's core: keeps the last of everything and answers one question, "what is going on?".

It decides nothing and nobody waits for it: its death changes nothing for trading. Its log lines are
the alarms: a silent process, a break in a reconcile, a feed that stands still, a mode that changed.

A status request is not journaled, so answering it changes no state. The table of heartbeats is not
journaled either; it belongs to the engine around this core, which hands it in as `peers`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from proto_schemas.base import Message
from proto_schemas.control import (
    AccountView,
    Blind,
    Control,
    PeerStatus,
    Replace,
    ServiceStatus,
    Sighted,
    Started,
    StatusReport,
    StatusRequest,
    TimerFired,
    Undelivered,
)
from proto_schemas.enums import FeedState, Mode, OrderState, ServiceState
from proto_schemas.ledger import OrderUpdate, PositionUpdate, ReconcileReport
from proto_schemas.market_data import FeedStatus
from proto_schemas.registry import SERVICES
from services.monitor.config import MonitorConfig
from services.monitor.day_profit import DayProfit
from shared.bus.peers import Peers
from shared.kernel.clock import Now
from shared.kernel.outputs import Event, Log, Output, Reply
from shared.kernel.readings import Readings

NAME = "monitor"
ORDERS_MAX = 100_000
CENT_MILLS = 10

Fields = dict[str, str | int | bool | None]


@dataclass(slots=True)
class MonitorState:
    """The last of everything. `orders`: id -> whether it filled, the newest `ORDERS_MAX` only."""

    epoch: int = 0
    started_ns: int = 0
    ledger_blind: bool = True
    control: Control | None = None
    feed: FeedStatus | None = None
    report: ReconcileReport | None = None
    account: AccountView | None = None
    positions: dict[str, PositionUpdate] = field(default_factory=dict)
    orders: dict[str, bool] = field(default_factory=dict)
    orders_seen: int = 0
    orders_filled: int = 0
    day: DayProfit = field(default_factory=DayProfit)


class MonitorCore:
    """Implements `shared.kernel.outputs.Core`."""

    def __init__(self, config: MonitorConfig) -> None:
        self._config = config
        self._state = MonitorState()
        self.peers: Peers | None = None
        self.pid = 0

    def handle(self, event: Event, now: Now) -> list[Output]:
        """Take one input; return what to do: an answer or an alarm, mostly nothing."""
        match event.body:
            case StatusRequest():
                return [Reply(event.envelope, self.report(now))]
            case FeedStatus() as status:
                return self._feed(status)
            case OrderUpdate() as update:
                return self._order(update)
            case PositionUpdate() as update:
                self._position(update, now)
            case ReconcileReport() as report:
                return self._reconcile(report)
            case AccountView() as view:
                self._state.account = view
            case Control() as control:
                return self._control(control)
            case PeerStatus() as peer:
                return self._peer(peer)
            case Started():
                self._started(event.envelope.epoch, now)
            case Blind() | Replace() | Sighted() as change:
                self._stream(change)
            case TimerFired() | Undelivered():
                pass  # sets no timer and sends no one-shot
            case body:
                return [Log("input_unknown", {"kind": type(body).__name__}, "warning")]
        return []

    def current(self, stream: str) -> list[Message]:
        """Publishes no gapless stream."""
        return []

    def state_word(self) -> str:
        """The `ServiceState` to show: RECONCILING until the ledger's stream is whole."""
        if not self._state.epoch:
            return ServiceState.STARTING
        return ServiceState.RECONCILING if self._state.ledger_blind else ServiceState.READY

    def readings(self, now: Now) -> Readings:
        """Numbers for whoever watches. Money only while the ledger can be heard whole."""
        state = self._state
        alarm_mills = self._config.tunables.loss_alarm_cents * CENT_MILLS
        found: Readings = {("bulkhead_loss_alarm_dollars",): alarm_mills}
        if not state.ledger_blind:
            found["bulkhead_day_profit_dollars",] = state.day.mills(state.positions.values())
        return found

    def state(self) -> object:
        """What journaled inputs have made; the heartbeats are not among them."""
        return self._state

    def restore(self, state: Any) -> None:
        """Take back what `state` once gave."""
        self._state = state

    # --- inputs ---------------------------------------------------------------------------------

    def _started(self, epoch: int, now: Now) -> None:
        if not self._state.epoch:
            self._state.started_ns = now.boot_ns
        self._state.epoch = epoch
        self._state.ledger_blind = True

    def _stream(self, change: Blind | Replace | Sighted) -> None:
        self._state.ledger_blind = not isinstance(change, Sighted)
        if isinstance(change, Replace):
            self._state.positions.clear()

    def _position(self, update: PositionUpdate, now: Now) -> None:
        """While the ledger tells everything anew, the positions known are not all of them."""
        state = self._state
        if not state.ledger_blind:
            state.day.turn(state.positions.values(), now.stream_ns)
        state.positions[f"{update.strategy} {update.instrument}"] = update

    def _feed(self, status: FeedStatus) -> list[Output]:
        before, self._state.feed = self._state.feed, status
        if before is not None and before.state is status.state:
            return []
        fields: Fields = {"state": status.state, "feed_seq": status.feed_seq}
        return [Log("feed_state", fields, "warning" if status.state is FeedState.STALE else "info")]

    def _order(self, update: OrderUpdate) -> list[Output]:
        """Count each order once and each fill once, however often it is told."""
        state, order_id = self._state, update.client_order_id
        filled = update.state is OrderState.FILLED
        known = state.orders.get(order_id)
        if known is None:
            state.orders_seen += 1
        if filled and not known:
            state.orders_filled += 1
        state.orders[order_id] = filled or bool(known)
        if len(state.orders) > ORDERS_MAX:
            del state.orders[next(iter(state.orders))]
        if update.state is not OrderState.UNKNOWN:
            return []
        return [Log("order_unknown", {"client_order_id": order_id}, "warning")]

    def _reconcile(self, report: ReconcileReport) -> list[Output]:
        self._state.report = report
        return [
            Log(
                "reconcile_break",
                {
                    "reconcile_id": report.reconcile_id,
                    "code": item.code,
                    "subject": item.subject,
                    "ledger_lots": item.ledger_lots,
                    "broker_lots": item.broker_lots,
                },
                "error",
            )
            for item in report.breaks
        ]

    def _control(self, control: Control) -> list[Output]:
        before, self._state.control = self._state.control, control
        if before is not None and (before.mode, before.phase) == (control.mode, control.phase):
            return []
        fields: Fields = {"mode": control.mode, "phase": control.phase, "reason": control.reason}
        return [Log("control", fields, "info" if control.mode is Mode.NORMAL else "warning")]

    def _peer(self, peer: PeerStatus) -> list[Output]:
        fields: Fields = {"peer": peer.peer, "peer_epoch": peer.peer_epoch}
        if not peer.up:
            return [Log("peer_silent", fields, "warning")]
        return [Log("peer_up", fields)]

    # --- the answer -----------------------------------------------------------------------------

    def report(self, now: Now) -> StatusReport:
        """Everything on one page. Changes nothing."""
        services = tuple(self._service(name, now) for name in SERVICES)
        return StatusReport(services, self._run_fields() | self._money_fields(now))

    def _service(self, name: str, now: Now) -> ServiceStatus:
        """A process that was never heard of has pid 0 and is as old as the run."""
        state = self._state
        if name == NAME:
            word = ServiceState(self.state_word())
            return ServiceStatus(name, self.pid, word, max(0, state.epoch - 1), 0, True)
        peer = self.peers.table.get(name) if self.peers else None
        if peer is None:
            age_ns = max(0, now.boot_ns - state.started_ns)
            return ServiceStatus(name, 0, ServiceState.STARTING, 0, age_ns, False)
        age_ns = max(0, now.boot_ns - peer.heard_ns)
        beat = peer.heartbeat
        return ServiceStatus(name, beat.pid, beat.state, max(0, peer.epoch - 1), age_ns, peer.up)

    def _run_fields(self) -> Fields:
        config, control, feed = self._config, self._state.control, self._state.feed
        return {
            "stage": config.stage,
            "run_id": config.run_id,
            "instrument": config.instrument,
            "strategy": config.strategy,
            "simulated_time": True,
            "mode": control.mode if control else None,
            "phase": control.phase if control else None,
            "reason": control.reason if control else None,
            "flat": control.flat if control else None,
            "reconciled": control.reconciled if control else None,
            "kill_id": control.kill_id if control else None,
            "feed_state": feed.state if feed else None,
            "feed_seq": feed.feed_seq if feed else None,
            "events_out": feed.events_out if feed else None,
            "gaps": feed.gaps if feed else None,
            "rows_in": feed.rows_in if feed else None,
            "rows_other": feed.rows_other if feed else None,
            "rows_bad": feed.rows_bad if feed else None,
        }

    def _money_fields(self, now: Now) -> Fields:
        state, positions = self._state, list(self._state.positions.values())
        broker = state.account
        return {
            "position_lots": sum(p.position_lots for p in positions),
            "broker_position_lots": sum(p.position_lots for p in broker.positions)
            if broker
            else None,
            "broker_live_orders": broker.live_orders if broker else None,
            "orders": state.orders_seen,
            "filled_orders": state.orders_filled,
            "realised_mills": sum(p.realised_mills for p in positions),
            "open_mills": sum(p.open_mills for p in positions),
            "fees_mills": sum(p.fees_mills for p in positions),
            "stream_ns": now.stream_ns,
        }
