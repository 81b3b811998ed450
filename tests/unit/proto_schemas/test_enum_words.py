"""Closed lists travel as text and arrive as members."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter

from proto_schemas import enums
from proto_schemas.enums import Side
from services.lab.contract_pages import _enums
from shared.bus.codec import decode
from tests.unit.proto_schemas.frames import altered


def members() -> list[enums.StrEnum]:
    return [member for words in _enums().values() for member in words]


@pytest.mark.parametrize("member", members(), ids=lambda m: f"{type(m).__name__}.{m}")
def test_the_wire_word_is_the_name_and_yields_the_member(member: enums.StrEnum) -> None:
    assert member.value == member.name
    assert TypeAdapter(type(member)).validate_python(member.value) is member


def test_a_decoded_message_holds_members_not_text() -> None:
    from proto_schemas.broker import BrokerSnapshot, NewOrder

    order = decode(altered(NewOrder)).body
    assert isinstance(order, NewOrder) and type(order.side) is Side
    snapshot = decode(altered(BrokerSnapshot)).body
    assert isinstance(snapshot, BrokerSnapshot) and type(snapshot.orders[0].side) is Side


def test_a_side_is_worth_one_lot_up_or_down() -> None:
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)
