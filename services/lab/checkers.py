"""The judges of a simulated run. They look at messages only and share no code with the services.

After every step: I-01 (on disk before sent), I-06 (what was given up never reaches the venue),
I-02 (the venue sees each client order id once as a new order), I-09 (an execution changes the
ledger once), I-13 (ledger position = sum of fills). At the end, when all is quiet: I-12 (orders
and fills at the venue = those in the ledger, every other order definitely never arrived) and I-13
again (ledger = venue). Numbers are those of the reliability page.
"""

from __future__ import annotations

from collections import Counter

from proto_schemas.broker import BrokerExecution, NewOrder
from proto_schemas.ledger import Execution, OrderEvent, OrderUpdate, PositionUpdate
from services.lab.kill_checkers import KillCheckers
from services.lab.node import Node
from services.lab.violation import Violation
from shared.bus.codec import decode
from shared.kernel.outputs import Event
from shared.runtime.effects import Effect, Transmit

NEVER_ARRIVED = ("NOT_SENT", "NEVER_ARRIVED")


class Checkers:
    """Collects what every process really said, and compares."""

    def __init__(self) -> None:
        self.at_venue: Counter[str] = Counter()
        self.venue_fills: dict[str, tuple[str, int]] = {}
        self.ledger_fills: dict[str, int] = {}
        self.ledger_orders: dict[str, OrderUpdate] = {}
        self.ledger_lots: dict[tuple[str, str], int] = {}
        self.given_up: dict[str, str] = {}
        self.kill = KillCheckers()
        self.checked = 0

    def watch(self, what: str, event: Event, effects: list[Effect], node: Node) -> None:
        """Called by the world for every step and every frame that leaves."""
        self.kill.watch(what, event, effects, node)
        if what == "send":
            self._on_send(effects, node)
        elif node.name == "venue":
            self._on_venue(event, effects)
        elif node.name == "order_state":
            self._on_ledger(event, effects)

    def _on_send(self, effects: list[Effect], node: Node) -> None:
        for effect in effects:
            if isinstance(effect, Transmit) and effect.kind == "new_order":
                self.checked += 1
                if node.synced < len(node.records):
                    raise Violation("I-01", f"{node.name} sends {effect.subject} before its sync")

    def _on_venue(self, event: Event, effects: list[Effect]) -> None:
        if isinstance(event.body, NewOrder):
            legs = (leg.client_order_id for leg in event.body.legs)
            for order_id in (event.body.client_order_id, *legs):
                self.at_venue[order_id] += 1
                if self.at_venue[order_id] > 1:
                    raise Violation("I-02", f"order {order_id} reached the venue twice")
                self._judge_given_up(order_id)
        for effect in effects:
            if isinstance(effect, Transmit) and effect.kind == "broker_execution":
                body = decode(effect.frame).body
                if isinstance(body, BrokerExecution):
                    signed = body.side.sign * body.quantity_lots
                    self.venue_fills[body.execution_id] = (body.client_order_id, signed)

    def _on_ledger(self, event: Event, effects: list[Effect]) -> None:
        if isinstance(event.body, Execution):
            body = event.body
            self.ledger_fills[body.execution_id] = body.side.sign * body.quantity_lots
        if isinstance(event.body, OrderEvent) and event.body.code in NEVER_ARRIVED:
            self.given_up[event.body.client_order_id] = event.body.code
            self._judge_given_up(event.body.client_order_id)
        self._hear_ledger(effects)
        held, booked = sum(self.ledger_lots.values()), sum(self.ledger_fills.values())
        self.checked += 1
        if held != booked:
            raise Violation("I-09", f"ledger holds {held}, its executions add up to {booked}")

    def _hear_ledger(self, effects: list[Effect]) -> None:
        """What the ledger publishes is the truth that everybody else acts on."""
        for effect in effects:
            if isinstance(effect, Transmit) and effect.kind in ("position_update", "order_update"):
                body = decode(effect.frame).body
                if isinstance(body, PositionUpdate):
                    self.ledger_lots[body.strategy, body.instrument] = body.position_lots
                elif isinstance(body, OrderUpdate):
                    self.ledger_orders[body.client_order_id] = body

    def _judge_given_up(self, order_id: str) -> None:
        if order_id in self.given_up and order_id in self.at_venue:
            code = self.given_up[order_id]
            raise Violation("I-06", f"order {order_id} was given up as {code} and is at the venue")

    def judge_quiet(self, ledger: Node) -> None:
        """Everything has settled: the venue and the ledger must tell the same story."""
        orders = self.ledger_orders | shown_orders(ledger)
        filled: Counter[str] = Counter()
        for order_id, signed in self.venue_fills.values():
            filled[order_id] += abs(signed)
        for order_id in self.at_venue:
            known = orders.get(order_id)
            if known is None:
                raise Violation("I-12", f"order {order_id} is at the venue and not in the ledger")
            if known.filled_lots != filled[order_id]:
                raise Violation("I-12", f"{order_id}: {known.filled_lots} != {filled[order_id]}")
        for order_id, order in orders.items():
            if order_id not in self.at_venue and order.code not in NEVER_ARRIVED:
                raise Violation("I-12", f"{order_id} is {order.state} but never reached the venue")
        held, true = position_of(ledger), sum(signed for _, signed in self.venue_fills.values())
        if held != true:
            raise Violation("I-13", f"ledger holds {held}, the venue {true}")


def shown_orders(ledger: Node) -> dict[str, OrderUpdate]:
    """What the ledger shows to a new reader: live orders and the newest finished ones."""
    return {
        message.client_order_id: message
        for message in ledger.engine.core.current("ledger")
        if isinstance(message, OrderUpdate)
    }


def position_of(ledger: Node) -> int:
    """Net lots by the ledger's own published words."""
    return sum(
        message.position_lots
        for message in ledger.engine.core.current("ledger")
        if isinstance(message, PositionUpdate)
    )
