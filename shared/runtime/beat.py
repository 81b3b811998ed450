"""A service's last sign of life, in one short file beside its sockets.

The main loop writes it four times a second, after it has turned: a loop that hangs writes nothing.
A health check reads it without a socket and without any package, so that asking eight processes
every few seconds costs the box next to nothing. Nothing that trades reads it.

The file is one line of fixed length, written in place: boot clock, process id, epoch, state word,
progress. A restart of the machine sets the boot clock back, and then the file lies in the future:
that is no sign of life either.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

LINE_BYTES = 128
SUFFIX = ".beat"
FUTURE_NS = 10**9
"""Clocks of two processes of one machine are one clock; more than this ahead is another boot."""


@dataclass(frozen=True, slots=True)
class Beat:
    """What the main loop said of itself when it last turned."""

    boot_ns: int
    pid: int
    epoch: int
    state: str
    progress: int

    def line(self) -> bytes:
        """The file's whole content."""
        words = (self.boot_ns, self.pid, self.epoch, self.state, self.progress)
        return " ".join(map(str, words)).ljust(LINE_BYTES - 1).encode() + b"\n"

    def age_ns(self, boot_ns: int) -> int | None:
        """How old it is; None: it is from before the machine was started."""
        age_ns = boot_ns - self.boot_ns
        return None if age_ns < -FUTURE_NS else max(0, age_ns)


class BeatFile:
    """The writing side. One for each life of a service; keeps the file open."""

    def __init__(self, folder: Path, service: str) -> None:
        flags = os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC
        self._handle = os.open(beat_path(folder, service), flags, 0o600)

    def write(self, beat: Beat) -> None:
        """Replace what it says."""
        os.pwrite(self._handle, beat.line(), 0)

    def close(self) -> None:
        """It stays, and grows old."""
        os.close(self._handle)


def beat_path(folder: Path, service: str) -> Path:
    """Where a service of the run with this sockets' folder writes."""
    return folder / f"{service}{SUFFIX}"


def read_beat(folder: Path, service: str) -> Beat | None:
    """The last beat; None if there was none yet, or the file holds something else."""
    try:
        words = beat_path(folder, service).read_text().split()
        boot_ns, pid, epoch, state, progress = words
        return Beat(int(boot_ns), int(pid), int(epoch), state, int(progress))
    except (FileNotFoundError, ValueError):
        return None
