"""What an engine wants done after one input: frames, syncs, log lines, the end. Pure data."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple

from proto_schemas.quick_init import quick_init
from shared.kernel.outputs import Fence, Log, Store


class Origin(NamedTuple):
    """Why a message is sent: whose signal it belongs to, and the message that led to it."""

    correlation_id: str | None
    cause: str | None


NO_ORIGIN = Origin(None, None)


@quick_init
@dataclass(frozen=True, slots=True)
class Transmit:
    """Hand a frame to a socket: `pub`, `dealer` (to who binds) or `router` (to a client).

    `may_wait_ns`: so long at most, so that it travels with what follows.
    """

    route: str
    peer: str
    frame: bytes
    message_id: str
    kind: str
    one_shot: bool = False
    subject: str = ""
    not_after_ns: int | None = None
    may_wait_ns: int = 0

    def is_late(self, boot_ns: int) -> bool:
        """True behind its deadline, if it has one."""
        return self.not_after_ns is not None and boot_ns > self.not_after_ns


@dataclass(frozen=True, slots=True)
class Sync:
    """Wait here until the journal is on disk."""


@quick_init
@dataclass(frozen=True, slots=True)
class LogLine:
    """A log line with its correlation id."""

    log: Log
    correlation_id: str | None


@dataclass(frozen=True, slots=True)
class Stop:
    """End the process; effects behind it are void."""

    reason: str


Effect = Transmit | Sync | Store | Fence | LogLine | Stop


@dataclass(slots=True)
class Step:
    """What one input led to. `journal` False: a repeat or a question; nothing changed."""

    journal: bool
    effects: list[Effect]
    digest: bytes = field(init=False)

    def __post_init__(self) -> None:
        """What the input led to, in 8 bytes: a replay must come to the same."""
        frames = [e.frame for e in self.effects if isinstance(e, Transmit)]
        self.digest = blake2b(b"".join(frames), digest_size=8).digest() if frames else b""
