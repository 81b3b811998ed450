"""Reservations: pending, posted, void; they only fall, and never by guess."""

from __future__ import annotations

import pytest

from proto_schemas.enums import OrderState as S
from proto_schemas.enums import Side
from services.risk_engine import reservations
from services.risk_engine.reservations import Reservations
from tests.unit.risk_engine.risk_inputs import intent, order_id, order_update


def reserved(*numbers: int) -> Reservations:
    book = Reservations()
    for number in numbers:
        book.reserve(intent(number, quantity_lots=4))
    return book


def bought(book: Reservations) -> int:
    return book.lots("ESM18", Side.BUY)


def told(book: Reservations, number: int, state: S, filled_lots: int = 0) -> None:
    book.post(order_update(number, state, filled_lots, quantity_lots=4))


def test_an_approval_reserves_all_its_lots_on_its_side_only() -> None:
    book = reserved(1, 2)
    assert (bought(book), book.lots("ESM18", Side.SELL), book.lots("ESU18", Side.BUY)) == (8, 0, 0)


def test_fills_lower_it_and_the_end_voids_it() -> None:
    book = reserved(1, 2)
    told(book, 1, S.PARTIAL_FILL, 3)
    assert bought(book) == 5
    told(book, 1, S.FILLED, 4)
    told(book, 2, S.CANCELLED, 1)
    assert (bought(book), book.held) == (0, {})


@pytest.mark.parametrize("state", [S.PENDING_CREATION, S.SUBMITTED, S.UNKNOWN, S.ACKNOWLEDGED])
def test_only_the_end_of_the_order_frees_what_is_not_filled(state: S) -> None:
    book = reserved(1)
    told(book, 1, state)
    assert bought(book) == 4


def test_a_late_or_repeated_word_never_raises_it() -> None:
    book = reserved(1)
    told(book, 1, S.PARTIAL_FILL, 3)
    told(book, 1, S.ACKNOWLEDGED, 0)
    assert bought(book) == 1
    told(book, 1, S.FILLED, 4)
    told(book, 1, S.PARTIAL_FILL, 3)
    assert (bought(book), book.held) == (0, {})


def test_an_overfill_leaves_nothing_rather_than_less() -> None:
    book = reserved(1, 2)
    told(book, 1, S.PARTIAL_FILL, 6)
    assert bought(book) == 4


def test_a_live_order_that_we_never_approved_is_reserved() -> None:
    book = reserved()
    told(book, 9, S.PARTIAL_FILL, 1)
    assert bought(book) == 3
    told(book, 9, S.CANCELLED, 1)
    assert bought(book) == 0


def test_a_refusal_frees_what_the_ledger_has_not_named() -> None:
    book = reserved(1, 2)
    told(book, 2, S.PENDING_CREATION)
    assert [book.refuse(order_id(number)) for number in (1, 2, 3)] == [True, False, False]
    assert bought(book) == 4


def test_an_order_that_turns_out_alive_after_a_refusal_is_held_again() -> None:
    book = reserved(1)
    book.refuse(order_id(1))
    told(book, 1, S.ACKNOWLEDGED, 1)
    assert bought(book) == 3


def test_a_rebuild_keeps_what_is_on_its_way_and_drops_what_the_ledger_forgot() -> None:
    book = reserved(1, 2, 3)
    told(book, 1, S.ACKNOWLEDGED)
    told(book, 2, S.ACKNOWLEDGED)
    book.begin_rebuild()
    told(book, 2, S.PARTIAL_FILL, 1)
    book.end_rebuild()
    assert list(book.held) == [order_id(2), order_id(3)]
    assert bought(book) == 3 + 4


def test_without_a_rebuild_the_end_of_one_drops_nothing() -> None:
    book = reserved(1)
    told(book, 1, S.ACKNOWLEDGED)
    book.end_rebuild()
    assert bought(book) == 4


def test_the_memory_of_ended_orders_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reservations, "ENDED_KEPT_MAX", 2)
    book = reserved(1, 2, 3)
    for number in (1, 2, 3):
        told(book, number, S.REJECTED)
    assert list(book.ended) == [order_id(2), order_id(3)]
