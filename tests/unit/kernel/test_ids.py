"""Client order ids: shaped like the contract says, and never the same twice."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from proto_schemas.base import ClientOrderId
from shared.kernel.errors import OurFault
from shared.kernel.ids import ORIGIN_STRATEGY, ORIGIN_WATCHDOG, client_order_id, signal_id

INSTALL = "9f3ac21b77d0"
PARTS = st.tuples(st.integers(1, 2**16 - 1), st.integers(0, 2**16 - 1), st.integers(0, 2**48 - 1))
CONTRACT = TypeAdapter(ClientOrderId)


def test_an_id_can_be_read() -> None:
    assert client_order_id(INSTALL, 2, 3, 42) == "9f3ac21b-77d0-0002-0003-00000000002a"
    assert signal_id("ema_cross", 3, 17) == "ema_cross-3-17"
    assert ORIGIN_STRATEGY != ORIGIN_WATCHDOG


@given(PARTS)
def test_every_id_fits_the_contract(parts: tuple[int, int, int]) -> None:
    made = client_order_id(INSTALL, *parts)
    assert len(made) == 36
    assert CONTRACT.validate_python(made) == made


@given(PARTS, PARTS)
def test_two_ids_are_equal_only_if_all_their_parts_are(
    one: tuple[int, int, int], other: tuple[int, int, int]
) -> None:
    same = client_order_id(INSTALL, *one) == client_order_id(INSTALL, *other)
    assert same == (one == other)
    assert client_order_id("0" * 12, *one) != client_order_id(INSTALL, *one)


@pytest.mark.parametrize(
    ("install", "origin", "epoch", "counter"),
    [
        (INSTALL, 0, 1, 1),
        (INSTALL, 2**16, 1, 1),
        (INSTALL, 1, -1, 1),
        (INSTALL, 1, 2**16, 1),
        (INSTALL, 1, 1, -1),
        (INSTALL, 1, 1, 2**48),
        (INSTALL[:-1], 1, 1, 1),
    ],
)
def test_parts_that_would_not_fit_are_refused(
    install: str, origin: int, epoch: int, counter: int
) -> None:
    with pytest.raises(OurFault):
        client_order_id(install, origin, epoch, counter)
