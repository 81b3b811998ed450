"""What the owner of a stream answers to a reader that lost the thread. Pure."""

from __future__ import annotations

from typing import NamedTuple

from proto_schemas.base import Envelope, Message
from proto_schemas.control import Snapshot, SnapshotRequest
from proto_schemas.registry import BY_MODEL
from shared.bus.codec import encode
from shared.bus.replica import StreamLog
from shared.kernel.clock import Now
from shared.kernel.outputs import Core


class Place(NamedTuple):
    """The newest message of one stream: whose, which, and its position."""

    service: str
    stream: str
    epoch: int
    seq: int


def snapshot(core: Core, log: StreamLog, ask: SnapshotRequest, place: Place, now: Now) -> Snapshot:
    """Just the missed messages if they are still kept, else the core's whole present state."""
    missed = log.after(ask.after_epoch, ask.after_seq)
    if missed is not None:
        return Snapshot(ask.stream, place.epoch, place.seq, True, missed)
    frames = tuple(_frame(message, place, now) for message in core.current(ask.stream))
    return Snapshot(ask.stream, place.epoch, place.seq, False, frames)


def _frame(message: Message, place: Place, now: Now) -> bytes:
    row = BY_MODEL[type(message)]
    envelope = Envelope(
        row.kind, row.version, place.service, place.epoch, place.stream, place.seq,
        now.boot_ns, now.stream_ns, None, None,
    )  # fmt: skip
    return encode(envelope, message)
