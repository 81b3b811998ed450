"""What a process counts while it runs: whole numbers only, nothing is formatted here.

The main loop is the only writer. Whoever serves the numbers reads them from a thread of its own and
may see one count a moment before its neighbour; no number is ever wrong by more than what happened
in that moment. Every table here is bounded: labels come from closed lists, or are capped.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

from proto_schemas.base import Message
from proto_schemas.registry import BY_MODEL, TABLE
from proto_schemas.signals import Decision, Nack
from shared.kernel.clock import MS, SECOND, Now
from shared.kernel.outputs import Event
from shared.kernel.readings import LABEL_VALUES_MAX, OTHER

BOUNDS_NS = (
    *(50_000, 100_000, 200_000, 500_000),
    *(MS, 2 * MS, 5 * MS, 10 * MS, 20 * MS, 50 * MS, 100 * MS, 200 * MS, 500 * MS),
    *(SECOND, 5 * SECOND),
)
"""Upper ends of a histogram's buckets; one more bucket takes what is longer."""
AGED_KINDS = frozenset(row.kind for row in TABLE if row.rate_per_s and row.journaled)
"""Kinds that come all the time: when the last one came is worth knowing."""
REFUSING_KINDS = frozenset(BY_MODEL[model].kind for model in (Decision, Nack))


class Histogram:
    """Durations by bucket."""

    __slots__ = ("counts", "sum_ns")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_NS) + 1)
        self.sum_ns = 0

    def observe(self, duration_ns: int) -> None:
        """Count one duration. A negative one compares clocks of two boots and means nothing."""
        if duration_ns >= 0:
            self.counts[bisect_left(BOUNDS_NS, duration_ns)] += 1
            self.sum_ns += duration_ns


class CappedCounter(Counter[tuple[str, ...]]):
    """Counts by label values that others choose: the newest beyond the cap go to `OTHER`."""

    def add(self, *values: str) -> None:
        """Count one."""
        if values not in self and len(self) >= LABEL_VALUES_MAX:
            values = tuple(OTHER for _ in values)
        self[values] += 1


@dataclass(slots=True)
class Counts:
    """The numbers of one host. `heard_ns`: when the last of a kind came, boot clock."""

    handled: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    unsent: Counter[str] = field(default_factory=Counter)
    refused: CappedCounter = field(default_factory=CappedCounter)
    alarms: CappedCounter = field(default_factory=CappedCounter)
    refusals: CappedCounter = field(default_factory=CappedCounter)
    hops: dict[str, Histogram] = field(default_factory=dict)
    heard_ns: dict[str, int] = field(default_factory=dict)
    handle: Histogram = field(default_factory=Histogram)
    sync: Histogram = field(default_factory=Histogram)
    resent: int = 0
    journal_bytes: int = 0

    def took(self, service: str, event: Event, now: Now) -> None:
        """Count one input that was handled, and how long it was on its way if it came to us."""
        envelope = event.envelope
        kind = envelope.kind
        self.handled[kind] += 1
        if envelope.producer == service:
            return
        hop = self.hops.get(kind)
        if hop is None:
            hop = self.hops[kind] = Histogram()
        hop.observe(now.boot_ns - envelope.sent_ns)
        if kind in AGED_KINDS:
            self.heard_ns[kind] = now.boot_ns
        if kind in REFUSING_KINDS:
            self._refused(envelope.producer, event.body)

    def _refused(self, by: str, body: Message) -> None:
        match body:
            case Decision(approved=False, code=code) | Nack(code=code):
                self.refusals.add(by, code)
