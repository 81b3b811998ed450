"""Read a journal from start to end, in windows of a few MiB however long the file is.

Recovery and audit need the same answer to one question: which records are good? A bad frame with
a whole frame behind it is damage and is refused; with nothing whole behind it, it is a torn tail.

Promises: never changes the file; every record reported is whole and in the order of writing.
Limits: reads up to the size the file had at the start. Damage that hits only the last record looks
like a torn tail. A torn record whose payload holds a whole frame is refused, not cut.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from shared.journal.frame import MAX_FRAME_BYTES, Cursor, Stop, damaged, find_frame, scan
from shared.journal.header import HEADER_WINDOW_BYTES, chain_seed, encode_header, expect_header
from shared.kernel.errors import OperatorFault, OurFault

WINDOW_BYTES = 4 * MAX_FRAME_BYTES
"""Longer than any frame, so a frame that does not fit a window reaches past the end of the file."""

OnRecord = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class JournalEnd:
    """Where the good part of a journal ends. `torn_bytes` follow it and belong to no record."""

    count: int
    good_bytes: int
    chain: bytes
    torn_bytes: int


@dataclass(frozen=True, slots=True)
class JournalContents:
    """All payloads of a journal, and where its good part ends."""

    records: list[bytes]
    good_bytes: int
    chain: bytes
    count: int
    torn_bytes: int


def read_journal(path: Path, service: str, run_id: str) -> JournalContents:
    """All records in memory; use `walk_journal` when they may not fit. Raises what it raises."""
    records: list[bytes] = []
    end = walk_journal(path, service, run_id, records.append)
    return JournalContents(records, end.good_bytes, end.chain, end.count, end.torn_bytes)


def walk_journal(path: Path, service: str, run_id: str, on_record: OnRecord) -> JournalEnd:
    """Pass every payload to `on_record`, in order, in bounded memory.

    Records before a damaged one were already passed on when the fault comes: throw them away.

    Raises:
        OperatorFault: `JOURNAL_FOREIGN` (other service, run or program) or `JOURNAL_UNREADABLE`
            (missing file, no permission, read error).
        OurFault: `JOURNAL_DAMAGED`, or `JOURNAL_SHRANK` when the file got shorter meanwhile.
    """
    file = str(path)
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise unreadable(file, error) from error
    try:
        return walk_fd(fd, file, service, run_id, on_record)
    finally:
        os.close(fd)


def walk_fd(
    fd: int,
    file: str,
    service: str,
    run_id: str,
    on_record: OnRecord,
    start: Cursor | None = None,
) -> JournalEnd:
    """`walk_journal` on an open file; its position is neither used nor moved.

    `start`: a place that `stands_at` found good; what lies before it is not read.
    """
    size_bytes = file_size(fd, file)
    first = read_at(fd, file, 0, min(size_bytes, HEADER_WINDOW_BYTES))
    header = expect_header(first, file, service, run_id)
    if header is None:
        return JournalEnd(0, 0, chain_seed(encode_header(service, run_id)), size_bytes)
    place = start or Cursor(0, header.size_bytes, header.seed)
    stop = Stop.INCOMPLETE
    while place.offset_bytes < size_bytes:
        data = read_window(fd, file, place.offset_bytes, size_bytes)
        found = scan(data, place)
        for record in found.records:
            on_record(record.payload)
        place, stop = found.end, found.stop
        if not found.records:
            refuse_damage(fd, file, place, stop, size_bytes)
            break
    torn_bytes = size_bytes - place.offset_bytes
    return JournalEnd(place.number, place.offset_bytes, place.chain, torn_bytes)


def stands_at(fd: int, file: str, last: Cursor, place: Cursor) -> bool:
    """True if the records from `last` on are whole, follow the chain and end exactly at `place`."""
    length_bytes = place.offset_bytes - last.offset_bytes
    if not 0 < length_bytes <= WINDOW_BYTES or place.offset_bytes > file_size(fd, file):
        return False
    return scan(read_at(fd, file, last.offset_bytes, length_bytes), last).end == place


def refuse_damage(fd: int, file: str, place: Cursor, stop: Stop, size_bytes: int) -> None:
    """Raise `JOURNAL_DAMAGED` unless the bytes from `place` to `size_bytes` are a torn tail."""
    if stop is Stop.CHAIN_BREAK:
        raise damaged(file, place, stop.value)
    later_bytes = _find_later_frame(fd, file, place.offset_bytes + 1, size_bytes)
    if later_bytes is not None:
        raise damaged(file, place, f"{stop.value}, but one starts at byte {later_bytes}")


def read_window(fd: int, file: str, offset_bytes: int, size_bytes: int) -> bytes:
    """One window from `offset_bytes`, not beyond `size_bytes`."""
    return read_at(fd, file, offset_bytes, min(WINDOW_BYTES, size_bytes - offset_bytes))


def read_at(fd: int, file: str, offset_bytes: int, length_bytes: int) -> bytes:
    """Exactly `length_bytes`: a short read taken for the end of the file would cut good records."""
    data = b""
    while len(data) < length_bytes:
        part = read_some(fd, file, offset_bytes + len(data), length_bytes - len(data))
        if not part:
            raise shrank(file, offset_bytes + len(data), offset_bytes + length_bytes)
        data += part
    return data


def read_some(fd: int, file: str, offset_bytes: int, length_bytes: int) -> bytes:
    """At most `length_bytes`. OperatorFault `JOURNAL_UNREADABLE` on an I/O error."""
    try:
        return os.pread(fd, length_bytes, offset_bytes)
    except OSError as error:
        raise unreadable(file, error) from error


def file_size(fd: int, file: str) -> int:
    """Size of the open file in bytes. OperatorFault `JOURNAL_UNREADABLE` on an I/O error."""
    try:
        return os.fstat(fd).st_size
    except OSError as error:
        raise unreadable(file, error) from error


def unreadable(file: str, error: OSError) -> OperatorFault:
    """The fault for a file that the system does not let us open or read."""
    fix = "Check that the file is there, that this user may read it, and that the disk is healthy."
    return OperatorFault("JOURNAL_UNREADABLE", field=file, value=str(error), fix=fix)


def shrank(file: str, now_bytes: int, before_bytes: int) -> OurFault:
    """The fault for a journal that lost bytes while it was read: journals only ever grow."""
    fix = "Find out what cut the file; restart this reader once the journal's writer runs again."
    value = f"{now_bytes} bytes, was at least {before_bytes}"
    return OurFault("JOURNAL_SHRANK", field=file, value=value, fix=fix)


def closed(file: str) -> OurFault:
    """The fault for using a writer or a tail after its `close`."""
    fix = "This is a bug: open the journal again instead of using a closed one."
    return OurFault("JOURNAL_CLOSED", field=file, value="closed", fix=fix)


def _find_later_frame(fd: int, file: str, first_bytes: int, size_bytes: int) -> int | None:
    step_bytes = WINDOW_BYTES - MAX_FRAME_BYTES
    for start_bytes in range(first_bytes, size_bytes, step_bytes):
        # A window is one frame longer than a step: a frame that starts in the step fits.
        data = read_window(fd, file, start_bytes, size_bytes)
        at = find_frame(data, 0, step_bytes - 1)
        if at is not None:
            return start_bytes + at
    return None
