"""How long the steps of an order's way take, from stamps that the messages carry already.

A step begins with a stamp in an input and ends when what it led to was handed to a socket (behind
the journal and its sync), or when the answer to that came. All stamps are of the boot clock, one
for all processes of a host. Steps of one process are timed here; the whole way from tick to order
is joined from the journals by the monitor.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from shared.kernel.clock import Now
from shared.kernel.outputs import Event
from shared.runtime.counts import Histogram
from shared.runtime.effects import Effect, Transmit

WAITING_MAX = 4_096
FEED_TO_STRATEGY = "feed_to_strategy"
SENT_TO_ACKNOWLEDGED = "sent_to_acknowledged"
TICK_TO_ORDER = "tick_to_order"


def _received_ns(event: Event) -> int:
    """When the ingestor took the row of the feed."""
    body: Any = event.body
    return int(body.receive_ns)


def _burst_received_ns(event: Event) -> int:
    """When the ingestor took the first row of a burst."""
    body: Any = event.body
    firsts = (*body.trades[:1], *body.quotes[:1], *body.depths[:1])
    return min((row.receive_ns for row in firsts), default=event.envelope.sent_ns)


def _sent_ns(event: Event) -> int:
    return event.envelope.sent_ns


@dataclass(frozen=True, slots=True)
class Stage:
    """From an input's stamp to the moment at which a message of `leaves` was handed over."""

    path: str
    leaves: str
    began_ns: Callable[[Event], int]
    arrival: str = ""
    """The path that ends when the input arrives, if that is worth knowing by itself."""


_ROW = Stage("tick_to_intent", "intent", _received_ns, FEED_TO_STRATEGY)
STAGES: dict[str, dict[str, Stage]] = {
    "strategy_engine": {
        "trade": _ROW,
        "quote": _ROW,
        "depth": _ROW,
        "market_burst": Stage("tick_to_intent", "intent", _burst_received_ns, FEED_TO_STRATEGY),
        "bar": Stage("tick_to_intent", "intent", _received_ns),
    },
    "risk_engine": {"intent": Stage("intent_to_approval", "approval", _sent_ns)},
    "order_router": {"approval": Stage("approval_to_sent", "new_order", _sent_ns)},
}
"""Service -> arriving kind -> what is timed."""
ORDER, ANSWER, ROUTER = "new_order", "broker_order_event", "order_router"


@dataclass(slots=True)
class Paths:
    """The stages of one process. `_leaving`: message id -> its stage and begin, until it left."""

    service: str
    times: dict[str, Histogram] = field(default_factory=dict)
    _stages: dict[str, Stage] = field(init=False)
    _leaving: dict[str, tuple[Stage, int]] = field(default_factory=dict)
    _unanswered_ns: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Look up once what every input asks."""
        self._stages = STAGES.get(self.service, {})

    def took(self, event: Event, effects: list[Effect], now: Now) -> None:
        """Note an input and what it led to."""
        kind = event.envelope.kind
        stage = self._stages.get(kind)
        if stage is None:
            if kind == ANSWER and self.service == ROUTER:
                self._answered(event.body, now)
            return
        if stage.arrival:
            self.observe(stage.arrival, now.boot_ns - stage.began_ns(event))
        for effect in effects:
            if isinstance(effect, Transmit) and effect.kind == stage.leaves:
                _bounded(self._leaving)
                self._leaving[effect.message_id] = (stage, stage.began_ns(event))

    def left(self, out: Transmit, sent: bool, clock: Callable[[], int]) -> None:
        """A message was handed to its socket, or was not: then nothing is timed."""
        found = self._leaving.pop(out.message_id, None)
        if found is None or not sent:
            return
        (stage, began_ns), boot_ns = found, clock()
        self.observe(stage.path, boot_ns - began_ns)
        if out.kind == ORDER:
            _bounded(self._unanswered_ns)
            self._unanswered_ns[out.subject] = boot_ns

    def observe(self, path: str, duration_ns: int) -> None:
        """Count one duration of a path."""
        times = self.times.get(path)
        if times is None:
            times = self.times[path] = Histogram()
        times.observe(duration_ns)

    def _answered(self, body: Any, now: Now) -> None:
        """The first word of the broker on an order ends the wait for it."""
        sent_ns = self._unanswered_ns.pop(body.client_order_id, None)
        if sent_ns is not None:
            self.observe(SENT_TO_ACKNOWLEDGED, now.boot_ns - sent_ns)


def _bounded(waiting: dict[str, Any]) -> None:
    """Make room for one more; the oldest is not timed."""
    if len(waiting) >= WAITING_MAX:
        del waiting[next(iter(waiting))]
