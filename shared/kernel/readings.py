"""Numbers that a core shows to whoever watches it: read-only, whole numbers, in the code's units.

A reading is one number under the metric's name and the values of its labels, in the order of the
metric table (`shared/runtime/metric_table.py`), which also says how the unit is shown. Reading
changes nothing, so that a watched run and an unwatched one are the same run.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from shared.kernel.clock import Now

Readings = dict[tuple[str, ...], int]
LABEL_VALUES_MAX = 50
"""Of one label; what is beyond is added up under `OTHER`."""
OTHER = "OTHER"


@runtime_checkable
class Readable(Protocol):
    """A core that has numbers of its own to show."""

    def readings(self, now: Now) -> Readings:
        """What is true now; called a few times a second between two inputs."""


def one_of(name: str, words: Iterable[str], current: str | None) -> Readings:
    """One reading per word: 1 for the current one, 0 for the others."""
    return {(name, str(word)): int(word == current) for word in words}


def labelled(name: str, numbers: Iterable[tuple[tuple[str, ...], int]]) -> Readings:
    """One reading per set of label values; beyond the bound they are added up."""
    found: Readings = {}
    for values, number in numbers:
        key = (name, *values)
        if key not in found and len(found) >= LABEL_VALUES_MAX:
            key = (name, *(OTHER for _ in values))
        found[key] = found.get(key, 0) + number
    return found


def queue(name: str, size: int, limit: int) -> Readings:
    """How full a bounded queue or map is."""
    return {("bulkhead_queue_size", name): size, ("bulkhead_queue_limit", name): limit}
