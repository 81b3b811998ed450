"""Hash and plain form of a core's state: how replicas, replays and snapshots prove themselves
equal.

Works on dataclasses, enums, dicts, lists, tuples, sets (sorted), text, bytes and integers. A float
or any other type is refused: state that cannot be compared exactly is a bug.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum
from hashlib import blake2b
from typing import Any

import msgpack

from shared.kernel.errors import OurFault


def to_plain(value: Any) -> Any:
    """Turn a state object into nested lists and scalars, dicts as sorted pairs."""
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise OurFault(
            "STATE_RANGE", field="int", value=hex(value), fix="Keep integers within 64 bits."
        )
    if value is None or isinstance(value, (bool, int, bytes)):
        return value
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return [to_plain(getattr(value, f.name)) for f in fields(value)]
    if isinstance(value, dict):
        return [[to_plain(k), to_plain(value[k])] for k in sorted(value, key=_order)]
    if isinstance(value, (set, frozenset)):
        return [to_plain(item) for item in sorted(value, key=_order)]
    if isinstance(value, (list, tuple)) or hasattr(value, "__iter__"):
        return [to_plain(item) for item in value]
    raise OurFault("STATE_TYPE", field=type(value).__name__, value=value, fix="Use plain types.")


def _order(value: Any) -> str:
    return repr(to_plain(value))


def state_hash(value: Any) -> str:
    """16 hex digits that are equal exactly when two states are equal (up to hash collisions)."""
    return blake2b(msgpack.packb(to_plain(value)), digest_size=8).hexdigest()
