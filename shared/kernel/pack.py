"""A core's whole state as bytes, and back: what a checkpoint holds.

Not pickle: bytes can only become plain values, enums and dataclasses of our own packages, and no
code of theirs runs on the way. Dataclasses go by the names of their fields; if the class has other
fields today, the bytes are refused and the journal is stepped from its start instead.

What may stand in a state: None, bool, int of 64 bits, float, text, bytes, list, tuple, dict, set,
deque, enums, dataclasses of ours, and plain objects of a strategy's own file. Anything else is
`Unpackable`, with its type. Limit: an object that is held in two places comes back as two.

Form: `msgpack([classes, body])`. A value that msgpack does not know is a list that begins with a
mark, which no ordinary list can.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum
from importlib import import_module
from operator import attrgetter
from typing import Any

import msgpack

OURS = ("proto_schemas.", "shared.", "services.")
STRATEGIES = "services.strategy_engine.strategies."

_MARK_CODE = 1
_MARK = msgpack.ExtType(_MARK_CODE, b"")
_TUPLE, _SET, _FROZENSET, _DEQUE = -1, -2, -3, -4


class Unpackable(Exception):
    """This state cannot be written down, or these bytes are no state of this code."""


def pack(value: object) -> bytes:
    """Return the bytes. `Unpackable` names the type that has no place in a state."""
    packer = _Packer()
    try:
        body = msgpack.packb(value, default=packer.plain, strict_types=True)
        packed: bytes = msgpack.packb([packer.described(), body])
    except (OverflowError, ValueError, TypeError, RecursionError) as error:
        raise Unpackable(str(error)) from error
    return packed


def unpack(data: bytes) -> Any:
    """Return an equal value of the same types. `Unpackable` if the bytes are not ours."""
    try:
        classes, body = msgpack.unpackb(data)
        reader = _Reader([_find(name, names) for name, names in classes])
        return msgpack.unpackb(
            body, list_hook=reader.value, ext_hook=_mark, strict_map_key=False, use_list=True
        )
    except (ValueError, TypeError, AttributeError, IndexError, ImportError) as error:
        raise Unpackable(f"no state of this code: {error}") from error


def put_back(target: object, source: object) -> None:
    """Give every field of a dataclass the value that it has in another of its class."""
    for field in fields(target):  # type: ignore[arg-type]
        setattr(target, field.name, getattr(source, field.name))


class _Packer:
    """Turns what msgpack does not know into marked lists, and remembers the classes it met."""

    def __init__(self) -> None:
        self._numbers: dict[type, int] = {}
        self._fields: dict[type, tuple[str, ...] | None] = {}
        self._read: dict[type, Callable[[Any], tuple[Any, ...]]] = {}

    def plain(self, value: Any) -> list[Any]:
        kind = type(value)
        if kind is tuple:
            return [_MARK, _TUPLE, *value]
        if kind is deque:
            return [_MARK, _DEQUE, value.maxlen, *value]
        if kind is set or kind is frozenset:
            return [_MARK, _SET if kind is set else _FROZENSET, *sorted(value, key=repr)]
        number = self._number(kind)
        if isinstance(value, Enum):
            return [_MARK, number, value.value]
        read = self._read.get(kind)
        return [_MARK, number, vars(value)] if read is None else [_MARK, number, *read(value)]

    def described(self) -> list[tuple[str, list[str] | None]]:
        """Name and field names of every class met; None instead of them for a plain object."""
        return [
            (f"{kind.__module__}:{kind.__qualname__}", _listed(self._fields[kind]))
            for kind in self._numbers
        ]

    def _number(self, kind: type) -> int:
        number = self._numbers.get(kind)
        if number is None:
            self._fields[kind] = names = _field_names(kind)
            if names:
                self._read[kind] = _reader_of(names)
            elif names is not None:
                self._read[kind] = lambda _value: ()
            number = self._numbers[kind] = len(self._numbers)
        return number


class _Reader:
    """Turns marked lists back."""

    def __init__(self, classes: list[tuple[type, tuple[str, ...] | None]]) -> None:
        self._classes = classes

    def value(self, found: list[Any]) -> Any:
        if not found or found[0] is not _MARK:
            return found
        number = found[1]
        if number < 0:
            return _container(number, found)
        kind, names = self._classes[number]
        if issubclass(kind, Enum):
            return kind(found[2])
        made = object.__new__(kind)
        if names is None:
            vars(made).update(found[2])
            return made
        for name, value in zip(names, found[2:], strict=True):
            object.__setattr__(made, name, value)
        return made


def _container(number: int, found: list[Any]) -> Any:
    match number:
        case -1:
            return tuple(found[2:])
        case -2:
            return set(found[2:])
        case -3:
            return frozenset(found[2:])
        case -4:
            return deque(found[3:], maxlen=found[2])
    raise ValueError(f"container {number}")


def _mark(code: int, data: bytes) -> Any:
    if code == _MARK_CODE and not data:
        return _MARK
    raise ValueError(f"extension {code}")


def _field_names(kind: type) -> tuple[str, ...] | None:
    """Field names of a dataclass, () for an enum, None for a plain object of a strategy."""
    if not kind.__module__.startswith(OURS) or "<locals>" in kind.__qualname__:
        raise TypeError(f"a state cannot hold a {kind.__module__}.{kind.__qualname__}")
    if issubclass(kind, Enum):
        return ()
    if is_dataclass(kind):
        return tuple(field.name for field in fields(kind))
    if kind.__module__.startswith(STRATEGIES) and "__slots__" not in vars(kind):
        return None
    raise TypeError(f"a state cannot hold a {kind.__qualname__}: make it a dataclass")


def _reader_of(names: tuple[str, ...]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    (name,) = names
    return lambda value: (getattr(value, name),)


def _listed(names: tuple[str, ...] | None) -> list[str] | None:
    return None if names is None else list(names)


def _find(name: str, names: list[str] | None) -> tuple[type, tuple[str, ...] | None]:
    """The class of this name, if it is ours and still has these fields."""
    module, _, path = name.partition(":")
    if not module.startswith(OURS):
        raise ValueError(f"{name} is none of ours")
    found: Any = import_module(module)
    for part in path.split("."):
        found = getattr(found, part)
    today = _field_names(found)
    if _listed(today) != names:
        raise ValueError(f"{name} had the fields {names}, today {_listed(today)}")
    return found, today
