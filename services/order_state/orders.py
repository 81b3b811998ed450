"""One order's book, and what a report does to it. Reports may be repeated and overtake each other.

Terms. The first report tells what was ordered; a REPLACE tells new terms under its revision, and
only a higher revision replaces them again. So the terms do not depend on the order of arrival.

Changes. A question (ASK_CANCEL, ASK_REPLACE) and its answer (REPLACE, REFUSE_CHANGE) carry the same
revision. A question whose answer came first asks nothing any more; an answer to an older question
than the last one settles nothing that still matters. So the pending words do not depend on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from proto_schemas.enums import OrderAction, OrderState, OrderType, Side
from proto_schemas.ledger import OrderEvent, OrderUpdate
from shared.kernel.errors import OurFault
from shared.kernel.order_states import INITIAL, next_state, settled

FILLS = (OrderAction.FILL_PART, OrderAction.FILL_ALL)
QUESTIONS = (OrderAction.ASK_CANCEL, OrderAction.ASK_REPLACE)
ANSWERS = (OrderAction.REPLACE, OrderAction.REFUSE_CHANGE)


class Terms(NamedTuple):
    """What an order asks for, since which revision. Quantity None: only executions named it."""

    quantity_lots: int | None = None
    price_ticks: int | None = None
    revision: int = 0


@dataclass(slots=True)
class Order:
    """One order's book.

    `code` is that of the event which led into the present state, so it does not depend on the order
    in which reports arrive.
    """

    number: int
    client_order_id: str
    session: str
    strategy: str
    instrument: str
    side: Side
    order_type: OrderType | None = None
    reduce_only: bool = False
    parent_id: str | None = None
    ordered_lots: int | None = None
    quantity_lots: int | None = None
    price_ticks: int | None = None
    terms_revision: int = 0
    asked_revision: int = 0
    answered_revision: int = 0
    filled_lots: int = 0
    filled_cost_ticks: int = 0
    state: OrderState = INITIAL
    code: str = INITIAL.value
    broker_order_id: str | None = None

    @property
    def terms(self) -> Terms:
        """The present terms."""
        return Terms(self.quantity_lots, self.price_ticks, self.terms_revision)

    def update(self) -> OrderUpdate | None:
        """The order as it is published; None while its quantity is not known."""
        if self.quantity_lots is None:
            return None
        return OrderUpdate(
            client_order_id=self.client_order_id,
            session=self.session,
            strategy=self.strategy,
            instrument=self.instrument,
            side=self.side,
            quantity_lots=self.quantity_lots,
            filled_lots=self.filled_lots,
            filled_cost_ticks=self.filled_cost_ticks,
            state=self.state,
            code=self.code,
            order_type=self.order_type,
            price_ticks=self.price_ticks,
            reduce_only=self.reduce_only,
            parent_id=self.parent_id,
            revision=self.terms_revision,
        )


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a report was not booked: nothing changed, and its sender must halt."""

    code: str
    field: str
    value: str


def differs(name: str, seen: object, known: object) -> Refused:
    """A report that contradicts what the ledger has."""
    return Refused("FACTS_DIFFER", name, f"{seen}, but the ledger has {known}"[:500])


def quantity_contradiction(order: Order, event: OrderEvent) -> Refused | None:
    """All reports but REPLACE name the quantity that was ordered, and it is one."""
    if event.action is OrderAction.REPLACE or order.ordered_lots in (None, event.quantity_lots):
        return None
    return differs("quantity_lots", event.quantity_lots, order.ordered_lots)


def terms_after(order: Order, event: OrderEvent) -> Terms:
    """The order's terms once this report is booked."""
    if event.action is OrderAction.REPLACE:
        newer = event.revision > order.terms_revision
        new = Terms(event.quantity_lots, event.price_ticks, event.revision)
        return new if newer else order.terms
    known = order.quantity_lots is not None
    return order.terms if known else Terms(event.quantity_lots, event.price_ticks, 0)


def state_after_event(order: Order, event: OrderEvent, terms: Terms) -> OrderState | Refused:
    """Fills come only from executions; what they added up to is said once the quantity is known."""
    state = order.state
    if event.action in FILLS:
        return Refused("ILLEGAL_MOVE", state.value, event.action.value)
    learned = terms.quantity_lots != order.quantity_lots
    try:
        if learned and order.filled_lots >= (terms.quantity_lots or 0):
            state = next_state(state, OrderAction.FILL_ALL)
        if _overtaken(order, event):
            return state
        return settled(next_state(state, event.action), order.filled_lots)
    except OurFault:
        return Refused("ILLEGAL_MOVE", state.value, event.action.value)


def _overtaken(order: Order, event: OrderEvent) -> bool:
    """See the module's docstring, changes."""
    if event.action in QUESTIONS:
        return event.revision <= max(order.asked_revision, order.answered_revision)
    return event.action in ANSWERS and event.revision < order.asked_revision


def learn(order: Order, event: OrderEvent, terms: Terms) -> None:
    """Take in what the report says beside the state."""
    order.quantity_lots, order.price_ticks, order.terms_revision = terms
    if event.action is not OrderAction.REPLACE:
        order.ordered_lots = event.quantity_lots
    if event.action in QUESTIONS:
        order.asked_revision = max(order.asked_revision, event.revision)
    if event.action in ANSWERS:
        order.answered_revision = max(order.answered_revision, event.revision)
    order.broker_order_id = order.broker_order_id or event.broker_order_id
    order.order_type, order.reduce_only = event.order_type, event.reduce_only
    order.parent_id = event.parent_id


def over(order: Order, terms: Terms) -> bool:
    """More has traded than was asked for."""
    return terms.quantity_lots is not None and order.filled_lots > terms.quantity_lots


def state_after_fill(order: Order, filled_lots: int) -> OrderState | Refused:
    """A filled order that fills again stays FILLED: the lots are real, whatever was ordered."""
    if order.state is OrderState.FILLED:
        return OrderState.FILLED
    full = order.quantity_lots is not None and filled_lots >= order.quantity_lots
    action = OrderAction.FILL_ALL if full else OrderAction.FILL_PART
    try:
        return next_state(order.state, action)
    except OurFault:
        return Refused("ILLEGAL_MOVE", order.state.value, action.value)
