"""Small helpers for tests that drive a core or an engine directly.

`event(body)` wraps a message in a plausible envelope (the producer is the registry's first, the
sequence counts up), `now(...)` makes a moment, `bodies(outputs, Publish)` picks messages out of
outputs.
"""

from __future__ import annotations

from itertools import count
from typing import Any

from proto_schemas.base import Envelope, Message
from proto_schemas.control import Started
from proto_schemas.registry import BY_MODEL
from shared.bus.codec import stream_of
from shared.kernel.clock import Now
from shared.kernel.outputs import Event, Output

INSTALL_ID = "9f3ac21b77d0"
_counter = count(1)


def event(
    body: Message,
    producer: str | None = None,
    epoch: int = 1,
    seq: int | None = None,
    correlation_id: str | None = None,
) -> Event:
    """An input as it would arrive."""
    row = BY_MODEL[type(body)]
    sender = producer or (row.producers[0] if row.producers[0] != "*" else "tester")
    stream = stream_of(body, fallback="test")
    number = seq if seq is not None else next(_counter)
    return Event(
        Envelope(row.kind, row.version, sender, epoch, stream, number, 0, 0, correlation_id, None),
        body,
    )


def started(service: str, epoch: int = 1) -> Event:
    """The first input of a life."""
    return event(Started(INSTALL_ID, "config", "code"), producer=service, epoch=epoch)


def now(stream_ns: int = 1_000_000_000_000, boot_ns: int = 1_000_000_000) -> Now:
    """A moment."""
    return Now(stream_ns, boot_ns)


def bodies(outputs: list[Output], kind: type[Any]) -> list[Any]:
    """Messages of all outputs of one output type (Publish, Request, Send, Push, Reply)."""
    return [output.message for output in outputs if isinstance(output, kind)]
