"""More lots than were ordered: they are booked, and the session halts."""

from __future__ import annotations

from proto_schemas.enums import OrderState
from tests.unit.brokers.session_inputs import at, filled, ready_session, reports, said, send


def test_an_execution_larger_than_the_rest_is_reported_and_halts() -> None:
    session = ready_session()
    send(session)  # three lots
    session.on_execution(filled(1, 2), at(1))
    assert reports(session.on_execution(filled(2, 2), at(2))) == [("EXECUTION", "X2")]
    assert "overfill" in session.halted


def test_an_overfill_after_a_cancel_halts() -> None:
    session = ready_session()
    send(session)
    session.on_order_event(said(1, OrderState.CANCELLED), at(1))
    session.on_execution(filled(2, 5), at(2))
    assert "overfill" in session.halted
