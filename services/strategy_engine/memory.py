"""What a strategy keeps on itself must come back from a checkpoint as it was.

A checkpoint writes values down, so a list that is held in two places would come back as two lists,
and from then on the strategy would decide otherwise than without the restart. That is found here
and refused: then there is no checkpoint, and a restart steps the whole journal.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import Enum

from shared.kernel.pack import Unpackable

IMMUTABLE = (bool, int, float, str, bytes, type(None), Enum)


def check_no_sharing(value: object) -> None:
    """Refuse a list, dict or object that can be reached in two ways."""
    seen: dict[int, None] = {}
    for each in _changeable(value):
        if id(each) in seen:
            raise Unpackable(f"one {type(each).__name__} is held in two places")
        seen[id(each)] = None


def _changeable(value: object) -> Iterator[object]:
    """Everything inside that could change, each time that it is met."""
    if isinstance(value, IMMUTABLE):
        return
    if not isinstance(value, (tuple, frozenset)):
        yield value
    for inner in _parts(value):
        yield from _changeable(inner)


def _parts(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value.keys()
        yield from value.values()
    elif isinstance(value, (list, tuple, set, frozenset, deque)):
        yield from value
    elif is_dataclass(value):
        yield from (getattr(value, field.name) for field in fields(value))
    elif hasattr(value, "__dict__"):
        yield from vars(value).values()
