"""The ledger: the only writer of orders, fills, positions and P&L.

Theory of operation. Router and watchdog report what they did and saw, as commands that they repeat
until they are answered. Each accepted report is answered behind a `Barrier`: the sender may forget
it only once it stands on our disk. What it changed is published behind the same barrier, the
position before the order that moved it, so that a reader who adds open orders to positions errs on
the large side for a moment, never on the small.

Reports may be repeated and may overtake each other; `ledger.py` makes both harmless. A report that
contradicts the books is refused (Nack) with nothing changed, and its sender halts: a ledger that
guesses is worse than one that stops. The same holds for a reconcile: differences are published,
nothing is ever adopted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from proto_schemas.base import Message
from proto_schemas.control import Started, TimerFired
from proto_schemas.enums import ServiceState
from proto_schemas.ledger import Break, BrokerReport, Execution, OrderEvent, ReconcileReport
from proto_schemas.market_data import Mark
from proto_schemas.signals import Ack, Nack
from services.order_state.config import OrderStateConfig
from services.order_state.ledger import Booked, Books, Position
from services.order_state.orders import Order, Refused
from services.order_state.readings import readings
from services.order_state.reconcile import BREAKS_SHOWN_MAX, as_positions, compare, net_positions
from shared.kernel.clock import Now
from shared.kernel.outputs import Barrier, Event, Log, Output, Publish, Reply, SetTimer
from shared.kernel.readings import Readings

STREAM = "ledger"
MARK_TIMER = "publish_marks"


@dataclass(slots=True)
class LedgerState:
    """Everything that changes."""

    started: bool = False
    books: Books = field(default_factory=Books)
    marks: dict[str, int] = field(default_factory=dict)
    last_reconcile: ReconcileReport | None = None


class OrderStateCore:
    """See the module's docstring."""

    def __init__(self, config: OrderStateConfig) -> None:
        self._config = config
        self._state = LedgerState()

    def handle(self, event: Event, now: Now) -> list[Output]:
        """Take one input."""
        match event.body:
            case OrderEvent() as body:
                return self._answer(event, body, self._state.books.book_event(body))
            case Execution() as body:
                return self._answer(event, body, self._state.books.book_execution(body))
            case Mark(instrument=instrument, price_ticks=price_ticks):
                self._state.marks[instrument] = price_ticks
                return []
            case BrokerReport() as report:
                return self._reconcile(event, report, now)
            case TimerFired(name=name) if name == MARK_TIMER:
                return [*self._moved_marks(), self._next_timer(now)]
            case Started():
                self._state.started = True
                return [self._next_timer(now)]
        return []

    def current(self, stream: str) -> list[Message]:
        """Positions, then orders by age, then the last reconcile: nobody may miss a break."""
        if stream != STREAM:
            return []
        state = self._state
        messages: list[Message] = [
            position.update(state.marks.get(position.instrument))
            for position in state.books.positions.values()
        ]
        updates = (order.update() for order in state.books.shown())
        messages += [update for update in updates if update is not None]
        if state.last_reconcile is not None:
            messages.append(state.last_reconcile)
        return messages

    def state_word(self) -> str:
        """PAUSED from a reconcile with breaks until a clean one."""
        state = self._state
        if not state.started:
            return ServiceState.STARTING
        if state.last_reconcile is not None and not state.last_reconcile.clean:
            return ServiceState.PAUSED
        return ServiceState.TRADING if state.books.live else ServiceState.READY

    def readings(self, now: Now) -> Readings:
        """Numbers for whoever watches."""
        state = self._state
        return readings(state.books, state.marks, state.last_reconcile, now)

    def state(self) -> object:
        """Everything that changes."""
        return self._state

    def restore(self, state: Any) -> None:
        """Take back what `state` once gave."""
        self._state = state

    # --- reports ----------------------------------------------------------------------------------

    def _answer(
        self, event: Event, body: OrderEvent | Execution, result: Booked | Refused
    ) -> list[Output]:
        ids = _ids(body)
        if isinstance(result, Refused):
            nack = Nack(result.code, result.field, result.value)
            fields = {**ids, "field": result.field, "value": result.value}
            return [Log(result.code, fields, "error"), Reply(event.envelope, nack)]
        outputs: list[Output] = [Barrier(), Reply(event.envelope, Ack())]
        if result.position is not None:
            outputs.append(self._show(result.position))
        if result.order is not None:
            outputs += _show_order(result.order)
        if result.overfill and result.order is not None:
            lots = {"filled_lots": result.order.filled_lots}
            fields = {**ids, **lots, "quantity_lots": result.order.quantity_lots}
            outputs.append(Log("OVERFILL", fields, "error"))
        return outputs

    def _show(self, position: Position) -> Publish:
        mark_ticks = self._state.marks.get(position.instrument)
        position.shown_mark_ticks = mark_ticks
        return Publish(position.update(mark_ticks))

    # --- marks ------------------------------------------------------------------------------------

    def _moved_marks(self) -> list[Output]:
        """Open positions are worth something else now. Slowly: marks come 20 a second."""
        marks = self._state.marks
        return [
            self._show(position)
            for position in self._state.books.positions.values()
            if position.position_lots
            and position.shown_mark_ticks != marks.get(position.instrument)
        ]

    def _next_timer(self, now: Now) -> SetTimer:
        return SetTimer(MARK_TIMER, now.boot_ns + self._config.mark_publish_ns)

    # --- reconcile --------------------------------------------------------------------------------

    def _reconcile(self, event: Event, report: BrokerReport, now: Now) -> list[Output]:
        breaks = compare(report, self._state.books)
        result = ReconcileReport(
            reconcile_id=report.reconcile_id,
            clean=not breaks,
            ledger_positions=as_positions(self._state.books.net_lots()),
            broker_positions=as_positions(net_positions(report)),
            orders_compared=len(report.orders),
            breaks=tuple(breaks[:BREAKS_SHOWN_MAX]),
            at_ns=now.boot_ns,
        )
        self._state.last_reconcile = result
        outputs: list[Output] = [Barrier(), Reply(event.envelope, Ack()), Publish(result)]
        for each in result.breaks:
            outputs.append(_break_log(report.reconcile_id, each, len(breaks)))
        return outputs


def _show_order(order: Order) -> list[Output]:
    update = order.update()
    return [Publish(update)] if update is not None else []


def _break_log(reconcile_id: int, found: Break, breaks: int) -> Log:
    fields: dict[str, str | int | bool | None] = {
        "reconcile_id": reconcile_id,
        "subject": found.subject,
        "ledger_lots": found.ledger_lots,
        "broker_lots": found.broker_lots,
        "breaks": breaks,
    }
    return Log(found.code, fields, "error")


def _ids(body: OrderEvent | Execution) -> dict[str, str | int | bool | None]:
    """What a person needs to find the report again."""
    execution_id = body.execution_id if isinstance(body, Execution) else None
    return {
        "client_order_id": body.client_order_id,
        "execution_id": execution_id,
        "broker_order_id": body.broker_order_id,
        "session": body.session,
    }
