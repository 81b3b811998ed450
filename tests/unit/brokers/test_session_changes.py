"""Cancels and replaces: numbered, one at a time, judged by the broker, never lost for good."""

from __future__ import annotations

from dataclasses import replace

from proto_schemas.broker import BrokerOrderEvent, CancelOrder, ReplaceOrder
from proto_schemas.enums import OrderState, OrderType
from proto_schemas.signals import Leg
from shared.brokers.session import BrokerSession
from shared.kernel.clock import MS, SECOND
from shared.kernel.outputs import Output, Send
from tests.unit.brokers.session_inputs import (
    ACK_TIMEOUT,
    NAME,
    SIGNAL,
    STRATEGY,
    WIRE_DELAY,
    account,
    at,
    filled,
    hear,
    new_order,
    order_id,
    queries,
    ready_session,
    reports,
    said,
    send,
    shown,
    state_of,
)

S = OrderState


def working_session() -> BrokerSession:
    """One limit order of three lots that works."""
    session = ready_session()
    order = new_order(order_type=OrderType.LIMIT, price_ticks=99)
    session.submit(order, STRATEGY, SIGNAL, at(0).boot_ns + SECOND, at(0))
    session.on_order_event(said(1, S.ACKNOWLEDGED), at(1))
    session.on_order_event(said(2, S.WORKING), at(1))
    return session


def changes(outputs: list[Output]) -> list[CancelOrder | ReplaceOrder]:
    sent = [each.message for each in outputs if isinstance(each, Send)]
    return [each for each in sent if isinstance(each, CancelOrder | ReplaceOrder)]


def judged(
    seq: int, state: OrderState, revision: int, *, refused: bool = False, lots: int = 3
) -> BrokerOrderEvent:
    return BrokerOrderEvent(
        NAME, seq, order_id(), "B1", state, "SAID", 7, revision, refused, lots, 98
    )


def test_a_cancel_is_asked_once_and_ends_the_order_by_the_brokers_word() -> None:
    session = working_session()
    outputs = session.cancel(order_id(), at(2))
    assert changes(outputs) == [CancelOrder(NAME, order_id(), 1)]
    assert reports(outputs) == [("ASK_CANCEL", "CANCEL_SENT")]
    assert state_of(session) is S.PENDING_CANCEL
    assert session.cancel(order_id(), at(3)) == []
    assert reports(session.on_order_event(judged(3, S.CANCELLED, 1), at(4))) == [("CANCEL", "SAID")]
    assert session.cancel(order_id(), at(5)) == []


def test_a_cancel_of_an_order_that_the_broker_has_not_named_waits_for_its_word() -> None:
    session = ready_session()
    send(session)
    assert session.cancel(order_id(), at(1)) == []
    outputs = session.on_order_event(said(1, S.ACKNOWLEDGED), at(2))
    assert changes(outputs) == [CancelOrder(NAME, order_id(), 1)]


def test_a_refused_cancel_leaves_the_order_at_work_with_its_fills() -> None:
    session = working_session()
    session.cancel(order_id(), at(2))
    session.on_execution(filled(3, 1, leaves=2), at(3))
    assert state_of(session) is S.PENDING_CANCEL
    session.on_order_event(judged(4, S.PARTIAL_FILL, 1, refused=True), at(4))
    assert state_of(session) is S.PARTIAL_FILL


def test_a_replace_takes_effect_by_the_brokers_word_and_tells_the_new_terms() -> None:
    session = working_session()
    item = session.live[order_id()]
    outputs = session.replace(item, 2, 98, at(2))
    assert changes(outputs) == [ReplaceOrder(NAME, order_id(), 1, 2, 98)]
    assert (item.quantity_lots, item.price_ticks) == (3, 99)
    assert reports(session.on_order_event(judged(3, S.WORKING, 1, lots=2), at(3))) == [
        ("REPLACE", "SAID")
    ]
    assert (item.quantity_lots, item.price_ticks, item.state) == (2, 98, S.WORKING)
    session.on_execution(filled(4, 2), at(4))
    assert state_of(session) is S.FILLED


def test_a_cancel_that_meets_a_replace_on_its_way_follows_it() -> None:
    session = working_session()
    session.replace(session.live[order_id()], 2, 98, at(2))
    assert session.cancel(order_id(), at(3)) == []
    outputs = session.on_order_event(judged(3, S.WORKING, 1, lots=2), at(4))
    assert changes(outputs) == [CancelOrder(NAME, order_id(), 2)]


def test_a_lost_cancel_is_sent_again_under_its_number() -> None:
    session = working_session()
    session.cancel(order_id(), at(2))
    late = at(2 + ACK_TIMEOUT // MS + 1)
    assert queries(session.on_timer(late))
    outputs = hear(session, account(2, shown(S.WORKING)), late)
    assert changes(outputs) == [CancelOrder(NAME, order_id(), 1)]
    assert state_of(session) is S.PENDING_CANCEL


def test_a_lost_replace_counts_as_refused_and_leaves_the_old_terms() -> None:
    session = working_session()
    session.replace(session.live[order_id()], 2, 98, at(2))
    late = at(2 + ACK_TIMEOUT // MS + 1)
    session.on_timer(late)
    outputs = hear(session, account(2, shown(S.WORKING)), late)
    assert reports(outputs) == [("REFUSE_CHANGE", "CHANGE_LOST")]
    item = session.live[order_id()]
    assert (item.quantity_lots, item.price_ticks, item.state) == (3, 99, S.WORKING)


def test_a_snapshot_from_before_the_wire_delay_says_nothing_about_a_change() -> None:
    session = working_session()
    session.cancel(order_id(), at(2))
    soon = at(2 + WIRE_DELAY // MS - 1)
    session.ask_again(soon)
    assert changes(hear(session, account(2, shown(S.WORKING)), soon)) == []


def test_after_a_restart_a_pending_change_is_judged_by_the_account() -> None:
    session = working_session()
    session.cancel(order_id(), at(2))
    session.start(at(10))
    late = at(10 + WIRE_DELAY // MS)
    session.ask_again(late)
    seen = replace(shown(S.WORKING), revision=0)
    assert changes(hear(session, account(2, seen), late)) == [CancelOrder(NAME, order_id(), 1)]


def test_a_bracket_leaves_as_one_message_and_is_three_orders_to_the_ledger() -> None:
    session = ready_session()
    legs = (Leg(order_id(2), OrderType.STOP, 95), Leg(order_id(3), OrderType.LIMIT, 103))
    order = new_order(order_type=OrderType.LIMIT, price_ticks=99, legs=legs)
    outputs = session.submit(order, STRATEGY, SIGNAL, at(0).boot_ns + SECOND, at(0))
    assert [each.message for each in outputs if isinstance(each, Send)] == [order]
    assert reports(outputs) == [("SUBMIT", "SENT")] * 3
    assert [item.parent_id for item in session.live.values()] == [None, order_id(), order_id()]
    assert all(item.order.reduce_only for item in session.live.values() if item.parent_id)


def test_of_an_order_that_did_not_leave_no_leg_left_either() -> None:
    session = ready_session()
    legs = (Leg(order_id(2), OrderType.STOP, 95),)
    order = new_order(order_type=OrderType.LIMIT, price_ticks=99, legs=legs)
    session.submit(order, STRATEGY, SIGNAL, at(0).boot_ns + SECOND, at(0))
    assert reports(session.on_undelivered(order_id(), at(1))) == [("REJECT", "NOT_SENT")] * 2
    assert session.live == {}
