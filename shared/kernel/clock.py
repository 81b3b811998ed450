"""Time as a pair of integers; nobody in the pure part of the system reads a clock.

Stream time is the market's: bars, sessions, trading days, strategy timers. It moves only with the
feed. Boot time (CLOCK_BOOTTIME, one for all processes of a host, counts a suspended machine too) is
for leases, heartbeats, retries, times to live, feed age and order rate.
"""

from __future__ import annotations

from dataclasses import dataclass

from proto_schemas.quick_init import quick_init

MS = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND


@quick_init
@dataclass(frozen=True, slots=True)
class Now:
    """The moment at which an event is handled, in nanoseconds."""

    stream_ns: int
    boot_ns: int
