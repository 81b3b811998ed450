"""Everything that the journals know about one trade or one kill, and what stood around it. Pure.

Read in two passes. The first finds what the id means and when it happened (`TraceIndex` for an
order, `KillFinder` for a kill). The second (`IncidentReader`) gathers: the chain itself, the market
that the strategy saw before its decision, the last word of each kind before the chain and the first
one after it, and the merged log around it.

Moments are compared on the boot clock, which all processes share. It begins anew with the machine,
so what is more than a day of market time away counts as before or after by that.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field

from proto_schemas.broker import NewOrder
from proto_schemas.control import Control
from proto_schemas.signals import Intent
from services.monitor.audit import KEPT, Auditor
from services.monitor.trace import SEEN_KINDS, STRATEGY, Entry, Trace, moment
from shared.kernel.clock import SECOND
from shared.kernel.errors import OperatorFault

AROUND_NS = 2 * SECOND
DAY_NS = 86_400 * SECOND
MARKET_BEFORE, MARKET_AFTER = 30, 5
LINES_MAX = 400
KILL_KINDS = frozenset(
    {
        *("kill_request", "kill_seen", "latch_seen", "resume_request"),
        *("gate_close", "gate_closed", "fenced", "cancel_others", "reconcile_report"),
    }
)
# Of these the last word before the chain and the first one behind it tell how things stood.
STATE_KINDS = frozenset(
    {
        *("started", "strategy_file", "control", "lease", "feed_status", "mark"),
        *("position_update", "reconcile_report", "account_view", "broker_report"),
    }
)


@dataclass(frozen=True, slots=True)
class Subject:
    """What the id stands for.

    `moments_ns`: boot times at which something happened to it, in order. `order_ids`: the orders of
    it. `messages`: (layer, id) of what led to it.
    """

    wanted: str
    moments_ns: tuple[int, ...]
    stream_ns: int
    order_ids: tuple[str, ...]
    messages: dict[tuple[str, str], None] = field(default_factory=dict)
    kill_id: str | None = None

    def side(self, entry: Entry) -> int:
        """-1: before the chain, 0: within it, 1: after it."""
        days = entry.now.stream_ns - self.stream_ns
        if abs(days) > DAY_NS:
            return -1 if days < 0 else 1
        at_ns = entry.now.boot_ns
        return (at_ns > self.moments_ns[-1]) - (at_ns < self.moments_ns[0])

    def distance_ns(self, boot_ns: int) -> int:
        """To the nearest moment: an order may work for hours without any."""
        place = bisect_left(self.moments_ns, boot_ns)
        around = self.moments_ns[max(0, place - 1) : place + 1]
        return min(abs(boot_ns - moment_ns) for moment_ns in around)

    def is_near(self, entry: Entry) -> bool:
        """A moment before or after something that happened to it."""
        near = self.distance_ns(entry.now.boot_ns) <= AROUND_NS
        return near and abs(entry.now.stream_ns - self.stream_ns) <= DAY_NS


@dataclass(slots=True)
class Incident:
    """What was gathered. `before` and `after` are by layer and kind."""

    subject: Subject
    chain: list[Entry] = field(default_factory=list)
    market: list[Entry] = field(default_factory=list)
    before: dict[tuple[str, str], Entry] = field(default_factory=dict)
    after: dict[tuple[str, str], Entry] = field(default_factory=dict)
    lines: list[dict[str, object]] = field(default_factory=list)
    lines_left_out: int = 0


class KillFinder:
    """When a kill held, and which orders the watchdog sent under it."""

    def __init__(self, kill_id: str) -> None:
        self._kill_id = kill_id
        self._held: list[Entry] = []
        self._proven_ns: int | None = None
        self._exits: list[Entry] = []
        self._known: dict[str, None] = {}

    def add(self, entry: Entry) -> None:
        """Take one record; journals come in `READ_ORDER`."""
        kind = entry.envelope.kind
        if kind == "control" and isinstance(body := entry.body, Control):
            if body.kill_id is not None:
                self._known[body.kill_id] = None
            if body.kill_id == self._kill_id:
                self._hold(entry, body)
        elif kind == "new_order" and entry.envelope.producer == "watchdog":
            self._exits.append(entry)

    def _hold(self, entry: Entry, body: Control) -> None:
        if not self._held or entry.now.boot_ns < self._held[0].now.boot_ns:
            self._held.insert(0, entry)
        elif entry.now.boot_ns > self._held[-1].now.boot_ns:
            self._held[1:] = [entry]  # first and last are enough
        if body.flat and body.reconciled:
            at_ns = entry.now.boot_ns
            self._proven_ns = at_ns if self._proven_ns is None else min(at_ns, self._proven_ns)

    def subject(self) -> Subject:
        """The kill; `OperatorFault` if no journal knows it."""
        if not self._held:
            known = ", ".join(self._known) or "none"
            raise OperatorFault(
                "INCIDENT_UNKNOWN_ID", field="ID", value=self._kill_id, fix=f"Kills here: {known}."
            )
        # The wish comes before the first order that it led to.
        first_ns = self._held[0].now.boot_ns - SECOND
        last_ns = self._proven_ns or self._held[-1].now.boot_ns
        exits = [e for e in self._exits if first_ns <= e.now.boot_ns <= last_ns]
        ids = dict.fromkeys(e.body.client_order_id for e in exits if isinstance(e.body, NewOrder))
        moments = sorted((first_ns, last_ns, *(e.now.boot_ns for e in exits)))
        stream_ns = self._held[0].now.stream_ns
        return Subject(self._kill_id, tuple(moments), stream_ns, tuple(ids), kill_id=self._kill_id)


def subject_of(wanted: str, traces: list[Trace]) -> Subject:
    """An order and the orders that belong to it, from their traces."""
    steps = [step for found in traces for step in found.steps]
    return Subject(
        wanted,
        tuple(sorted(step.boot_ns for step in steps)),
        steps[0].stream_ns,
        tuple(found.client_order_id for found in traces),
        dict.fromkeys((step.layer, step.message_id) for step in steps),
    )


class FamilyReader:
    """Which orders belong together: an entry and its protective legs."""

    def __init__(self) -> None:
        self._families: dict[str, tuple[str, ...]] = {}

    def add(self, entry: Entry) -> None:
        """Take one record."""
        if entry.envelope.kind == "intent" and isinstance(body := entry.body, Intent):
            family = (body.client_order_id, *(leg.client_order_id for leg in body.legs))
            for order_id in family:
                self._families.setdefault(order_id, family)

    def of(self, order_id: str) -> tuple[str, ...]:
        """All of them, the entry first."""
        return self._families.get(order_id, (order_id,))


class IncidentReader:
    """Gathers an incident in one pass over the journals, in bounded memory."""

    def __init__(self, subject: Subject) -> None:
        self._found = Incident(subject)
        self._subject = subject
        self._seen: deque[Entry] = deque(maxlen=MARKET_BEFORE)
        self._later: list[Entry] = []
        self._signal_ns = subject.moments_ns[0]
        self._auditor = Auditor()
        self._lines: list[tuple[int, dict[str, object]]] = []
        self._taken: dict[tuple[str, str], None] = {}

    def add(self, entry: Entry) -> None:
        """Take one record."""
        kind = entry.envelope.kind
        if self._belongs(entry):
            self._take(entry)
        if entry.layer == STRATEGY and kind in SEEN_KINDS:
            self._market(entry)
        if kind in STATE_KINDS:
            self._state(entry)
        if not entry.framed:
            self._line(entry)

    def finish(self) -> Incident:
        """All that was found, in order of time."""
        found = self._found
        found.chain.sort(key=moment)
        found.market = [*self._seen, *self._later]
        self._thin()
        self._lines.sort(key=lambda pair: pair[0])
        found.lines = [line for _, line in self._lines]
        return found

    def _belongs(self, entry: Entry) -> bool:
        subject, kind = self._subject, entry.envelope.kind
        if (entry.layer, entry.envelope.id) in subject.messages:
            return True
        if kind in SEEN_KINDS or kind == "heartbeat":
            return False
        if subject.kill_id is not None and kind in KILL_KINDS:
            return subject.is_near(entry)
        return _order_id(entry) in subject.order_ids

    def _take(self, entry: Entry) -> None:
        mark = (entry.layer, entry.envelope.id)
        if mark in self._taken:
            return
        self._taken[mark] = None
        self._found.chain.append(entry)
        if entry.envelope.kind == "intent":
            self._signal_ns = entry.now.boot_ns

    def _market(self, entry: Entry) -> None:
        if self._subject.side(entry) > 0 or entry.now.boot_ns > self._signal_ns:
            if len(self._later) < MARKET_AFTER and self._subject.is_near(entry):
                self._later.append(entry)
        else:
            self._seen.append(entry)

    def _state(self, entry: Entry) -> None:
        key = (entry.layer, entry.envelope.kind)
        side = self._subject.side(entry)
        if side < 0:
            self._found.before[key] = entry
        elif side > 0:
            self._found.after.setdefault(key, entry)

    def _line(self, entry: Entry) -> None:
        if entry.envelope.kind not in KEPT:
            return  # most of them; their records need not be opened
        found = self._auditor.line(entry.layer, entry.source)
        if found is None or not self._subject.is_near(entry):
            return
        self._lines.append(found)
        if len(self._lines) > 2 * LINES_MAX:
            self._thin()

    def _thin(self) -> None:
        """Leave out the lines that are farthest from the chain."""
        self._lines.sort(key=lambda pair: self._subject.distance_ns(pair[0]))
        self._found.lines_left_out += max(0, len(self._lines) - LINES_MAX)
        del self._lines[LINES_MAX:]


def _order_id(entry: Entry) -> str:
    """The order that a message is about; kinds without one have none."""
    if entry.envelope.kind in WITHOUT_ORDER:
        return ""
    return str(getattr(entry.body, "client_order_id", ""))


# Known without a look into the body: the bulk of what the journals hold.
WITHOUT_ORDER = frozenset(
    {
        *("feed_trade", "feed_quote", "feed_depth", "feed_burst"),
        *("market_burst", "feed_credit", "market_progress", "mark"),
        *("control", "lease", "lease_request", "account_view", "feed_status", "timer_fired"),
        *("position_update", "started", "peer_status", "strategy_file"),
    }
)
