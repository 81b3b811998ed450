"""A cheaper `__init__` for frozen, slotted dataclasses that are made for every event.

The `__init__` that `dataclasses` writes for a frozen class calls `object.__setattr__`, which looks
each name up in the class again. A slot's own descriptor is known once and for all: with six fields
that takes a bit more than half of the time. Nothing else changes: the class stays frozen, and takes
the same arguments with the same defaults.
"""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, TypeVar

Made = TypeVar("Made", bound=type[Any])


def quick_init(made: Made) -> Made:
    """Give the class its cheaper `__init__`, and return it.

    `TypeError` for what that cannot do: a class that is not frozen with slots, a default factory, a
    field that `__init__` does not take, a `__post_init__`.
    """
    known = fields(made)
    _refuse_what_it_cannot(made)
    names = [field.name for field in known]
    place = {f"set_{name}": getattr(made, name).__set__ for name in names}
    lines = [f"    set_{name}(self, {name})" for name in names] or ["    pass"]
    # The names come from a class body of ours, never from outside; `dataclasses` does the same.
    exec("\n".join([f"def __init__(self, {', '.join(names)}):", *lines]), place)
    init = place["__init__"]
    init.__defaults__ = tuple(field.default for field in known if field.default is not MISSING)
    init.__qualname__ = f"{made.__qualname__}.__init__"
    made.__init__ = init
    return made


def _refuse_what_it_cannot(made: type[Any]) -> None:
    odd = [
        field.name
        for field in fields(made)
        if field.default_factory is not MISSING or not field.init or field.kw_only
    ]
    frozen = made.__dataclass_params__.frozen
    loose = made.__dictoffset__ != 0 or not frozen
    if odd or loose or hasattr(made, "__post_init__"):
        raise TypeError(f"{made.__qualname__} needs the __init__ that it has: {odd or made}")
