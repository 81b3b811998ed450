"""Doctor's look at the box: Python, processors and memory, clock, disk, limits.

What is read and what is made of it are apart, so that every verdict can be tested on any machine.
"""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from services.cli.findings import Finding, above, below, judged
from shared.kernel.clock import MS, SECOND

PYTHON_MIN = (3, 11)
PACKAGES = ("pyzmq", "msgpack", "pydantic", "prometheus-client", "structlog", "supervisor")
PROCESSORS_MIN = 2
MEMORY_FAIL_BYTES = 800_000_000  # what the whole stack takes at most
MEMORY_WARN_BYTES = 2_000_000_000
DISK_FAIL_BYTES = 500_000_000
DISK_WARN_BYTES = 5_000_000_000
SYNC_WARN_NS = 20 * MS
SYNC_FAIL_NS = 300 * MS  # an order waits for one sync; above this it runs into its deadline
SYNC_TRIES = 15
SYNC_BYTES = 4_096
OPEN_FILES_MIN = 256
CLOCK_ERROR_WARN_NS = SECOND
CLOCK_BEHIND_WARN_S = 5.0
START_A_CLOCK = "Start a time service: timedatectl set-ntp true, or chrony."


def python(_root: Path) -> Iterator[Finding]:
    """The interpreter and the packages that every process needs."""
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < PYTHON_MIN:
        yield Finding("python", "fail", found, "Use Python 3.11 or newer: make setup.")
        return
    missing = [name for name in PACKAGES if _version(name) is None]
    if missing:
        yield Finding("python", "fail", f"{found}, without {', '.join(missing)}", "make setup")
    else:
        packages = ", ".join(f"{name} {_version(name)}" for name in PACKAGES[:3])
        yield Finding("python", "ok", f"{found}, {packages}")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


# --- processors and memory ----------------------------------------------------------------------


def machine(_root: Path) -> Iterator[Finding]:
    """Processors that this process may use, how busy they are, and memory that is free."""
    count = len(os.sched_getaffinity(0))
    yield judge_processors(count, os.getloadavg()[1])
    yield judge_memory(memory_available_bytes(Path("/proc/meminfo"), Path("/sys/fs/cgroup")))


def judge_processors(count: int, load: float) -> Finding:
    """Eight processes take turns; with one processor a busy one makes the others late."""
    seen = f"{count} for us, load {load:.1f} over five minutes"
    if count < PROCESSORS_MIN:
        return Finding("processors", "warn", seen, f"Give it {PROCESSORS_MIN} or more.")
    fix = "Something else keeps them busy (top shows what): orders will be late."
    return judged("processors", seen, "warn" if load > 2 * count else "ok", fix)


def judge_memory(available_bytes: int) -> Finding:
    """A process that is ended for want of memory is the commonest crash of all."""
    level = below(available_bytes, MEMORY_FAIL_BYTES, MEMORY_WARN_BYTES)
    return judged(
        "memory", f"{available_bytes / 1e9:.1f} GB free", level, "Free some, or add some."
    )


def memory_available_bytes(meminfo: Path, cgroup: Path) -> int:
    """What may still be taken: of the machine, and of the container if this is one."""
    lines = (line.split() for line in meminfo.read_text().splitlines())
    free = next(int(words[1]) * 1_024 for words in lines if words[0] == "MemAvailable:")
    try:
        limit = int((cgroup / "memory.max").read_text())
        used = int((cgroup / "memory.current").read_text())
    except (OSError, ValueError):  # no limit, or no container
        return free
    return min(free, max(0, limit - used))


# --- clock --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ClockReading:
    """What the kernel says about its wall clock. `ppm`: the correction of its rate."""

    synchronised: bool
    offset_ns: int
    error_max_ns: int
    ppm: float


class _Timex(ctypes.Structure):
    """The first fields of Linux's `struct timex`, and room for the rest."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_long * 40),
    )


TIME_ERROR = 5
STA_UNSYNC, STA_NANO = 0x0040, 0x2000


def read_clock() -> ClockReading | None:
    """Ask the kernel; None where it cannot be asked. Changes nothing."""
    read = getattr(ctypes.CDLL(None, use_errno=True), "adjtimex", None)
    if read is None:
        return None
    found = _Timex()
    state = read(ctypes.byref(found))
    if state < 0:
        return None
    in_sync = state != TIME_ERROR and not found.status & STA_UNSYNC
    unit_ns = 1 if found.status & STA_NANO else 1_000
    return ClockReading(
        in_sync, found.offset * unit_ns, found.maxerror * 1_000, found.freq / 65_536
    )


def clock(root: Path) -> Iterator[Finding]:
    """Stamps of logs and the session's hours come from the wall clock."""
    yield judge_clock(read_clock())
    newest_s = max((path.stat().st_mtime for path in root.glob("*/*/logs/*")), default=0.0)
    yield judge_wall_time(time.time(), newest_s)


