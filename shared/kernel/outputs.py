"""What a core may ask of its host, and what it is given: the whole vocabulary of the pure middle.

A core returns a list of these; the host does them in order. After a `Barrier` nothing leaves the
process until everything handled so far stands on disk.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from proto_schemas.base import Envelope, Message
from proto_schemas.quick_init import quick_init
from shared.kernel.clock import Now


@quick_init
@dataclass(frozen=True, slots=True)
class Event:
    """One input: the message and the envelope it came in.

    For an answer to a command of ours, `subject` is the word that the command was given.
    """

    envelope: Envelope
    body: Message
    subject: str = ""


@quick_init
@dataclass(frozen=True, slots=True)
class Publish:
    """Send to every subscriber of the kind's stream. `correlation_id` None: the input's."""

    message: Message
    correlation_id: str | None = None


@quick_init
@dataclass(frozen=True, slots=True)
class Request:
    """Send a command to a peer, repeated with the same id until answered.

    `expires_ns` (boot clock): give up then, with a `RequestExpired` input; None: never give up.
    `subject` comes back with the answer: what the command was about. `may_wait_ns`: nobody acts on
    it soon, so it may leave so much later, with whatever goes to the same peer meanwhile.
    """

    to: str
    message: Message
    expires_ns: int | None = None
    correlation_id: str | None = None
    subject: str = ""
    may_wait_ns: int = 0


@quick_init
@dataclass(frozen=True, slots=True)
class Reply:
    """Answer a command, now or later; `request` is the envelope that it came in.

    `may_wait_ns`: as for `Request`, when all that the answer does is to end the repeats.
    """

    request: Envelope
    message: Message
    may_wait_ns: int = 0


@quick_init
@dataclass(frozen=True, slots=True)
class Send:
    """One shot to a peer that binds; never repeated.

    If the socket refuses it, or the boot clock has passed `not_after_ns` when its turn comes
    (behind a slow sync, or after the process was paused), it does not leave, and an `Undelivered`
    input with this `subject` says so.
    """

    to: str
    message: Message
    correlation_id: str | None = None
    subject: str = ""
    not_after_ns: int | None = None


@quick_init
@dataclass(frozen=True, slots=True)
class Push:
    """One shot from the binding side; dropped if the peer is away (it resumes by number)."""

    to: str
    message: Message
    correlation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Barrier:
    """Everything handled so far must be on disk before any later output leaves."""


@dataclass(frozen=True, slots=True)
class Store:
    """Write a small record beside the journal, in two synced copies, before any later output."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Fence:
    """End another process of this run by force (SIGKILL); a `Fenced` input says what came of it."""

    peer: str


@quick_init
@dataclass(frozen=True, slots=True)
class SetTimer:
    """A `TimerFired(name)` input at or after `at_ns`; replaces one of the same name."""

    name: str
    at_ns: int
    clock: Literal["boot", "stream"] = "boot"


@quick_init
@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Forget a timer, if it is set."""

    name: str


@dataclass(frozen=True, slots=True)
class Log:
    """One structured log line: a fixed event name and plain fields.

    `debug` is for what happens with every order and stands in the merged log anyway: it costs
    nothing and is not written.
    """

    event: str
    fields: dict[str, str | int | bool | None] = field(default_factory=dict)
    level: Literal["debug", "info", "warning", "error"] = "info"


@dataclass(frozen=True, slots=True)
class Exit:
    """Stop the process now: its state or its input is impossible. Nothing later is sent."""

    reason: str


Output = (
    Publish
    | Request
    | Reply
    | Send
    | Push
    | Barrier
    | Store
    | Fence
    | SetTimer
    | CancelTimer
    | Log
    | Exit
)


class Core(Protocol):
    """A deterministic state machine: the same inputs give the same outputs, for ever."""

    def handle(self, event: Event, now: Now) -> list[Output]:
        """Take one input; return what to do. The only other inputs are the constructor's."""

    def current(self, stream: str) -> list[Message]:
        """The whole present state of a stream that this core publishes, as messages of it."""

    def state_word(self) -> str:
        """The `ServiceState` to show: STARTING, RECONCILING, READY, TRADING and so on."""

    def state(self) -> object:
        """The core's whole mutable state, for hashing and snapshots (dataclasses, dicts, ints)."""

    def restore(self, state: Any) -> None:
        """Take back what `state` once gave, in place of everything; the config stays."""
