"""The judges of the kill switch. They look at what the venue really got, and when.

I-23: no order of the router leaves later than a lease's life after the latch, and none at all once
the router has confirmed that its gate is closed. I-26: once latched, latched, over any restart,
until a person resumes. I-27: from then on and until the resume only the
watchdog sends, and only what reduces the position: once it has begun to close, lots only shrink.
I-28: the watchdog's closing orders, together with every other live order on that side, never
reach through zero. I-29: flat is said only when the venue holds no position and no live order.
"""

from __future__ import annotations

from dataclasses import dataclass

from proto_schemas.broker import BrokerExecution, BrokerOrderEvent, NewOrder
from proto_schemas.control import GateClose, Lease, LeaseRequest, Started
from proto_schemas.enums import Mode, OrderState
from services.lab.node import Node
from services.lab.violation import Violation
from services.watchdog.config import WatchdogConfig
from services.watchdog.core import WatchdogCore
from shared.bus.codec import decode
from shared.kernel.outputs import Event
from shared.runtime.effects import Effect, Transmit

ENDED = (OrderState.CANCELLED, OrderState.EXPIRED, OrderState.REJECTED)


@dataclass(slots=True)
class LiveOrder:
    """An order at the venue, by the venue's own words."""

    side: int
    leaves_lots: int
    quantity_lots: int


class LeaseSeen:
    """The router's permission, from the messages alone: what it asked for and what it was told.

    I-24: epochs never go back. I-25: nothing leaves without a lease that still runs and allows it.
    I-31: so a new life sends nothing before it was granted one.
    """

    def __init__(self) -> None:
        self.asked_ns: dict[int, int] = {}
        self.until_ns = 0
        self.mode = Mode.HALT
        self.epoch = 0

    def hear(self, event: Event) -> None:
        """An input of the router."""
        match event.body:
            case Started() | GateClose():
                self.asked_ns.clear()
                self.until_ns = 0
            case Lease() as lease if lease.nonce in self.asked_ns:
                if lease.lease_epoch < self.epoch:
                    return  # late, of a watchdog's earlier life: the router must not believe it
                self.epoch, self.mode = lease.lease_epoch, lease.mode
                self.until_ns = self.asked_ns[lease.nonce] + lease.ttl_ns
                asked = self.asked_ns.items()
                self.asked_ns = {nonce: at for nonce, at in asked if nonce > lease.nonce}

    def judge(self, effects: list[Effect], now_ns: int) -> None:
        """What leaves the router."""
        for effect in effects:
            if not isinstance(effect, Transmit):
                continue
            if effect.kind == "lease_request":
                body = decode(effect.frame).body
                if isinstance(body, LeaseRequest):
                    self.asked_ns[body.nonce] = now_ns
            elif effect.kind == "new_order" and (now_ns > self.until_ns or self.mode is Mode.HALT):
                raise Violation("I-25", f"{effect.subject} left without a lease that allows it")


