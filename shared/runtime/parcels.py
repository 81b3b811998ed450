"""What leaves together travels together: frames of one turn for one reader are one message. Pure.

Each message that arrives wakes three threads, and a process that wakes finds its caches cold: on a
small machine that costs more than the work itself. So the frames that one turn sends the same way
leave as the parts of one ZeroMQ message, which comes whole or not at all. They stay in order, and
each is a frame as if it had come alone. Frames of two ways were never ordered to each other.

A frame that may wait (an acknowledgement, the news that an order was sent) stays here for so long,
unless something goes its way sooner: then it travels with that, in its place.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.runtime.effects import Transmit

PARCEL_FRAMES_MAX = 64
"""So that a reader that takes a parcel whole still does a bounded piece of work."""

Way = tuple[str, str | bytes]


def way_of(out: Transmit) -> Way:
    """Frames with the same way may share a message: one socket, and one peer or one stream."""
    if out.route == "pub":  # readers subscribe by the stream that a message begins with
        return out.route, out.frame[: out.frame.find(b"\0")]
    return out.route, out.peer


@dataclass(slots=True)
class _Parcel:
    leave_by_ns: int
    frames: list[Transmit] = field(default_factory=list)


class Parcels:
    """Frames that wait until they are let go."""

    def __init__(self) -> None:
        self._open: dict[Way, _Parcel] = {}
        self._full: list[list[Transmit]] = []

    def add(self, out: Transmit, now_ns: int) -> None:
        """One frame more, behind all others of its way. `now_ns`: boot clock."""
        way, leave_by_ns = way_of(out), now_ns + out.may_wait_ns
        parcel = self._open.setdefault(way, _Parcel(leave_by_ns))
        parcel.frames.append(out)
        parcel.leave_by_ns = min(parcel.leave_by_ns, leave_by_ns)
        if len(parcel.frames) == PARCEL_FRAMES_MAX:
            self._full.append(self._open.pop(way).frames)

    def take(self, now_ns: int) -> list[list[Transmit]]:
        """The full ones, then those that have to leave by now, in the order of their begin."""
        full, self._full = self._full, []
        due = [way for way, parcel in self._open.items() if parcel.leave_by_ns <= now_ns]
        return [*full, *(self._open.pop(way).frames for way in due)]

    def next_due_ns(self) -> int | None:
        """When the first of those that wait has to leave; None: none waits."""
        return min((parcel.leave_by_ns for parcel in self._open.values()), default=None)
