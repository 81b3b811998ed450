"""The venue's record: every byte that it received, in the order of arrival, beside all journals.

It is the outside witness of what was really sent: one text line `boot_ns hex` per frame, written
before anything looks at the frame. It shares no code with the system it watches, so it imports
nothing of ours: a bug in a codec or a journal cannot bend it.

Promises: lines are only ever added (O_APPEND), one write each; a frame that cannot be recorded
raises, which ends the process. A line torn by a crash is closed with `!` by the next start and
passed over by the reader. Limits: no sync, so a power cut may lose the last lines.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from time import CLOCK_BOOTTIME, clock_gettime_ns
from typing import NamedTuple

TORN = b"!"


class Received(NamedTuple):
    """One frame as it arrived; `line` counts from 1."""

    line: int
    boot_ns: int
    frame: bytes


class Record:
    """The open record; hand `write` every frame."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._handle = os.open(path, flags, 0o600)
        size = os.fstat(self._handle).st_size
        if size and os.pread(self._handle, 1, size - 1) != b"\n":
            self._append(TORN + b"\n")

    def write(self, frame: bytes) -> None:
        """Add one line."""
        self._append(b"%d %s\n" % (clock_gettime_ns(CLOCK_BOOTTIME), frame.hex().encode()))

    def close(self) -> None:
        """Close the file."""
        os.close(self._handle)

    def _append(self, line: bytes) -> None:
        written = os.write(self._handle, line)
        if written != len(line):
            raise OSError(f"record: {written} of {len(line)} bytes written; is the disk full?")


def read_record(path: Path) -> Iterator[Received]:
    """Yield every whole line; torn ones are passed over, any other damage is a `ValueError`."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if line.endswith(b"\n") and not line.endswith(TORN + b"\n"):
                yield _parse(path, number, line)


def _parse(path: Path, number: int, line: bytes) -> Received:
    stamp, space, text = line[:-1].partition(b" ")
    if not space or not stamp.isdigit():
        raise ValueError(f"{path}:{number}: not `boot_ns hex`: {line[:60]!r}")
    try:
        return Received(number, int(stamp), bytes.fromhex(text.decode("ascii")))
    except ValueError as error:
        raise ValueError(f"{path}:{number}: {error}") from error
