"""Two tiny cores and a world of engines around them, joined by links that a test controls.

`AskingCore` sends an intent on every tick of its timer, `DecidingCore` answers each one, every
other one only later. `Node` is a process without I/O: an engine, its journal, kill and restart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from proto_schemas.base import Envelope, Message
from proto_schemas.control import Started, TimerFired
from proto_schemas.enums import OrderType, Side
from proto_schemas.signals import Decision, Intent
from shared.bus.codec import decode, encode
from shared.kernel.clock import MS, Now
from shared.kernel.ids import client_order_id
from shared.kernel.outputs import Barrier, Core, Event, Log, Output, Reply, Request, SetTimer
from shared.kernel.state import state_hash
from shared.runtime.effects import Step, Transmit
from shared.runtime.engine import Engine

INSTALL = "9f3ac21b77d0"
ASKER, DECIDER = "strategy_engine", "risk_engine"


def intent(number: int) -> Intent:
    order = client_order_id(INSTALL, 1, 1, number)
    return Intent(order, "ema_cross", "ESZ24", Side.BUY, 1, OrderType.MARKET, False, 100, 10**15)


@dataclass
class AskingCore:
    """Asks `wanted` questions, one each 30 ms, and counts the answers to each."""

    wanted: int = 5
    asked: int = 0
    answers: dict[str, int] = field(default_factory=dict)

    def handle(self, event: Event, now: Now) -> list[Output]:
        match event.body:
            case Started() if self.asked < self.wanted:
                return [SetTimer("ask", now.boot_ns + 30 * MS)]
            case TimerFired(name="ask"):
                self.asked += 1
                ask = Request(DECIDER, intent(self.asked), None, f"ema_cross-1-{self.asked}")
                more = [SetTimer("ask", now.boot_ns + 30 * MS)] if self.asked < self.wanted else []
                return [ask, *more]
            case Decision(client_order_id=order):
                self.answers[order] = self.answers.get(order, 0) + 1
        return []

    def current(self, stream: str) -> list[Message]:
        return []

    def state_word(self) -> str:
        return "READY"

    def state(self) -> object:
        return [self.asked, self.answers]


@dataclass
class DecidingCore:
    """Answers even questions behind a barrier at once, odd ones 100 ms later."""

    handled: list[str] = field(default_factory=list)
    waiting: dict[str, Envelope] = field(default_factory=dict)

    def handle(self, event: Event, now: Now) -> list[Output]:
        match event.body:
            case Intent(client_order_id=order):
                self.handled.append(order)
                if int(order[-1], 16) % 2 == 0:
                    return [Barrier(), self._answer(event.envelope, order), Log("decided")]
                self.waiting[order] = event.envelope
                return [SetTimer("later", now.boot_ns + 100 * MS)]
            case TimerFired(name="later"):
                late, self.waiting = self.waiting, {}
                return [self._answer(envelope, order) for order, envelope in late.items()]
            case Started() if self.waiting:
                return [SetTimer("later", now.boot_ns + 100 * MS)]
        return []

    def _answer(self, request: Envelope, order: str) -> Output:
        return Reply(request, Decision(order, True, "APPROVED", "", ""))

    def current(self, stream: str) -> list[Message]:
        return []

    def state_word(self) -> str:
        return "READY"

    def state(self) -> object:
        return [self.handled, self.waiting]


@dataclass
class Node:
    """A process without I/O. `sent` collects every frame that left it."""

    name: str
    make: Callable[[], Core]
    streams: dict[str, str] = field(default_factory=dict)
    journal: list[tuple[bytes, Now, bytes]] = field(default_factory=list)
    sent: list[Transmit] = field(default_factory=list)
    now: Now = field(default_factory=lambda: Now(0, 0))

    def __post_init__(self) -> None:
        self.engine = Engine(self.make(), self.name, self.streams)

    def start(self) -> Step:
        """Step the journal, then open the next epoch."""
        self.engine = self.replayed()
        started = Started(INSTALL, "config", "code")
        return self._step(self.engine.internal(started, self.now))

    def replayed(self) -> Engine:
        """A new engine that took the journaled inputs; outputs must be as recorded."""
        engine = Engine(self.make(), self.name, self.streams)
        for frame, now, digest in self.journal:
            assert engine.step(decode(frame), now).digest == digest, "replay differs"
        return engine

    def take(self, frame: bytes) -> Step:
        """A frame from a wire."""
        event = decode(frame)
        self.engine.refuse_foreign(event)
        return self._step(event)

    def pass_time(self, boot_ns: int) -> None:
        """What is due at this moment, then repeats."""
        self.now = Now(self.now.stream_ns, boot_ns)
        while (due := self.engine.due(self.now)) is not None:
            self._step(self.engine.internal(due, self.now))
        self.sent += self.engine.resends(self.now)

    def own(self, body: Message) -> Step:
        """An internal input."""
        return self._step(self.engine.internal(body, self.now))

    def drain(self) -> list[Transmit]:
        """What left since the last call."""
        out, self.sent = self.sent, []
        return out

    def fingerprint(self) -> tuple[str, list[tuple[str, bytes]], dict[str, bytes | None]]:
        """What a restart must bring back."""
        return fingerprint(self.engine)

    def _step(self, event: Event) -> Step:
        step = self.engine.step(event, self.now)
        if step.journal:
            self.journal.append((encode(event.envelope, event.body), self.now, step.digest))
        self.sent += [effect for effect in step.effects if isinstance(effect, Transmit)]
        return step


def fingerprint(engine: Engine) -> tuple[str, list[tuple[str, bytes]], dict[str, bytes | None]]:
    """Core state, commands without an answer, answers given."""
    pending = [(item.request_id, item.frame) for item in engine.outbox.pending.values()]
    return state_hash(engine.core.state()), pending, dict(engine.replies.replies)
