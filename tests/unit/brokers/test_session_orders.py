"""The life of one order in a session: sent once, and then only the broker's word moves it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proto_schemas.enums import OrderAction, OrderState
from proto_schemas.ledger import Execution, OrderEvent
from proto_schemas.signals import Ack, Nack
from shared.brokers.orders import report_request
from shared.brokers.session import DUPLICATE, LIVE_MAX
from shared.kernel.clock import MS
from shared.kernel.errors import OurFault
from shared.kernel.outputs import Barrier, Log, Request, Send
from tests.support import bodies
from tests.unit.brokers.session_inputs import (
    NAME,
    SIGNAL,
    STRATEGY,
    account,
    at,
    filled,
    hear,
    new_order,
    order_id,
    orders_sent,
    queries,
    ready_session,
    reports,
    said,
    send,
    shown,
    state_of,
)


@pytest.mark.parametrize("action", OrderAction)
def test_only_news_that_more_follows_on_may_wait_for_company(action: OrderAction) -> None:
    (_, _, told, _) = send(ready_session())
    assert isinstance(told, Request) and isinstance(told.message, OrderEvent)
    made = report_request(replace(told.message, action=action), None)
    waits_ns = {
        **dict.fromkeys(("SUBMIT", "ASK_CANCEL", "ASK_REPLACE"), 20 * MS),
        **dict.fromkeys(("ACKNOWLEDGE", "WORK"), 5 * MS),
    }
    assert isinstance(made, Request)
    assert made.may_wait_ns == waits_ns.get(action, 0), "an end or a refusal leaves at once"


def test_a_fill_never_waits_for_company() -> None:
    session = ready_session()
    send(session)
    told = [each for each in session.on_execution(filled(1, 3), at(1)) if type(each) is Request]
    assert [(type(each.message), each.may_wait_ns) for each in told] == [(Execution, 0)]


def test_an_order_waits_for_the_disk_then_leaves_then_is_reported() -> None:
    session = ready_session()
    outputs = session.submit(new_order(), STRATEGY, SIGNAL, 42, at(0))
    assert [type(each) for each in outputs] == [Barrier, Send, Request, Log]
    assert outputs[1] == Send("venue", new_order(), SIGNAL, order_id(), 42)
    assert outputs[2] == Request(
        "order_state",
        OrderEvent(
            order_id(), NAME, STRATEGY, "ESM18", new_order().side, 3, new_order().order_type,
            OrderAction.SUBMIT, "SENT", None, None,
        ),
        correlation_id=SIGNAL,
        may_wait_ns=20 * MS,
    )  # fmt: skip
    assert state_of(session) is OrderState.SUBMITTED
    assert session.ledger_waiting == 1


def test_an_id_is_sent_once_even_after_its_order_has_ended() -> None:
    session = ready_session()
    send(session)
    with pytest.raises(OurFault, match="order id is new"):
        send(session)
    session.on_order_event(said(1, OrderState.REJECTED, code="NO_MARKET"), at(1))
    with pytest.raises(OurFault, match="order id is new"):
        send(session)


def test_live_orders_are_bounded() -> None:
    session = ready_session()
    for number in range(LIVE_MAX):
        send(session, number)
    with pytest.raises(OurFault, match="live orders are bounded"):
        send(session, LIVE_MAX)


def test_an_acknowledgement_goes_to_the_ledger_with_the_brokers_id() -> None:
    session = ready_session()
    send(session)
    (report,) = bodies(session.on_order_event(said(1, OrderState.ACKNOWLEDGED), at(1)), Request)
    assert (report.action, report.broker_order_id, report.exchange_ns) == (
        OrderAction.ACKNOWLEDGE, "B1", 7,
    )  # fmt: skip
    assert state_of(session) is OrderState.ACKNOWLEDGED


def test_fills_add_up_until_the_order_is_done() -> None:
    session = ready_session()
    send(session)
    session.on_order_event(said(1, OrderState.ACKNOWLEDGED), at(1))
    first = session.on_execution(filled(2, 1, leaves=2), at(2))
    assert reports(first) == [("EXECUTION", "X2")]
    assert state_of(session) is OrderState.PARTIAL_FILL
    session.on_execution(filled(3, 1, leaves=1), at(3))
    assert order_id() in session.live
    session.on_execution(filled(4, 1), at(4))
    assert state_of(session) is OrderState.FILLED
    assert (order_id() in session.live, order_id() in session.done) == (False, True)
    assert session.done[order_id()].filled_lots == 3


def test_an_execution_carries_the_orders_strategy_and_signal_to_the_ledger() -> None:
    session = ready_session()
    send(session)
    (request,) = [each for each in session.on_execution(filled(1, 3), at(1))
                  if isinstance(each, Request)]  # fmt: skip
    broker = filled(1, 3)
    assert request == Request(
        "order_state",
        Execution(
            order_id(), NAME, STRATEGY, "X1", "B1", "ESM18", broker.side, 3, 10_000, 6_750, 7
        ),
        correlation_id=SIGNAL,
    )


def test_a_fill_may_come_before_the_acknowledgement() -> None:
    session = ready_session()
    send(session)
    session.on_execution(filled(1, 1, leaves=2), at(1))
    session.on_order_event(said(2, OrderState.ACKNOWLEDGED), at(2))
    assert state_of(session) is OrderState.PARTIAL_FILL
    session.on_execution(filled(3, 2), at(3))
    session.on_order_event(said(4, OrderState.ACKNOWLEDGED), at(4))
    assert state_of(session) is OrderState.FILLED
    assert order_id() not in session.live


@pytest.mark.parametrize(
    ("lots", "end"), [(1, OrderState.CANCELLED), (3, OrderState.FILLED)], ids=["part", "all"]
)
def test_a_late_fill_after_the_cancel_counts_and_wakes_nothing(lots: int, end: OrderState) -> None:
    session = ready_session()
    send(session)
    cancelled = session.on_order_event(said(1, OrderState.CANCELLED, code="BY_BROKER"), at(1))
    assert reports(cancelled) == [("CANCEL", "BY_BROKER")]
    assert reports(session.on_execution(filled(2, lots), at(2))) == [("EXECUTION", "X2")]
    assert state_of(session) is end
    assert session.live == {}
    assert session.done[order_id()].filled_lots == lots


def test_a_refusal_ends_the_order_with_the_brokers_code() -> None:
    session = ready_session()
    send(session)
    outputs = session.on_order_event(said(1, OrderState.REJECTED, code="NO_MARKET"), at(1))
    assert reports(outputs) == [("REJECT", "NO_MARKET")]
    assert list(session.done) == [order_id()]


def test_a_duplicate_refusal_does_not_end_the_first_order_but_asks() -> None:
    session = ready_session()
    send(session)
    session.on_order_event(said(1, OrderState.ACKNOWLEDGED), at(1))
    outputs = session.on_order_event(said(2, OrderState.REJECTED, code=DUPLICATE), at(2))
    assert reports(outputs) == []
    assert len(queries(outputs)) == 1
    assert state_of(session) is OrderState.ACKNOWLEDGED
    assert session.last_seq == 2


def test_an_order_that_never_left_the_process_ends_as_not_sent() -> None:
    session = ready_session()
    send(session)
    assert reports(session.on_undelivered(order_id(), at(1))) == [("REJECT", "NOT_SENT")]
    assert state_of(session) is OrderState.REJECTED
    assert session.on_undelivered(order_id(), at(2)) == []
    assert session.on_undelivered(order_id(9), at(2)) == []


def test_an_order_unknown_here_halts_the_session() -> None:
    session = ready_session()
    outputs = session.on_order_event(said(1, OrderState.ACKNOWLEDGED, 9), at(1))
    assert order_id(9) in session.halted
    assert [each.level for each in outputs if isinstance(each, Log)] == ["error"]
    assert reports(outputs) == []


def test_a_fill_of_an_order_unknown_here_is_booked_all_the_same_and_halts() -> None:
    session = ready_session()
    outputs = session.on_execution(filled(1, 2, number=9), at(1))
    assert reports(outputs) == [("EXECUTION", "X1")]
    (told,) = bodies(outputs, Request)
    assert told.strategy == NAME
    assert order_id(9) in session.halted


def test_a_fill_of_an_order_that_is_full_is_booked_and_halts() -> None:
    session = ready_session()
    send(session)
    session.on_execution(filled(1, 3), at(1))
    assert session.halted == ""
    outputs = session.on_execution(filled(2, 1), at(2))
    assert reports(outputs) == [("EXECUTION", "X2")]
    assert "X2" in session.halted
    assert state_of(session) is OrderState.FILLED


@pytest.mark.parametrize(
    ("lots", "end"), [(1, OrderState.REJECTED), (3, OrderState.FILLED)], ids=["part", "all"]
)
def test_a_fill_of_an_order_that_never_arrived_is_booked_and_halts(
    lots: int, end: OrderState
) -> None:
    session = ready_session()
    send(session)
    session.ask(at(600))
    assert reports(hear(session, account(), at(601))) == [("REJECT", "NEVER_ARRIVED")]
    outputs = session.on_execution(filled(1, lots), at(602))
    assert reports(outputs) == [("EXECUTION", "X1")]
    assert "X1" in session.halted
    assert state_of(session) is end
    assert session.live == {}
    assert session.done[order_id()].filled_lots == lots


@pytest.mark.parametrize("state", [OrderState.FILLED, OrderState.UNKNOWN, OrderState.SUBMITTED])
def test_an_order_event_with_a_word_that_is_not_the_brokers_halts(state: OrderState) -> None:
    session = ready_session()
    send(session)
    outputs = session.on_order_event(said(1, state), at(1))
    assert [each.event for each in outputs if isinstance(each, Log)] == ["session_halted"]
    assert (reports(outputs), state_of(session)) == ([], OrderState.SUBMITTED)
    assert order_id() in session.halted


def test_a_move_that_cannot_be_halts_and_changes_nothing() -> None:
    session = ready_session()
    send(session)
    session.on_execution(filled(1, 1), at(1))
    outputs = session.on_order_event(said(2, OrderState.REJECTED, code="NO_MARKET"), at(2))
    assert reports(outputs) == []
    assert "REJECT of an order that is PARTIAL_FILL" in session.halted
    assert state_of(session) is OrderState.PARTIAL_FILL
    session.ask(at(3))
    assert reports(hear(session, account(2, shown(OrderState.REJECTED)), at(4))) == []
    assert state_of(session) is OrderState.PARTIAL_FILL


def test_the_first_reason_to_halt_stays() -> None:
    session = ready_session()
    session.on_order_event(said(1, OrderState.ACKNOWLEDGED, 9), at(1))
    session.on_order_event(said(2, OrderState.ACKNOWLEDGED, 8), at(2))
    session.on_ledger_answer(Nack("FACTS_DIFFER", "side", "SELL"))
    assert order_id(9) in session.halted


def test_a_halted_session_still_reports_what_trades() -> None:
    session = ready_session()
    send(session)
    session.on_order_event(said(1, OrderState.ACKNOWLEDGED, 9), at(1))
    assert reports(session.on_execution(filled(2, 3), at(2))) == [("EXECUTION", "X2")]
    assert state_of(session) is OrderState.FILLED


def test_only_a_refusal_by_the_ledger_halts() -> None:
    session = ready_session()
    send(session)
    session.on_order_event(said(1, OrderState.ACKNOWLEDGED), at(1))
    assert session.ledger_waiting == 2
    assert session.on_ledger_answer(Ack()) == []
    assert session.halted == ""
    (line,) = session.on_ledger_answer(Nack("FACTS_DIFFER", "side", "SELL"))
    assert isinstance(line, Log)
    assert line.level == "error"
    assert "FACTS_DIFFER" in session.halted
    assert session.ledger_waiting == 0


def test_nothing_that_the_broker_says_sends_an_order() -> None:
    session = ready_session()
    outputs = send(session)
    for body in (said(1, OrderState.ACKNOWLEDGED), said(2, OrderState.CANCELLED)):
        outputs += session.on_order_event(body, at(1))
    outputs += session.on_execution(filled(3, 3), at(2))
    for second in range(1, 10):
        outputs += session.on_timer(at(second * 1_000))
    assert orders_sent(outputs) == [new_order()]
