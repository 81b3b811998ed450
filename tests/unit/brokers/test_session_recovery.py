"""Repeats, holes, silence and restarts: what a session believes, and when it is ready."""

from __future__ import annotations

import pytest

from proto_schemas.broker import BrokerSnapshot
from proto_schemas.control import PeerStatus
from proto_schemas.enums import OrderState
from shared.brokers.session import (
    LOOK_EVERY_NS,
    QUERIES_MAX,
    QUERY_LOST_NS,
    QUERY_TIMEOUT_NS,
    TIMER,
)
from shared.kernel.clock import MS
from shared.kernel.outputs import Log, SetTimer
from tests.unit.brokers.session_inputs import (
    ACK_TIMEOUT,
    BOOT,
    WIRE_DELAY,
    account,
    at,
    filled,
    fresh_session,
    hear,
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

ACK_MS = ACK_TIMEOUT // MS
WIRE_MS = WIRE_DELAY // MS
QUERY_MS = QUERY_TIMEOUT_NS // MS


def test_a_new_session_asks_for_everything_and_is_not_ready() -> None:
    session = fresh_session()
    outputs = session.start(at(0))
    assert [each.after_session_seq for each in queries(outputs)] == [0]
    assert SetTimer(TIMER, BOOT + LOOK_EVERY_NS) in outputs
    assert not session.ready


def test_repeats_are_dropped_in_silence() -> None:
    session = ready_session()
    send(session)
    session.on_order_event(said(1, OrderState.ACKNOWLEDGED), at(1))
    session.on_execution(filled(2, 1, leaves=2), at(2))
    assert session.on_order_event(said(1, OrderState.ACKNOWLEDGED), at(3)) == []
    assert session.on_execution(filled(2, 1, leaves=2), at(3)) == []
    assert session.live[order_id()].filled_lots == 1
    assert session.ready


def test_a_hole_ends_readiness_and_asks_for_what_is_missing() -> None:
    session = ready_session()
    send(session)
    session.on_order_event(said(1, OrderState.ACKNOWLEDGED), at(1))
    outputs = session.on_execution(filled(3, 3), at(2))
    assert [each.after_session_seq for each in queries(outputs)] == [1]
    assert reports(outputs) == []
    assert not session.ready
    assert state_of(session) is OrderState.ACKNOWLEDGED
    assert session.last_seq == 1


def test_a_second_hole_does_not_ask_again_while_a_query_is_fresh() -> None:
    session = ready_session()
    assert len(queries(session.on_execution(filled(3, 3), at(0)))) == 1
    assert queries(session.on_execution(filled(4, 3), at(QUERY_MS - 1))) == []
    assert len(queries(session.on_execution(filled(5, 3), at(QUERY_MS)))) == 1


def test_a_query_without_an_answer_is_repeated_by_the_timer() -> None:
    session = fresh_session()
    session.start(at(0))
    assert queries(session.on_timer(at(QUERY_MS - 1))) == []
    assert len(queries(session.on_timer(at(QUERY_MS)))) == 1


def test_a_query_of_a_ready_session_is_repeated_by_the_timer_too() -> None:
    session = ready_session()
    session.ask(at(0))
    assert queries(session.on_timer(at(QUERY_MS - 1))) == []
    assert len(queries(session.on_timer(at(QUERY_MS)))) == 1
    assert session.ready


def test_the_timer_of_a_quiet_session_asks_nothing_and_is_set_again() -> None:
    session = ready_session()
    assert session.on_timer(at(5_000)) == [SetTimer(TIMER, at(5_000).boot_ns + LOOK_EVERY_NS)]


@pytest.mark.parametrize(
    "bad",
    [account(0, complete=False), account(1), account(7)],
    ids=["incomplete", "older", "newer"],
)
def test_only_a_complete_snapshot_in_sequence_is_believed(bad: BrokerSnapshot) -> None:
    session = ready_session()
    send(session)
    session.on_order_event(said(1, OrderState.ACKNOWLEDGED), at(1))
    session.on_execution(filled(2, 1, leaves=2), at(1))
    session.start(at(10))
    send(session, 2, milliseconds=10)
    session.ask(at(10 + WIRE_MS))
    before = session.snapshot
    assert reports(hear(session, bad, at(11 + WIRE_MS))) == []
    assert not session.ready
    assert session.snapshot is before
    assert state_of(session, 2) is OrderState.SUBMITTED
    assert len(queries(session.on_timer(at(12 + WIRE_MS)))) == 1


@pytest.mark.parametrize("bad", [account(0, complete=False), account(7)], ids=["part", "ahead"])
def test_a_bad_account_ends_readiness_and_is_not_asked_for_again_at_once(
    bad: BrokerSnapshot,
) -> None:
    """A broker that answers like this would be asked as fast as the wire carries it."""
    session = ready_session()
    session.ask(at(1))
    assert queries(hear(session, bad, at(2))) == []
    assert not session.ready
    assert len(queries(session.on_timer(at(3)))) == 1
    hear(session, account(), at(4))
    assert session.ready


@pytest.mark.parametrize("query_id", [0, 1, 3, 99], ids=["none", "answered", "next", "never asked"])
def test_an_answer_that_no_query_waits_for_is_dropped(query_id: int) -> None:
    session = ready_session()
    session.on_broker(PeerStatus("venue", True, 2), at(1))
    assert list(session.queries) == [2]
    before = session.snapshot
    assert session.on_snapshot(account(query_id=query_id), 2, at(2)) == []
    assert (session.ready, session.snapshot is before) == (False, True)
    hear(session, account(), at(3), life=2)
    assert session.ready


def test_a_query_is_answered_once_and_its_answer_settles_the_older_ones() -> None:
    session = ready_session()
    for number in (2, 3, 4):
        assert [each.query_id for each in queries(session.ask_again(at(number)))] == [number]
    session.on_snapshot(account(query_id=3), 1, at(5))
    assert session.snapshot_asked_ns == at(3).boot_ns
    assert list(session.queries) == [4]
    accepted = session.snapshot
    for query_id in (2, 3):
        session.on_snapshot(account(query_id=query_id), 1, at(6))
    assert session.snapshot is accepted


def test_an_answer_to_the_last_life_or_the_brokers_last_life_is_dropped() -> None:
    session = ready_session()
    (asked,) = queries(session.ask_again(at(1)))
    session.start(at(2))
    assert session.on_snapshot(account(query_id=asked.query_id), 1, at(3)) == []
    assert not session.ready
    (asked,) = queries(session.ask_again(at(4)))
    session.on_broker(PeerStatus("venue", False, 1), at(5))
    session.on_snapshot(account(query_id=asked.query_id), 1, at(6))
    assert not session.ready


def test_a_broker_that_does_not_answer_is_not_flooded_and_asked_again_when_queries_are_lost() -> (
    None
):
    session = ready_session()
    for number in range(QUERIES_MAX + 5):
        session.ask_again(at(number))
    waiting = set(session.queries)
    assert len(waiting) == QUERIES_MAX
    assert queries(session.ask_again(at(1_000))) == []
    (again,) = queries(session.ask_again(at(QUERY_LOST_NS // MS)))
    assert len(session.queries) == QUERIES_MAX
    assert again.query_id not in waiting and min(waiting) not in session.queries


def test_an_order_sent_after_the_query_is_not_judged_by_its_answer() -> None:
    """Q1 waits at a broker that stands still; it was asked before the order left."""
    session = ready_session()
    (old,) = queries(session.ask(at(0)))
    send(session, milliseconds=1)
    (fresh,) = queries(session.ask_again(at(600)))
    assert reports(session.on_snapshot(account(query_id=old.query_id), 1, at(700))) == []
    assert state_of(session) is OrderState.SUBMITTED
    outputs = session.on_snapshot(account(query_id=fresh.query_id), 1, at(701))
    assert reports(outputs) == [("REJECT", "NEVER_ARRIVED")]


def test_a_broker_that_no_longer_has_our_events_halts_the_session() -> None:
    session = ready_session()
    session.ask(at(1))
    outputs = hear(session, account(9, events_from=2), at(2))
    assert [each.event for each in outputs if isinstance(each, Log)] == ["session_halted"]
    assert "from 2" in session.halted
    assert not session.ready


@pytest.mark.parametrize(
    "harmless", [account(9), account(9, events_from=2, complete=False)], ids=["all", "part"]
)
def test_events_that_can_still_be_had_halt_nothing(harmless: BrokerSnapshot) -> None:
    session = ready_session()
    session.ask(at(1))
    assert hear(session, harmless, at(2)) == []
    assert session.halted == ""


def test_silence_is_unknown_only_after_the_time_out() -> None:
    session = ready_session()
    send(session)
    assert reports(session.on_timer(at(ACK_MS))) == []
    outputs = session.on_timer(at(ACK_MS + 1))
    assert reports(outputs) == [("LOSE_SIGHT", "ACK_TIMEOUT")]
    assert len(queries(outputs)) == 1
    assert [item.state for item in session.unknown()] == [OrderState.UNKNOWN]
    assert reports(session.on_timer(at(ACK_MS + 200))) == []


def test_a_restart_loses_sight_of_unanswered_orders_and_sends_nothing_again() -> None:
    session = ready_session()
    send(session, 1)
    send(session, 2)
    session.on_order_event(said(1, OrderState.ACKNOWLEDGED), at(1))
    outputs = session.start(at(20))
    assert reports(outputs) == [("LOSE_SIGHT", "RESTARTED")]
    assert [each.after_session_seq for each in queries(outputs)] == [1]
    assert orders_sent(outputs) == []
    assert state_of(session, 1) is OrderState.ACKNOWLEDGED
    assert state_of(session, 2) is OrderState.UNKNOWN
    assert not session.ready


def test_two_restarts_report_an_unknown_order_once() -> None:
    session = ready_session()
    send(session)
    session.start(at(20))
    assert reports(session.start(at(40))) == []


@pytest.mark.parametrize(
    ("waited_ms", "state"),
    [(WIRE_MS - 1, OrderState.SUBMITTED), (WIRE_MS, OrderState.REJECTED)],
    ids=["too early", "late enough"],
)
def test_absence_counts_only_if_asked_after_the_wire_delay(
    waited_ms: int, state: OrderState
) -> None:
    session = ready_session()
    send(session)
    session.ask(at(waited_ms))
    hear(session, account(), at(waited_ms + 1_000))
    assert state_of(session) is state


def test_after_a_restart_the_wire_delay_counts_from_the_restart() -> None:
    session = ready_session()
    send(session)
    session.start(at(10_000))
    assert reports(hear(session, account(), at(10_900))) == []
    assert state_of(session) is OrderState.UNKNOWN
    session.on_timer(at(10_901))
    assert reports(hear(session, account(), at(10_902))) == [("REJECT", "NEVER_ARRIVED")]
    assert session.unknown() == []


def test_an_unknown_order_keeps_the_session_asking() -> None:
    session = ready_session()
    send(session)
    session.on_timer(at(ACK_MS + 1))
    for _ in range(3):
        hear(session, account(0, shown(OrderState.PENDING_CREATION)), at(ACK_MS + 2))
        assert len(queries(session.on_timer(at(ACK_MS + 3)))) == 1


def test_an_acknowledged_order_is_not_ended_by_its_absence() -> None:
    session = ready_session()
    send(session)
    session.on_order_event(said(1, OrderState.ACKNOWLEDGED), at(1))
    session.ask(at(5_000))
    assert hear(session, account(1), at(5_001)) == []
    assert state_of(session) is OrderState.ACKNOWLEDGED


@pytest.mark.parametrize(
    ("seen", "end", "told"),
    [
        (OrderState.ACKNOWLEDGED, OrderState.ACKNOWLEDGED, "ACKNOWLEDGE"),
        (OrderState.PARTIAL_FILL, OrderState.ACKNOWLEDGED, "ACKNOWLEDGE"),
        (OrderState.CANCELLED, OrderState.CANCELLED, "CANCEL"),
        (OrderState.REJECTED, OrderState.REJECTED, "REJECT"),
    ],
)
def test_an_unknown_order_is_resolved_by_the_account(
    seen: OrderState, end: OrderState, told: str
) -> None:
    session = ready_session()
    send(session)
    session.start(at(10))
    assert reports(hear(session, account(0, shown(seen)), at(11))) == [(told, "SNAPSHOT")]
    assert state_of(session) is end
    session.ask(at(12))
    assert reports(hear(session, account(0, shown(seen)), at(13))) == []


def test_another_sessions_order_of_the_same_id_is_no_evidence() -> None:
    session = ready_session()
    send(session)
    session.ask(at(WIRE_MS))
    foreign = shown(OrderState.ACKNOWLEDGED, session="watchdog")
    outputs = hear(session, account(0, foreign), at(WIRE_MS + 1))
    assert reports(outputs) == [("REJECT", "NEVER_ARRIVED")]


def test_an_event_resolves_an_unknown_order() -> None:
    session = ready_session()
    send(session)
    session.start(at(10))
    session.on_execution(filled(1, 3), at(11))
    assert state_of(session) is OrderState.FILLED
    assert session.unknown() == []


def test_a_silent_broker_ends_readiness_and_its_return_asks() -> None:
    session = ready_session()
    assert session.on_broker(PeerStatus("venue", True, 1), at(1)) == []
    outputs = session.on_broker(PeerStatus("venue", False, 1), at(3))
    assert [type(each) for each in outputs] == [Log]
    assert not session.ready
    assert len(queries(session.on_broker(PeerStatus("venue", True, 1), at(4)))) == 1
    assert not session.ready
    hear(session, account(), at(5))
    assert session.ready


def test_the_first_sign_of_the_life_that_showed_its_account_changes_nothing() -> None:
    """It comes late at a start: trading was allowed, forbidden, a second later allowed again."""
    session = fresh_session()
    session.start(at(0))
    hear(session, account(), at(1), life=3)
    assert session.on_broker(PeerStatus("venue", True, 3), at(2)) == []
    assert session.ready
    assert len(queries(session.on_broker(PeerStatus("venue", True, 4), at(3)))) == 1
    assert not session.ready


def test_a_sign_of_another_life_than_the_one_that_showed_its_account_asks() -> None:
    session = fresh_session()
    session.start(at(0))
    hear(session, account(), at(1), life=3)
    assert len(queries(session.on_broker(PeerStatus("venue", True, 4), at(2)))) == 1
    assert not session.ready


def test_a_broker_that_restarted_must_show_its_account_again() -> None:
    session = ready_session()
    assert session.on_broker(PeerStatus("venue", True, 1), at(1)) == []
    assert session.on_broker(PeerStatus("venue", True, 1), at(3)) == []
    assert session.ready
    assert len(queries(session.on_broker(PeerStatus("venue", True, 2), at(4)))) == 1
    assert not session.ready