class KillCheckers:
    """Keeps the account from what the venue says, and the time of the latch."""

    def __init__(self) -> None:
        self.held: str | None = None
        self.latched_ns: int | None = None
        self.resumed: set[str] = set()
        self.kills = 0
        self.confirmed = False
        self.position = 0
        self.live: dict[str, LiveOrder] = {}
        self.seen_executions: dict[str, None] = {}
        self.closing = False
        self.lease = LeaseSeen()

    def watch(self, what: str, event: Event, effects: list[Effect], node: Node) -> None:
        """Called by the world for every step and every frame that leaves."""
        if what == "send":
            self._on_send(effects, node)
        elif node.name == "watchdog":
            self._on_watchdog(node)
        elif node.name == "order_router":
            self.confirmed = self.confirmed or isinstance(event.body, GateClose)
            self.lease.hear(event)
        elif node.name == "venue":
            self._on_venue(event, effects)

    def resume(self, kill_id: str) -> None:
        """A person ends this kill."""
        self.resumed.add(kill_id)
        self.closing = False

    def _on_watchdog(self, node: Node) -> None:
        core = node.engine.core
        if not isinstance(core, WatchdogCore):
            return
        state = core.state()
        if state.latch is not None and state.flat and (self.position or self.live):
            left = f"{self.position} lots, {len(self.live)} live orders"
            raise Violation("I-29", f"said to be flat with {left} at the venue")
        self._note_latch(state.latch.kill_id if state.latch else None, node)

    def _note_latch(self, kill_id: str | None, node: Node) -> None:
        if kill_id == self.held:
            return
        if self.held is not None and self.held not in self.resumed:
            raise Violation("I-26", f"{self.held} is gone and nobody resumed it")
        self.held, self.latched_ns = kill_id, node.now_ns
        self.closing = self.confirmed = False
        self.kills += kill_id is not None

    def _on_send(self, effects: list[Effect], node: Node) -> None:
        if node.name == "order_router":
            self.lease.judge(effects, node.now_ns)
        if self.held is None or self.held in self.resumed or node.name != "order_router":
            return
        late_ns = node.now_ns - (self.latched_ns or 0) - WatchdogConfig().lease_ttl_ns
        for effect in effects:
            if not isinstance(effect, Transmit) or effect.kind != "new_order":
                continue
            if late_ns > 0:
                raise Violation("I-23", f"{effect.subject} left {late_ns} ns after the last lease")
            if self.confirmed:
                raise Violation("I-23", f"{effect.subject} left through a gate confirmed closed")

    def _on_venue(self, event: Event, effects: list[Effect]) -> None:
        order = event.body
        if isinstance(order, NewOrder) and order.session == "watchdog":
            self._judge_closing(order)
        if isinstance(order, NewOrder):
            lots = order.quantity_lots
            self.live[order.client_order_id] = LiveOrder(order.side.sign, lots, lots)
            for leg in order.legs:
                leg_id = leg.client_order_id
                self.live[leg_id] = LiveOrder(-order.side.sign, lots, lots)
        for effect in effects:
            if isinstance(effect, Transmit) and effect.kind.startswith("broker_"):
                self._hear(decode(effect.frame).body)

    def _judge_closing(self, order: NewOrder) -> None:
        self.closing = True
        side = order.side.sign
        if self.position * side >= 0:
            raise Violation("I-27", f"the watchdog adds to {self.position} lots")
        others = sum(each.leaves_lots for each in self.live.values() if each.side == side)
        if order.quantity_lots + others > abs(self.position):
            raise Violation(
                "I-28", f"{order.quantity_lots} and {others} live against {self.position} lots"
            )

    def _hear(self, body: object) -> None:
        if isinstance(body, BrokerExecution) and body.execution_id not in self.seen_executions:
            self.seen_executions[body.execution_id] = None
            before = self.position
            self.position += body.side.sign * body.quantity_lots
            if self.closing and abs(self.position) > abs(before):
                raise Violation("I-27", f"{before} lots grew to {self.position} while closing")
            if self.closing and before * self.position < 0:
                raise Violation("I-28", f"{before} lots turned into {self.position} while closing")
            self._settle(body.client_order_id, body.leaves_lots)
        elif isinstance(body, BrokerOrderEvent) and body.state in ENDED:
            self._settle(body.client_order_id, 0)
        elif isinstance(body, BrokerOrderEvent) and body.client_order_id in self.live:
            self._replaced(self.live[body.client_order_id], body)

    def _replaced(self, order: LiveOrder, body: BrokerOrderEvent) -> None:
        """A replace may have taken lots away."""
        if body.quantity_lots is not None and not body.change_refused:
            order.leaves_lots -= max(0, order.quantity_lots - body.quantity_lots)
            order.quantity_lots = min(order.quantity_lots, body.quantity_lots)

    def _settle(self, client_order_id: str, leaves_lots: int) -> None:
        if leaves_lots == 0:
            self.live.pop(client_order_id, None)
        elif client_order_id in self.live:
            self.live[client_order_id].leaves_lots = leaves_lots
