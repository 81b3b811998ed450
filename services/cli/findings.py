"""What `bulkhead doctor` finds: one line for one thing that was looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `fix` is empty if all is well."""

    check: str
    level: Level
    seen: str
    fix: str = ""


Check = Callable[[Path], Iterator[Finding]]
"""Looks at one thing; it is given the runs folder. It never mends anything."""


def judged(check: str, seen: str, level: Level, fix: str) -> Finding:
    """A finding whose fix is only shown if something is wrong."""
    return Finding(check, level, seen, "" if level == "ok" else fix)


def below(value: float, fail: float, warn: float) -> Level:
    """How bad it is that there is so little."""
    return "fail" if value < fail else "warn" if value < warn else "ok"


def above(value: float, warn: float, fail: float) -> Level:
    """How bad it is that there is so much."""
    return "fail" if value > fail else "warn" if value > warn else "ok"