def judge_clock(reading: ClockReading | None) -> Finding:
    """Whether something keeps it right, and how wrong it may be."""
    if reading is None:
        return Finding("clock", "warn", "the kernel does not say", START_A_CLOCK)
    if not reading.synchronised:
        return Finding("clock", "warn", "nothing keeps it right", START_A_CLOCK)
    seen = (
        f"in step, off by {abs(reading.offset_ns) / 1e6:.3f} ms, at most "
        f"{reading.error_max_ns / 1e6:.0f} ms, rate corrected by {reading.ppm:+.1f} ppm"
    )
    level = above(reading.error_max_ns, CLOCK_ERROR_WARN_NS, float("inf"))
    return judged("clock", seen, level, "Its time service lost its servers: see its log.")


def judge_wall_time(now_s: float, newest_s: float) -> Finding:
    """Files of the future were written under a clock that ran ahead, or this one went back."""
    behind_s = newest_s - now_s
    seen = "not before the newest log" if behind_s <= 0 else f"{behind_s:.0f} s before a log"
    level = above(behind_s, CLOCK_BEHIND_WARN_S, float("inf"))
    return judged("drift", seen, level, f"The clock went back. {START_A_CLOCK}")


# --- disk and limits ----------------------------------------------------------------------------


def disk(root: Path) -> Iterator[Finding]:
    """Runs must be writable, their disk not full and not slow: orders wait for it."""
    place = next(path for path in (root, *root.parents) if path.exists())
    if not os.access(place, os.W_OK):
        yield Finding("disk", "fail", f"{place} is not writable", "Name another: --runs-dir.")
        return
    free_bytes = shutil.disk_usage(place).free
    level = below(free_bytes, DISK_FAIL_BYTES, DISK_WARN_BYTES)
    yield judged("disk", f"{root}, {free_bytes / 1e9:.1f} GB free", level, "Make room on it.")
    kind = file_system(place.resolve(), Path("/proc/self/mounts").read_text())
    if kind == "tmpfs":
        fix = "Name a folder on a disk: --runs-dir. This one is empty after a reboot."
        yield Finding("disk", "warn", f"{place} is in memory ({kind})", fix)
    yield judge_sync(sync_times_ns(place))


def judge_sync(times_ns: list[int]) -> Finding:
    """The time of one sync, the middle and the worst of some."""
    middle_ns, worst_ns = sorted(times_ns)[len(times_ns) // 2], max(times_ns)
    seen = f"a sync takes {middle_ns / 1e6:.1f} ms, at most {worst_ns / 1e6:.1f} ms"
    level = above(middle_ns, SYNC_WARN_NS, SYNC_FAIL_NS)
    return judged("sync", seen, level, "Use a local solid-state disk: each order waits for a sync.")


def sync_times_ns(folder: Path) -> list[int]:
    """Write and sync a little, as the journal does, some times; nothing stays."""
    times = []
    with tempfile.TemporaryFile(dir=folder) as stream:
        for _ in range(SYNC_TRIES):
            stream.write(bytes(SYNC_BYTES))
            stream.flush()
            began_ns = time.monotonic_ns()
            os.fdatasync(stream.fileno())
            times.append(time.monotonic_ns() - began_ns)
    return times


def file_system(path: Path, mounts: str) -> str:
    """The kind of file system a path is on: that of the longest mount point above it."""
    rows = [line.split() for line in mounts.splitlines()]
    above_it = [row for row in rows if len(row) > 2 and path.is_relative_to(row[1])]
    return max(above_it, key=lambda row: len(row[1]), default=["", "", ""])[2]


def limits(_root: Path) -> Iterator[Finding]:
    """Sockets and journals are open files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    level = below(soft, OPEN_FILES_MIN, 0)
    yield judged("limits", f"{soft} open files allowed", level, f"ulimit -n {OPEN_FILES_MIN}")
