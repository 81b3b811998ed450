"""One journal record: an input as it was handled, when, and a digest of what it led to.

Outputs are not journaled: each is some other process's input and stands in that one's journal. A
record is `msgpack([stream_ns, boot_ns, frame, digest])`.
"""

from __future__ import annotations

from typing import Any

import msgpack

from proto_schemas.base import Envelope
from shared.bus.codec import decode, decode_header
from shared.kernel.clock import Now
from shared.kernel.errors import OurFault
from shared.kernel.outputs import Event


def pack_record(frame: bytes, now: Now, digest: bytes) -> bytes:
    """Return the record's bytes; `frame` is the input exactly as it came."""
    packed: bytes = msgpack.packb((now.stream_ns, now.boot_ns, frame, digest))
    return packed


def unpack_record(payload: bytes) -> tuple[Event, Now, bytes]:
    """Return (input, moment, digest); `OurFault` if the bytes are no record."""
    stream_ns, boot_ns, frame, digest = split_record(payload)
    return decode(frame), Now(stream_ns, boot_ns), digest


def open_record(payload: bytes) -> tuple[Envelope, dict[str, Any], Now]:
    """Return (envelope, body as plain values, moment) without validating the body again."""
    stream_ns, boot_ns, frame, _ = split_record(payload)
    envelope, plain = decode_header(frame)
    return envelope, plain, Now(stream_ns, boot_ns)


def peek_record(payload: bytes) -> tuple[Envelope, Now]:
    """Return (envelope, moment) without validating the body: for readers that pass most by."""
    stream_ns, boot_ns, frame, _ = split_record(payload)
    return decode_header(frame)[0], Now(stream_ns, boot_ns)


def split_record(payload: bytes) -> tuple[int, int, bytes, bytes]:
    """Return (stream_ns, boot_ns, frame, digest), the frame exactly as it came."""
    try:
        stream_ns, boot_ns, frame, digest = msgpack.unpackb(payload)
    except (ValueError, TypeError) as error:
        raise OurFault(
            "RECORD_SHAPE",
            field="journal record",
            value=str(error),
            fix="Was it written by Bulkhead?",
        ) from error
    well_formed = type(stream_ns) is type(boot_ns) is int and type(frame) is type(digest) is bytes
    if not well_formed:
        raise OurFault(
            "RECORD_SHAPE",
            field="journal record",
            value=str([type(part).__name__ for part in (stream_ns, boot_ns, frame, digest)]),
            fix="Was it written by Bulkhead?",
        )
    return stream_ns, boot_ns, frame, digest
