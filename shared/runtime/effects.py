"""What an engine wants done after one input: frames, syncs, log lines, the end. Pure data."""

from __future__ import annotations

from dataclasses import dataclass

from shared.kernel.outputs import Fence, Log, Store


@dataclass(frozen=True, slots=True)
class Transmit:
    """Hand a frame to a socket: `pub`, `dealer` (to who binds) or `router` (to a client)."""

    route: str
    peer: str
    frame: bytes
    message_id: str
    kind: str
    one_shot: bool = False
    subject: str = ""
    not_after_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Sync:
    """Wait here until the journal is on disk."""


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
    digest: bytes
