"""Follow the growing journal of another process, read-only.

A second process (monitor, replica, risk) learns of records without asking the writer for anything.
Each look reads again from the end of the last good record, because a writer that restarts cuts its
torn tail and writes other bytes in its place.

Promises: yields whole records, in order, once; waits at an incomplete last frame.
Limits: records may not be synced yet; follows the opened file, not a new one put at its path.
"""

from __future__ import annotations

import os
from collections import deque
from pathlib import Path
from types import TracebackType

from shared.journal.frame import Cursor, Scan, Stop, damaged, find_successor, scan
from shared.journal.header import HEADER_WINDOW_BYTES, Header, decode_header
from shared.journal.reader import (
    WINDOW_BYTES,
    closed,
    file_size,
    read_some,
    refuse_damage,
    shrank,
    unreadable,
)


class JournalTail:
    """Reader of a journal that another process writes. Not for use by two threads at once."""

    def __init__(self, path: Path) -> None:
        """Opens nothing yet: the file may come later."""
        self._path = path
        self._file = str(path)
        self._fd: int | None = None
        self._header: Header | None = None
        self._place = Cursor(0, 0, b"")
        self._ready: deque[bytes] = deque()
        self._count = 0
        self._closed = False

    @property
    def service(self) -> str | None:
        """Service named in the header; None until the header is there."""
        return self._header.service if self._header else None

    @property
    def run_id(self) -> str | None:
        """Run named in the header; None until the header is there."""
        return self._header.run_id if self._header else None

    @property
    def count(self) -> int:
        """Number of records that `poll` has handed out."""
        return self._count

    def poll(self, max_records: int) -> list[bytes]:
        """At most `max_records` next payloads; empty when there is nothing new. Never blocks.

        A poll may give fewer records than there are: poll until it is empty.

        Raises:
            OperatorFault: `JOURNAL_FOREIGN` (no journal, other format) or `JOURNAL_UNREADABLE`.
            OurFault: `JOURNAL_DAMAGED` (good records before it come first), `JOURNAL_SHRANK`, or
                `JOURNAL_CLOSED` after `close`.
        """
        if self._closed:
            raise closed(self._file)
        if not self._ready:
            self._look()
        records = [self._ready.popleft() for _ in range(min(max_records, len(self._ready)))]
        self._count += len(records)
        return records

    def close(self) -> None:
        """Close the file. A later poll raises `JOURNAL_CLOSED`; a second close does nothing."""
        self._closed = True
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> JournalTail:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _look(self) -> None:
        """Read the header if need be, then the next window of records."""
        if self._fd is None:
            self._fd = _open_if_there(self._path)
        if self._fd is None:
            return
        if self._header is None:
            data = read_some(self._fd, self._file, 0, HEADER_WINDOW_BYTES)
            self._header = decode_header(data, self._file)
            if self._header is None:
                return
            self._place = Cursor(0, self._header.size_bytes, self._header.seed)
        self._read_records(self._fd)

    def _read_records(self, fd: int) -> None:
        """Fill `_ready` from the next window, if the file has grown."""
        size_bytes = file_size(fd, self._file)
        if size_bytes < self._place.offset_bytes:
            raise shrank(self._file, size_bytes, self._place.offset_bytes)
        # Short when the writer cuts its torn tail just now; a later poll reads the rest.
        window_bytes = min(WINDOW_BYTES, size_bytes - self._place.offset_bytes)
        data = read_some(fd, self._file, self._place.offset_bytes, window_bytes)
        found = scan(data, self._place)
        if not found.records:
            self._refuse_damage(fd, data, found, size_bytes)
        self._place = found.end
        self._ready.extend(record.payload for record in found.records)

    def _refuse_damage(self, fd: int, data: bytes, found: Scan, size_bytes: int) -> None:
        """Raise unless the frame at the start of `data` can still become whole, or be cut."""
        if found.stop is Stop.INCOMPLETE:
            at = find_successor(data)
            if at is not None:
                what = f"{found.stop.value}, but the next starts {at} bytes later"
                raise damaged(self._file, found.end, what)
        elif found.stop is not Stop.END:
            refuse_damage(fd, self._file, found.end, found.stop, size_bytes)


def _open_if_there(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise unreadable(str(path), error) from error
