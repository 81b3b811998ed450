"""Record frames of a journal: how one record is laid out and how bytes are read back as records.

A frame is magic (2 bytes), payload length (u32 LE), CRC-32 of length and payload (u32 LE), chain
(8 bytes, blake2b of the previous chain and the payload), payload. The CRC tells whole frames from
damaged ones on their own; the chain finds records that were removed, swapped or replaced.

Promises: pure functions; `scan` yields only whole records whose chain holds, in order.
Limits: 1 MiB per payload; a file cut exactly between two records cannot be told from a shorter one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from enum import Enum
from hashlib import blake2b
from typing import NamedTuple
from zlib import crc32

from shared.journal.header import CHAIN_BYTES, DAMAGE_FIX
from shared.kernel.errors import OurFault

FRAME_MAGIC = b"\xb5\xf1"
"""Read as a length, repeated magic is far above the limit, so a run of it is no plausible frame."""
MAX_PAYLOAD_BYTES = 1024 * 1024

_HEAD = struct.Struct("<2sII8s")
_LENGTH = struct.Struct("<I")
FRAME_HEAD_BYTES = _HEAD.size
MAX_FRAME_BYTES = FRAME_HEAD_BYTES + MAX_PAYLOAD_BYTES


class Stop(Enum):
    """Why a scan stopped."""

    END = "the bytes end after a whole record"
    INCOMPLETE = "the bytes end inside a frame"
    BAD = "no whole frame starts here (wrong magic, length or CRC)"
    CHAIN_BREAK = "a whole frame that does not follow the record before it"


class Cursor(NamedTuple):
    """A place between records: number of the next one (from 0), its offset, the chain so far."""

    number: int
    offset_bytes: int
    chain: bytes


class Record(NamedTuple):
    """One record: its place in the journal (from 0), the file offset of its frame, its payload."""

    number: int
    offset_bytes: int
    payload: bytes


class Frame(NamedTuple):
    """A frame with a right CRC, its chain not checked."""

    payload: bytes
    chain: bytes


class Scan(NamedTuple):
    """Result of `scan`: good records, the place after the last of them, and why it stopped."""

    records: list[Record]
    end: Cursor
    stop: Stop


def next_chain(chain: bytes, payload: bytes) -> bytes:
    """The chain value (8 bytes) after `payload`."""
    return blake2b(chain + payload, digest_size=CHAIN_BYTES).digest()


def encode_frames(payloads: Iterable[bytes], start: Cursor) -> tuple[bytes, Cursor]:
    """Frames of `payloads` written at `start`, and the place after them.

    Raises:
        OurFault: `JOURNAL_PAYLOAD_TOO_BIG` when a payload is over `MAX_PAYLOAD_BYTES`.
    """
    parts: list[bytes] = []
    number, offset_bytes, chain = start
    for payload in payloads:
        _check_size(payload, number)
        chain = next_chain(chain, payload)
        crc = crc32(payload, crc32(_LENGTH.pack(len(payload))))
        parts.append(_HEAD.pack(FRAME_MAGIC, len(payload), crc, chain))
        parts.append(payload)
        number += 1
        offset_bytes += FRAME_HEAD_BYTES + len(payload)
    return b"".join(parts), Cursor(number, offset_bytes, chain)


def frame_at(data: bytes, at: int) -> Frame | Stop:
    """The frame at position `at` of `data`, or why there is none. The chain is not checked."""
    head = data[at : at + FRAME_HEAD_BYTES]
    if len(head) < FRAME_HEAD_BYTES:
        return _short_head(head)
    magic, length_bytes, crc, chain = _HEAD.unpack(head)
    if magic != FRAME_MAGIC or length_bytes > MAX_PAYLOAD_BYTES:
        return Stop.BAD
    payload_at = at + FRAME_HEAD_BYTES
    payload = data[payload_at : payload_at + length_bytes]
    if len(payload) < length_bytes:
        return Stop.INCOMPLETE
    if crc32(payload, crc32(head[2:6])) != crc:
        return Stop.BAD
    return Frame(payload, chain)


def scan(data: bytes, start: Cursor) -> Scan:
    """Read whole records from `data`, whose first byte lies at `start.offset_bytes` of the file.

    It never raises: what the stop means depends on the bytes behind it (see `find_frame`).
    """
    records: list[Record] = []
    number, offset_bytes, chain = start
    frame = frame_at(data, 0)
    while isinstance(frame, Frame):
        payload, stored_chain = frame
        if next_chain(chain, payload) != stored_chain:
            frame = Stop.CHAIN_BREAK
            break
        records.append(Record(number, offset_bytes, payload))
        chain = stored_chain
        number += 1
        offset_bytes += FRAME_HEAD_BYTES + len(payload)
        frame = frame_at(data, offset_bytes - start.offset_bytes)
    return Scan(records, Cursor(number, offset_bytes, chain), frame)


def find_frame(data: bytes, first: int, last: int) -> int | None:
    """Lowest position in `first`..`last` where a frame with a right CRC starts, or None."""
    end = last + len(FRAME_MAGIC)
    at = data.find(FRAME_MAGIC, first, end)
    while at >= 0:
        if isinstance(frame_at(data, at), Frame):
            return at
        at = data.find(FRAME_MAGIC, at + 1, end)
    return None


def find_successor(data: bytes) -> int | None:
    """Position of the frame that follows, by chain, the unfinished frame at the start of `data`.

    A frame inside the payload of a record that is still being written does not count. A hit says
    that the length of the unfinished frame is damaged, since its successor is already there.
    """
    stored_chain = data[FRAME_HEAD_BYTES - CHAIN_BYTES : FRAME_HEAD_BYTES]
    at = find_frame(data, 1, len(data))
    while at is not None:
        frame = frame_at(data, at)
        if isinstance(frame, Frame) and next_chain(stored_chain, frame.payload) == frame.chain:
            return at
        at = find_frame(data, at + 1, len(data))
    return None


def damaged(file: str, place: Cursor, what: str) -> OurFault:
    """The fault for damage in the middle of a journal, at the record that `place` stands before."""
    field = f"{file} record {place.number} at byte {place.offset_bytes}"
    return OurFault("JOURNAL_DAMAGED", field=field, value=what, fix=DAMAGE_FIX)


def _short_head(head: bytes) -> Stop:
    if not head:
        return Stop.END
    return Stop.INCOMPLETE if FRAME_MAGIC.startswith(head[:2]) else Stop.BAD


def _check_size(payload: bytes, number: int) -> None:
    if len(payload) > MAX_PAYLOAD_BYTES:
        fix = f"Split the record: a payload has at most {MAX_PAYLOAD_BYTES} bytes."
        field = f"payload of record {number}"
        raise OurFault("JOURNAL_PAYLOAD_TOO_BIG", field=field, value=len(payload), fix=fix)
