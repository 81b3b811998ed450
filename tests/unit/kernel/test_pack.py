"""State as bytes: what comes back equal, what is refused, and that bytes can run no code."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto_schemas.base import Envelope
from proto_schemas.control import SnapshotRequest
from proto_schemas.enums import OrderState, Side
from services.order_state.ledger import Books, Position
from services.order_state.orders import Order
from services.strategy_engine.loader import load_strategy
from services.strategy_engine.memory import check_no_sharing
from shared.bus.replica import Replica
from shared.kernel import pack as module
from shared.kernel.outputs import Event
from shared.kernel.pack import Unpackable, pack, put_back, unpack

INT64 = st.integers(-(2**63), 2**63 - 1)
KEYS = st.one_of(INT64, st.text(), st.tuples(st.text(), st.sampled_from(Side)), st.booleans())
LEAVES = st.one_of(
    st.none(), st.booleans(), INT64, st.floats(allow_nan=False), st.text(), st.binary(),
    st.sampled_from(OrderState), st.sampled_from(Side), st.sets(INT64), st.frozensets(st.text()),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner),
        st.lists(inner).map(tuple),
        st.lists(inner).map(lambda items: deque(items, maxlen=7)),
        st.dictionaries(KEYS, inner),
    ),
)


def typed(value: object) -> object:
    """Equality in Python passes over types (1 == True, list order of sets): compare those too."""
    if isinstance(value, dict):
        return [type(value), [(typed(key), typed(value[key])) for key in value]]
    if isinstance(value, set | frozenset):
        return [type(value), sorted(map(repr, value))]
    if isinstance(value, list | tuple):
        return [type(value), [typed(item) for item in value]]
    if isinstance(value, deque):
        return [deque, value.maxlen, [typed(item) for item in value]]
    return [type(value), value]


@given(VALUES)
def test_every_plain_value_comes_back_with_its_types(value: object) -> None:
    assert typed(unpack(pack(value))) == typed(value)


def test_the_order_of_a_dict_stays() -> None:
    keys = [("b", 2), ("a", 1), ("c", 0)]
    assert list(unpack(pack(dict.fromkeys(keys)))) == keys


def test_our_dataclasses_come_back_frozen_slotted_and_nested() -> None:
    envelope = Envelope("k", 1, "p", 2, "s", 3, 4, 5, None, "cause")
    replica = Replica("ledger", "order_state", 3, 9, True, 1)
    replica.waiting.append(Event(envelope, SnapshotRequest("s", 1, 2)))
    books = Books(
        orders={"a": Order(1, "a", "router", "ema", "ESM30", Side.BUY, None)},
        positions={("ema", "ESM30"): Position("ema", "ESM30", 12_500, -3)},
    )
    assert unpack(pack([replica, books])) == [replica, books]
    assert unpack(pack(replica)).waiting.maxlen == replica.waiting.maxlen


class Elsewhere:
    """Not one of ours."""


@pytest.mark.parametrize(
    "value", [object(), len, 2**64, -(2**63) - 1, Elsewhere(), {"deep": [(lambda: 1,)]}, 1j]
)
def test_what_has_no_place_in_a_state_is_refused(value: object) -> None:
    with pytest.raises(Unpackable):
        pack(value)


def test_a_list_within_itself_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(Unpackable):
        pack(loop)


def with_classes(classes: list[object], body: object) -> bytes:
    packed: bytes = msgpack.packb([classes, msgpack.packb(body)])
    return packed


MARK = msgpack.ExtType(1, b"")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"garbage",
        msgpack.packb([1]),
        with_classes([["os:system", []]], [MARK, 0]),
        with_classes([["subprocess:Popen", ["args"]]], [MARK, 0, "true"]),
        with_classes([["shared.runtime.host:Host", None]], [MARK, 0, {}]),
        with_classes([["shared.kernel.pack:import_module", []]], [MARK, 0]),
        with_classes([["proto_schemas.enums:Side", []]], [MARK, 0, "HOLD"]),
        with_classes([["shared.nothing:Here", []]], [MARK, 0]),
        with_classes([], [MARK, 0]),
        with_classes([], [MARK, -9]),
        with_classes([], msgpack.ExtType(2, b"")),
        with_classes([["proto_schemas.control:SnapshotRequest", ["stream"]]], [MARK, 0, "s"]),
    ],
)
def test_bytes_of_another_making_are_refused_and_run_nothing(data: bytes) -> None:
    with pytest.raises(Unpackable):
        unpack(data)


def test_a_class_that_has_other_fields_today_is_refused() -> None:
    name = "proto_schemas.control:SnapshotRequest"
    fields = ["stream", "after_epoch", "after_seq"]
    good = with_classes([[name, fields]], [MARK, 0, "s", 1, 2])
    assert unpack(good) == SnapshotRequest("s", 1, 2)
    with pytest.raises(Unpackable, match="had the fields"):
        unpack(with_classes([[name, [*fields, "more"]]], [MARK, 0, "s", 1, 2, 3]))
    with pytest.raises(Unpackable):
        unpack(with_classes([[name, fields]], [MARK, 0, "s", 1]))


STRATEGY = """
from __future__ import annotations
from dataclasses import dataclass, field
from services.strategy_engine.api import Strategy

class Plain:
    def __init__(self) -> None:
        self.values = [1.5, 2.5]

@dataclass
class Memory:
    closes: list[int] = field(default_factory=list)

class Mine(Strategy):
    name = "mine"

    def __init__(self) -> None:
        self.plain = Plain()
        self.memory = Memory([1, 2])
"""


def test_what_a_strategy_keeps_comes_back_plain_objects_too(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(STRATEGY)
    strategy = load_strategy("mine", tmp_path)
    back = unpack(pack(vars(strategy)))
    assert vars(back["plain"]) == {"values": [1.5, 2.5]}
    assert type(back["plain"]) is type(vars(strategy)["plain"])
    assert back["memory"] == vars(strategy)["memory"]


def test_one_list_in_two_places_is_found_and_equal_ones_are_not() -> None:
    shared = [1]
    for value in ({"a": shared, "b": shared}, [shared, (shared,)], deque([shared, [shared]])):
        with pytest.raises(Unpackable, match="two places"):
            check_no_sharing(value)
    frozen = ("x", (1, 2))
    check_no_sharing({"a": [1], "b": [1], "c": frozen, "d": frozen, "e": Side.BUY, "f": Side.BUY})


def test_put_back_changes_an_object_in_place() -> None:
    old, new = Replica("a", "b"), Replica("a", "b", 5, 6, True)
    keep = old
    put_back(old, new)
    assert keep is old and old == new


def test_only_our_packages_are_looked_up() -> None:
    assert module.OURS == ("proto_schemas.", "shared.", "services.")
