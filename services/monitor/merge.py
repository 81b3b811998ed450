"""Puts lines of several journals into one order: by boot time, which all processes share. Pure.

A journal is in order by itself, but its reader may be behind. So a line waits until it is older
than the hold-back and no journal that has more to read could still bring an older one. What comes
later than that is written at once and marked late: nothing is ever left out.
"""

from __future__ import annotations

import heapq

Line = dict[str, object]


class Merge:
    """A heap of waiting lines. The caller bounds what it adds before it releases."""

    def __init__(self, hold_back_ns: int) -> None:
        self._hold_back_ns = hold_back_ns
        self._heap: list[tuple[int, int, Line]] = []
        self._behind: dict[str, int] = {}
        self._added = 0
        self._released_ns = -1
        self.late = 0

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, boot_ns: int, line: Line) -> None:
        """Take a line; equal times keep the order in which they were added."""
        if boot_ns < self._released_ns:
            line = {**line, "late": True}
            self.late += 1
        self._added += 1
        heapq.heappush(self._heap, (boot_ns, self._added, line))

    def read_up_to(self, journal: str, boot_ns: int | None) -> None:
        """`journal` has more records behind this moment; None: it is read to its end."""
        if boot_ns is None:
            self._behind.pop(journal, None)
        else:
            self._behind[journal] = boot_ns

    def release(self, boot_ns: int) -> list[Line]:
        """Lines that may be written now, in order."""
        horizon_ns = min([boot_ns - self._hold_back_ns, *self._behind.values()])
        return self._pop(horizon_ns)

    def drain(self) -> list[Line]:
        """All that is left, in order: at the end."""
        return self._pop(None)

    def _pop(self, horizon_ns: int | None) -> list[Line]:
        lines = []
        while self._heap and (horizon_ns is None or self._heap[0][0] <= horizon_ns):
            boot_ns, _, line = heapq.heappop(self._heap)
            self._released_ns = max(self._released_ns, boot_ns)
            lines.append(line)
        return lines
