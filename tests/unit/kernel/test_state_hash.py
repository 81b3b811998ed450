"""State hashes: equal for equal, different for different, and no floats."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto_schemas.enums import OrderState, Side
from shared.kernel.errors import OurFault
from shared.kernel.state import state_hash

SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.text() | st.binary()
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@dataclass
class Row:
    """A piece of state."""

    lots: int
    side: Side | None = None
    seen: dict[str, int] = field(default_factory=dict)


@given(st.dictionaries(st.text() | st.integers(-9, 9), VALUES, max_size=6), st.randoms())
def test_the_order_of_a_dict_does_not_matter(table: dict[Any, Any], random: Any) -> None:
    keys = list(table)
    random.shuffle(keys)
    assert state_hash({key: table[key] for key in keys}) == state_hash(table)


@given(st.sets(st.text(), max_size=6), st.randoms())
def test_the_order_in_which_a_set_was_filled_does_not_matter(items: set[str], random: Any) -> None:
    shuffled = sorted(items)
    random.shuffle(shuffled)
    assert state_hash(set(shuffled)) == state_hash(frozenset(items))


@given(st.lists(SCALARS, max_size=5), st.lists(SCALARS, max_size=5))
def test_lists_have_the_same_hash_exactly_when_they_are_equal(
    one: list[Any], other: list[Any]
) -> None:
    exact = [(type(item), item) for item in one] == [(type(item), item) for item in other]
    assert (state_hash(one) == state_hash(other)) == exact


DIFFERENT = [
    (0, False),
    (1, True),
    (0, None),
    ("", None),
    ("1", 1),
    ("a", b"a"),
    ([], None),
    ([1, 2], [2, 1]),
    ([[1], 2], [[1, 2]]),
    ({"a": 1}, {"a": 2}),
    ({"a": 1}, {"b": 1}),
    ({1: 1}, {"1": 1}),
    (Row(1), Row(2)),
    (Row(1, Side.BUY), Row(1, Side.SELL)),
    (Row(1, Side.BUY), Row(1)),
    (Row(1, None, {"a": 1}), Row(1)),
    ({OrderState.FILLED: 1}, {OrderState.CANCELLED: 1}),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_states_that_differ_have_different_hashes(one: Any, other: Any) -> None:
    assert state_hash(one) != state_hash(other)


def test_equal_states_have_equal_hashes_in_every_life() -> None:
    make = lambda: {"rows": deque([Row(1, Side.BUY, {"b": 2, "a": 1})]), "ids": {"x", "y"}}  # noqa: E731
    assert state_hash(make()) == state_hash(make())
    # Known by heart: another process, another Python, must come to the same.
    assert state_hash({"lots": [1, -2], "side": Side.BUY}) == "d3a814210ab4be74"


@pytest.mark.parametrize("value", [0.5, [1, 0.0], {"a": 1.0}, {1.5: "a"}, Row(1.0)])  # type: ignore[arg-type]
def test_a_float_is_refused(value: Any) -> None:
    with pytest.raises(OurFault, match="STATE_TYPE"):
        state_hash(value)


def test_a_thing_without_a_plain_form_is_refused() -> None:
    with pytest.raises(OurFault, match="STATE_TYPE"):
        state_hash({"made": object()})
