"""The timers of one core: names with a due time on one of the two clocks. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.kernel.clock import Now
from shared.kernel.outputs import SetTimer


@dataclass(slots=True)
class Timers:
    """At most one timer a name; setting it again moves it."""

    table: dict[str, SetTimer] = field(default_factory=dict)

    def set(self, timer: SetTimer) -> None:
        """Set or move a timer."""
        self.table[timer.name] = timer

    def cancel(self, name: str) -> bool:
        """Forget a timer; True if it was set."""
        return self.table.pop(name, None) is not None

    def clear(self) -> None:
        """Forget all."""
        self.table.clear()

    def due(self, now: Now) -> str | None:
        """The name that is due and comes first (stream clock before boot clock), or None."""
        best: tuple[bool, int, str] | None = None
        for timer in self.table.values():
            boot = timer.clock == "boot"
            if timer.at_ns <= (now.boot_ns if boot else now.stream_ns):
                key = (boot, timer.at_ns, timer.name)
                best = min(best or key, key)
        return best[2] if best else None

    def next_boot_ns(self) -> int | None:
        """Boot time of the next timer on that clock."""
        return min((t.at_ns for t in self.table.values() if t.clock == "boot"), default=None)
