"""One trade, told step by step from the tick to the position. Pure: it is given journal records.

Every step is an input of some process, as it stands in that process's journal; so a step's layer
is who received it, and its time is when it was handled. The chain of the order itself hangs
together by the client order id. What stands before the signal is found by `cause`: the intent names
the trade, quote or bar that the strategy saw, and that names the row which the ingestor saw.

The index is built in one pass over each journal. Of the ticks it keeps only those that caused an
intent, so it must be given the journals in `READ_ORDER`: effects before their causes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from proto_schemas.base import Envelope, Message
from proto_schemas.broker import BrokerExecution, NewOrder
from proto_schemas.enums import OrderState
from proto_schemas.ledger import Execution, OrderUpdate
from proto_schemas.signals import Decision, Intent
from services.monitor.step_words import detail, event_words
from shared.bus.codec import decode
from shared.kernel.clock import Now
from shared.kernel.errors import OperatorFault
from shared.kernel.order_states import is_live
from shared.runtime.record import unpack_record

STRATEGY, DATA, RISK, VENUE = "strategy_engine", "market_data", "risk_engine", "venue"
ROUTER, LEDGER, WATCHDOG = "order_router", "order_state", "watchdog"
READ_ORDER = (RISK, STRATEGY, DATA, ROUTER, WATCHDOG, VENUE, LEDGER)
ORDER_KINDS = (
    *("intent", "decision", "approval", "new_order", "broker_order_event", "broker_execution"),
    *("order_event", "execution", "order_update"),
)
FEED_KINDS = ("feed_trade", "feed_quote", "feed_depth", "feed_burst")
# A quote that was held back for a strategy that was behind left when that one had caught up.
TICK_KINDS = (*FEED_KINDS, "market_progress")
SEEN_KINDS = ("trade", "bar", "quote", "depth", "market_burst")
# Steps with the same time stand in this order.
CAUSAL_ORDER = (*TICK_KINDS, *SEEN_KINDS, *ORDER_KINDS, "position_update")

# A step is (layer, kinds of which one is enough). "session" is who sent the order: router or
# watchdog.
Needs = tuple[tuple[str, tuple[str, ...]], ...]
SIGNAL: Needs = (
    (DATA, TICK_KINDS),
    (STRATEGY, SEEN_KINDS),
    (RISK, ("intent",)),
    (STRATEGY, ("decision",)),
)
SENT: Needs = (
    (VENUE, ("new_order",)),
    ("session", ("broker_execution",)),
    (LEDGER, ("execution",)),
)
NECESSARY: dict[tuple[bool, str], Needs] = {
    # (it began with an intent, how it ended) -> what must be there
    (True, "FILLED"): (
        *SIGNAL,
        (ROUTER, ("approval",)),
        *SENT,
        ("session", ("broker_order_event",)),
        (LEDGER, ("order_event",)),
        (STRATEGY, ("order_update",)),
        (RISK, ("order_update",)),
    ),
    (True, "REFUSED"): SIGNAL,
    (True, "ENDED"): (*SIGNAL, (LEDGER, ("order_event",))),
    (True, "OPEN"): SIGNAL,
    (False, "FILLED"): SENT,
    (False, "ENDED"): ((LEDGER, ("order_event",)),),
    (False, "OPEN"): (),
}


@dataclass(frozen=True)
class Entry:
    """One journaled input of one process. The body is decoded when somebody wants it.

    `source` is the record, or for a message out of a snapshot its own frame (`framed` True).
    """

    layer: str
    envelope: Envelope
    now: Now
    source: bytes
    framed: bool = False

    @cached_property
    def body(self) -> Message:
        """The validated message."""
        return decode(self.source).body if self.framed else unpack_record(self.source)[0].body


@dataclass(frozen=True, slots=True)
class Step:
    """One step: who received what, when, and how long after the first step."""

    layer: str
    event: str
    kind: str
    detail: str
    boot_ns: int
    stream_ns: int
    since_tick_us: int
    message_id: str


@dataclass(frozen=True, slots=True)
class Trace:
    """The whole story of one order. `outcome`: FILLED, REFUSED, ENDED (unfilled) or OPEN."""

    client_order_id: str
    correlation_id: str | None
    session: str
    from_signal: bool
    outcome: str
    steps: tuple[Step, ...]


@dataclass(slots=True)
class _Order:
    """What the index knows of one order."""

    entries: list[Entry] = field(default_factory=list)
    known: set[tuple[str, str, str]] = field(default_factory=set)
    correlation_id: str | None = None
    signal_cause: str | None = None


class TraceIndex:
    """Everything about every order of a run, findable by any of its ids."""

    def __init__(self) -> None:
        self._orders: dict[str, _Order] = {}
        self._order_of: dict[str, str] = {}
        self._positions: dict[str, list[Entry]] = {}
        self._causes: dict[tuple[str, str], Entry] = {}
        self._wanted: set[str] = set()

    def add(self, entry: Entry) -> None:
        """Take one record; journals come in `READ_ORDER`, each from its start."""
        envelope = entry.envelope
        if envelope.kind in ORDER_KINDS:
            self._add_order(entry)
        elif entry.layer in (STRATEGY, DATA) and envelope.id in self._wanted:
            self._causes[entry.layer, envelope.id] = entry
            if entry.layer == STRATEGY and envelope.cause:
                self._wanted.add(envelope.cause)
        if envelope.kind == "position_update" and envelope.correlation_id:
            self._positions.setdefault(envelope.correlation_id, []).append(entry)

    def order_ids(self) -> list[str]:
        """Every client order id, in the order in which they were first seen."""
        return list(self._orders)

    def trace(self, wanted_id: str) -> Trace:
        """The order with this correlation id, client order id or execution id."""
        order_id = self._order_of.get(wanted_id)
        if order_id is None:
            example = next(iter(self._order_of), None)
            fix = f"Try {example}." if example else "This run has no orders yet."
            raise OperatorFault("TRACE_UNKNOWN_ID", field="id", value=wanted_id, fix=fix)
        order = self._orders[order_id]
        entries = self._chain(order)
        session = next(
            (e.envelope.producer for e in entries if e.envelope.kind == "new_order"), ROUTER
        )
        return Trace(
            order_id,
            order.correlation_id,
            session,
            any(e.envelope.kind == "intent" for e in entries),
            _outcome([entry.body for entry in entries]),
            _steps(entries),
        )

    def tick_to_order_us(self, order_id: str) -> int | None:
        """Ingestor received the row behind it -> venue received the order; None if not known."""
        order = self._orders[order_id]
        tick = self._tick(order)
        if tick is None or tick.envelope.kind not in FEED_KINDS:
            return None
        for entry in order.entries:
            if (entry.layer, entry.envelope.kind) == (VENUE, "new_order"):
                return (entry.now.boot_ns - tick.now.boot_ns) // 1_000
        return None

    def _add_order(self, entry: Entry) -> None:
        body = entry.body
        order_id: str = getattr(body, "client_order_id")  # noqa: B009 - all of ORDER_KINDS have it
        self._add_to(order_id, entry, body)
        if isinstance(body, NewOrder):
            for leg in body.legs:  # it leaves inside its entry's message
                self._add_to(leg.client_order_id, entry, body)

    def _add_to(self, order_id: str, entry: Entry, body: Message) -> None:
        envelope = entry.envelope
        order = self._orders.setdefault(order_id, _Order())
        mark = (entry.layer, envelope.kind, envelope.id)
        if mark in order.known:
            return
        order.known.add(mark)
        order.entries.append(entry)
        self._order_of.setdefault(order_id, order_id)
        if envelope.correlation_id and order.correlation_id is None:
            order.correlation_id = envelope.correlation_id
            self._order_of.setdefault(envelope.correlation_id, order_id)
        if isinstance(body, Intent):
            order.signal_cause = envelope.cause
            self._wanted.add(envelope.cause or "")
        elif isinstance(body, Execution | BrokerExecution):
            self._order_of.setdefault(body.execution_id, order_id)

    def _chain(self, order: _Order) -> list[Entry]:
        seen = self._causes.get((STRATEGY, order.signal_cause or ""))
        tick = self._tick(order)
        positions = self._positions.get(order.correlation_id or "", [])
        before = [entry for entry in (tick, seen) if entry is not None]
        return sorted([*before, *order.entries, *positions], key=moment)

    def _tick(self, order: _Order) -> Entry | None:
        seen = self._causes.get((STRATEGY, order.signal_cause or ""))
        return self._causes.get((DATA, seen.envelope.cause or "")) if seen else None


def trace(index: TraceIndex, wanted_id: str) -> Trace:
    """The order with this id; `OperatorFault` TRACE_UNKNOWN_ID names an id that is known."""
    return index.trace(wanted_id)


def missing(found: Trace) -> tuple[str, ...]:
    """Necessary steps that are not there, as `layer: kind`. Empty for a whole story."""
    have = {(step.layer, step.kind) for step in found.steps}
    gaps = []
    for place, kinds in NECESSARY.get((found.from_signal, found.outcome), ()):
        layer = found.session if place == "session" else place
        if not any((layer, kind) in have for kind in kinds):
            gaps.append(f"{layer}: {' or '.join(kinds)}")
    return tuple(gaps)


def moment(entry: Entry) -> tuple[int, int]:
    """When it was handled; of what was handled at the same time, causes come first."""
    kind = entry.envelope.kind
    rank = CAUSAL_ORDER.index(kind) if kind in CAUSAL_ORDER else -1
    return entry.now.boot_ns, rank


def _outcome(bodies: list[Message]) -> str:
    ends = [b.state for b in bodies if isinstance(b, OrderUpdate) and not is_live(b.state)]
    if OrderState.FILLED in ends:
        return "FILLED"
    booked = {b.execution_id: b.quantity_lots for b in bodies if isinstance(b, Execution)}
    ordered = [b.quantity_lots for b in bodies if isinstance(b, NewOrder)]
    if ordered and sum(booked.values()) >= ordered[0]:
        return "FILLED"
    if any(isinstance(b, Decision) and not b.approved for b in bodies):
        return "REFUSED"
    return "ENDED" if ends else "OPEN"


def _steps(entries: list[Entry]) -> tuple[Step, ...]:
    first_ns = entries[0].now.boot_ns
    return tuple(
        Step(
            entry.layer,
            event_words(entry.body),
            entry.envelope.kind,
            detail(entry.body),
            entry.now.boot_ns,
            entry.now.stream_ns,
            (entry.now.boot_ns - first_ns) // 1_000,
            entry.envelope.id,
        )
        for entry in entries
    )
