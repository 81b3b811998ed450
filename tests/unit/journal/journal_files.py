"""Small journals for the tests, made with the real encoder, and a way to open them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shared.journal import JournalWriter
from shared.journal.frame import Cursor, encode_frames
from shared.journal.header import chain_seed, encode_header

SERVICE = "order_gateway"
RUN = "run-7"
HEADER = encode_header(SERVICE, RUN)


def journal_bytes(payloads: Sequence[bytes]) -> tuple[bytes, list[int]]:
    """A whole journal, and the offsets where it may end: after the header, after each record."""
    place = Cursor(0, len(HEADER), chain_seed(HEADER))
    data = HEADER
    ends = [len(HEADER)]
    for payload in payloads:
        frame, place = encode_frames([payload], place)
        data += frame
        ends.append(place.offset_bytes)
    return data, ends


def recover(path: Path) -> tuple[JournalWriter, list[bytes]]:
    """Open `path` for writing; the writer and what it recovered."""
    recovered: list[bytes] = []
    return JournalWriter.open(path, SERVICE, RUN, recovered.append), recovered
