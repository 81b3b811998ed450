"""The cheaper `__init__` makes what the ordinary one makes, and refuses what it cannot."""

from __future__ import annotations

import inspect
from dataclasses import FrozenInstanceError, dataclass, field, fields, make_dataclass, replace
from typing import Any

import pytest

from proto_schemas.quick_init import quick_init
from proto_schemas.registry import TABLE


@dataclass(frozen=True, slots=True)
class Plain:
    """As `dataclasses` makes it."""

    price_ticks: int
    side: str
    correlation_id: str | None = None
    quantity_lots: int = 1


@quick_init
@dataclass(frozen=True, slots=True)
class Quick:
    """The same, made quick."""

    price_ticks: int
    side: str
    correlation_id: str | None = None
    quantity_lots: int = 1


def values(made: object) -> list[Any]:
    return [getattr(made, each.name) for each in fields(made)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ((5, "BUY"), {}),
        ((5, "BUY", "c-1", 3), {}),
        ((), {"side": "SELL", "price_ticks": -5}),
        ((5,), {"side": "SELL", "quantity_lots": 7}),
    ],
)
def test_the_same_arguments_give_the_same_values(given: Any, named: Any) -> None:
    assert values(Quick(*given, **named)) == values(Plain(*given, **named))
    assert Quick(*given, **named) == Quick(*given, **named)


@pytest.mark.parametrize(
    ("given", "named"),
    [((), {}), ((1,), {}), ((1, "BUY", None, 1, 1), {}), ((1, "BUY"), {"lots": 1})],
)
def test_wrong_arguments_are_a_type_error_that_names_the_class(given: Any, named: Any) -> None:
    for made in (Plain, Quick):
        with pytest.raises(TypeError, match=rf"{made.__qualname__}.__init__\(\)"):
            made(*given, **named)


def test_it_stays_frozen_and_can_be_replaced() -> None:
    made = Quick(5, "BUY")
    with pytest.raises(FrozenInstanceError):
        made.price_ticks = 6  # type: ignore[misc]
    assert replace(made, side="SELL") == Quick(5, "SELL")
    assert made == Quick(5, "BUY")


AT = ("at", int)


def refuses_zero(made: Any) -> None:
    assert made.at


@pytest.mark.parametrize(
    ("column", "how"),
    [
        (AT, {"frozen": False}),
        (AT, {"slots": False}),
        (AT, {"kw_only": True}),
        (AT, {"namespace": {"__post_init__": refuses_zero}}),
        (("at", list, field(default_factory=list)), {}),
        (("at", int, field(init=False, default=3)), {}),
    ],
    ids=["not-frozen", "no-slots", "names-only", "post-init", "factory", "no-argument"],
)
def test_what_it_cannot_do_is_refused(column: Any, how: dict[str, Any]) -> None:
    made = make_dataclass("Made", [column], **{"frozen": True, "slots": True, **how})
    before = made.__init__
    with pytest.raises(TypeError, match="needs the __init__"):
        quick_init(made)
    assert made.__init__ is before


def test_every_message_of_the_table_is_quick_and_takes_its_fields_in_order() -> None:
    for row in TABLE:
        taken = list(inspect.signature(row.model.__init__).parameters)[1:]
        assert taken == [each.name for each in fields(row.model)]  # type: ignore[arg-type]
        assert "__setattr__" not in row.model.__init__.__code__.co_names, row.kind
