"""Append records to a journal that exactly one process at a time may write.

The journal is what a service recovers from, so the writer must never be unsure of what it holds.
After a failed write or sync nobody knows what reached the disk (Linux reports a failed sync once
and then forgets the lost pages), so the writer refuses all further work; the restart recovers.

Promises: one `os.write` per append unless the system takes only part; records are durable after
`sync`; opening cuts a torn tail and makes what it recovered durable.
Limits: `append` alone is not durable. Records of a failed append may be found at the next open.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import TracebackType

from shared.journal.frame import Cursor, encode_frames
from shared.journal.header import encode_header
from shared.journal.reader import JournalEnd, OnRecord, closed, stands_at, walk_fd
from shared.kernel.errors import OperatorFault, OurFault

FILE_MODE = 0o600

Resume = Callable[[Callable[[Cursor, Cursor], bool]], Cursor | None]
"""Given a test of (last, place), says from which place to go on; None: from the start."""


class JournalWriter:
    """The one writer of a journal file; make it with `open`. Not for use by two threads at once."""

    def __init__(self, fd: int, file: str, place: Cursor, cut_bytes: int) -> None:
        """For `open`: `fd` is locked and recovered, `place` is the end of the file."""
        self._fd = fd
        self._file = file
        self._place = self._last = place
        self._fault: OurFault | None = None
        self._is_closed = False
        self.cut_bytes = cut_bytes
        """Bytes of a torn tail that `open` cut off."""

    @classmethod
    def open(
        cls,
        path: Path,
        service: str,
        run_id: str,
        on_record: OnRecord | None = None,
        resume: Resume | None = None,
    ) -> JournalWriter:
        """Create or recover the journal at `path`; `on_record` gets every recovered payload.

        `resume` may name a place to go on from: it is asked with a test of places, and what it
        returns (a good place, or None for the start) decides from where `on_record` is called.

        What `on_record` raises passes through, with the lock released.

        Raises:
            OperatorFault: `JOURNAL_LOCKED`, `JOURNAL_FOREIGN`, `JOURNAL_UNOPENABLE` or
                `JOURNAL_UNREADABLE`.
            OurFault: `JOURNAL_DAMAGED`, `JOURNAL_WRITE_FAILED` or `JOURNAL_SYNC_FAILED`.
        """
        file = str(path)
        header = encode_header(service, run_id)
        fd = _open_file(path)
        try:
            _lock(fd, file)
            start = resume(partial(stands_at, fd, file)) if resume else None
            end = walk_fd(fd, file, service, run_id, on_record or _ignore, start)
            place = _make_appendable(fd, file, end, header)
            _sync_directory(path)
        except BaseException:
            os.close(fd)
            raise
        return cls(fd, file, place, end.torn_bytes)

    @property
    def count(self) -> int:
        """Number of records in the journal, recovered ones included."""
        return self._place.number

    @property
    def size_bytes(self) -> int:
        """Size of the file up to the end of the last appended record."""
        return self._place.offset_bytes

    @property
    def place(self) -> Cursor:
        """Behind the last appended record."""
        return self._place

    @property
    def last(self) -> Cursor:
        """Before the records of the last append; the same as `place` if there was none."""
        return self._last

    def append(self, payload: bytes) -> None:
        """`append_many` of one payload."""
        self.append_many([payload])

    def append_many(self, payloads: Iterable[bytes]) -> None:
        """Write all `payloads` in one go; they are durable only after `sync`.

        Raises:
            OurFault: `JOURNAL_PAYLOAD_TOO_BIG` (nothing was written, the writer still works),
                `JOURNAL_WRITE_FAILED` (every later call raises it again), `JOURNAL_CLOSED`.
        """
        self._check_usable()
        data, place = encode_frames(payloads, self._place)
        try:
            _write(self._fd, self._file, data)
            self._last, self._place = self._place, place
        except BaseException as error:
            self._fault = _as_fault("JOURNAL_WRITE_FAILED", self._file, error)
            raise

    def sync(self) -> None:
        """Return when all appended records are on the disk.

        Raises:
            OurFault: `JOURNAL_SYNC_FAILED` (every later call raises it again), `JOURNAL_CLOSED`.
        """
        self._check_usable()
        try:
            _sync(self._fd, self._file)
        except BaseException as error:
            self._fault = _as_fault("JOURNAL_SYNC_FAILED", self._file, error)
            raise

    def close(self) -> None:
        """Release the file and its lock, also after a failure. Does not sync. Twice is fine."""
        if not self._is_closed:
            self._is_closed = True
            os.close(self._fd)

    def __enter__(self) -> JournalWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _check_usable(self) -> None:
        if self._fault is not None:
            raise self._fault
        if self._is_closed:
            raise closed(self._file)


def _ignore(payload: bytes) -> None:
    """The default `on_record`: the caller only wants to append."""


def _open_file(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, FILE_MODE)
    except OSError as error:
        fix = "Check that the directory exists and that this user may write in it."
        raise _unopenable(str(path), error, fix) from error


def _lock(fd: int, file: str) -> None:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        fix = "Another process of this service runs: stop it, or do not start a second one."
        raise OperatorFault("JOURNAL_LOCKED", field=file, value="locked", fix=fix) from error
    except OSError as error:
        fix = "Put the journal on a local file system that supports flock."
        raise _unopenable(file, error, fix) from error


def _unopenable(file: str, error: OSError, fix: str) -> OperatorFault:
    return OperatorFault("JOURNAL_UNOPENABLE", field=file, value=str(error), fix=fix)


def _make_appendable(fd: int, file: str, end: JournalEnd, header: bytes) -> Cursor:
    """Cut the torn tail, write a missing header, make all of it durable; the place to append at."""
    place = Cursor(end.count, end.good_bytes, end.chain)
    if end.torn_bytes:
        _cut(fd, file, end.good_bytes)
    if end.good_bytes == 0:
        _write(fd, file, header)
        place = Cursor(0, len(header), end.chain)
    # Also when nothing was cut: a killed writer may have left records it never synced.
    _sync(fd, file)
    return place


def _write(fd: int, file: str, data: bytes) -> None:
    """Write all of `data` at the end of the file; the system may take it in several parts."""
    rest = memoryview(data)
    try:
        while rest:
            written_bytes = os.write(fd, rest)
            if written_bytes == 0:
                raise OSError(errno.EIO, "the system took no bytes")
            rest = rest[written_bytes:]
    except OSError as error:
        raise _failed("JOURNAL_WRITE_FAILED", file, error) from error


def _cut(fd: int, file: str, good_bytes: int) -> None:
    try:
        os.ftruncate(fd, good_bytes)
    except OSError as error:
        raise _failed("JOURNAL_WRITE_FAILED", file, error) from error


def _sync(fd: int, file: str) -> None:
    try:
        os.fdatasync(fd)
    except OSError as error:
        raise _failed("JOURNAL_SYNC_FAILED", file, error) from error


def _sync_directory(path: Path) -> None:
    """Make the file's name durable: a synced file without a directory entry is lost."""
    try:
        fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
    except OSError as error:
        raise _failed("JOURNAL_SYNC_FAILED", str(path.parent), error) from error


def _as_fault(code: str, file: str, error: BaseException) -> OurFault:
    """The fault to repeat from now on; a signal may interrupt a write without an OSError."""
    if isinstance(error, OurFault):
        return error
    fix = "Stop this service and start it again: it then recovers what reached the file."
    return OurFault(code, field=file, value=f"interrupted by {error!r}", fix=fix)


def _failed(code: str, file: str, error: OSError) -> OurFault:
    number = error.errno or 0
    value = f"errno {number} {errno.errorcode.get(number, '?')}: {error.strerror}"
    fix = "Stop this service, check free space and health of the disk, then start it to recover."
    return OurFault(code, field=file, value=value, fix=fix)
