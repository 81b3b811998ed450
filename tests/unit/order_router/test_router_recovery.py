"""Reconcile fetches, restarts and replays of the router."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proto_schemas.base import Message
from proto_schemas.broker import (
    BrokerExecution,
    BrokerOrder,
    BrokerOrderEvent,
    BrokerQuery,
    BrokerSnapshot,
)
from proto_schemas.control import Control, Lease, PeerStatus, TimerFired
from proto_schemas.enums import Mode, OrderState, SessionPhase, Side
from proto_schemas.ledger import BrokerReport, OrderEvent, ReconcileFetch
from proto_schemas.signals import Ack, Nack
from services.order_router.core import LEASE_TIMER, NAME, REPORT_RETRY_NS, REPORT_TIMER
from shared.brokers.session import TIMER
from shared.kernel.clock import SECOND, Now
from shared.kernel.outputs import Event, Output, Reply, Request, Send, SetTimer
from shared.kernel.state import state_hash
from tests.support import bodies, event, started
from tests.unit.brokers.session_inputs import order_id, orders_sent, queries
from tests.unit.order_router.router_inputs import (
    CONFIG,
    TTL,
    account,
    answers,
    approval,
    at,
    give,
    hear,
    journal,
    open_core,
    passed,
    refused,
)


def shown(number: int = 1) -> BrokerOrder:
    return BrokerOrder(order_id(number), NAME, "ESM18", Side.BUY, 3, 0, OrderState.ACKNOWLEDGED)


def acknowledged(seq: int = 1) -> BrokerOrderEvent:
    state = OrderState.ACKNOWLEDGED
    return BrokerOrderEvent(NAME, seq, order_id(), "B1", state, "ACCEPTED", 7)


def test_the_first_sign_of_the_broker_whose_account_was_seen_shuts_nothing() -> None:
    core = open_core()
    assert give(core, PeerStatus("venue", True, 1), 1) == []
    passed(core, approval(), 2)
    assert len(queries(give(core, PeerStatus("venue", True, 2), 3))) == 1
    refused(core, approval(2), 4)


def test_a_fetch_is_answered_and_asks_the_broker_anew() -> None:
    core = open_core()
    command = event(ReconcileFetch(7))
    outputs = core.handle(command, at(10))
    assert outputs[0] == Reply(command.envelope, Ack())
    assert queries(outputs) == [BrokerQuery(NAME, 0, 2)]
    assert SetTimer(REPORT_TIMER, at(10).boot_ns + REPORT_RETRY_NS) in outputs
    assert bodies(outputs, Request) == []


def test_the_account_goes_to_the_ledger_once() -> None:
    core = open_core()
    give(core, ReconcileFetch(7), 10)
    (report,) = bodies(hear(core, account(0, shown()), 11), Request)
    assert report == BrokerReport(7, (shown(),), ())
    assert bodies(give(core, account(0, shown(), query_id=2), 12), Request) == []
    assert give(core, TimerFired(REPORT_TIMER), 110) == []
    core.state().session.ask_again(at(111))
    assert bodies(hear(core, account(0, shown()), 112), Request) == []


@pytest.mark.parametrize(
    "bad", [account(0, complete=False), account(5)], ids=["incomplete", "out of sequence"]
)
def test_an_account_that_was_not_accepted_is_not_reported(bad: BrokerSnapshot) -> None:
    core = open_core()
    give(core, ReconcileFetch(7), 10)
    assert bodies(hear(core, bad, 11), Request) == []
    assert core.state_word() == "RECONCILING"
    assert len(queries(give(core, TimerFired(REPORT_TIMER), 110))) == 1
    (report,) = bodies(hear(core, account(0, shown()), 111), Request)
    assert report == BrokerReport(7, (shown(),), ())


def test_an_account_that_was_asked_for_before_the_fetch_is_not_reported() -> None:
    core = open_core()
    (old,) = queries(core.state().session.ask_again(at(9)))
    (fresh,) = queries(give(core, ReconcileFetch(7), 10))
    assert bodies(give(core, account(query_id=old.query_id), 11), Request) == []
    (report,) = bodies(give(core, account(0, shown(), query_id=fresh.query_id), 12), Request)
    assert report == BrokerReport(7, (shown(),), ())


def test_a_fetch_whose_answer_is_lost_asks_again_every_tenth_of_a_second() -> None:
    core = open_core()
    give(core, ReconcileFetch(7), 10)
    for milliseconds in (110, 210, 310):
        outputs = give(core, TimerFired(REPORT_TIMER), milliseconds)
        assert len(queries(outputs)) == 1
        assert outputs[-1] == SetTimer(REPORT_TIMER, at(milliseconds).boot_ns + REPORT_RETRY_NS)
    (report,) = bodies(hear(core, account(), 311), Request)
    assert report.reconcile_id == 7
    assert give(core, TimerFired(REPORT_TIMER), 410) == []


def test_the_account_waits_until_the_ledger_has_every_report() -> None:
    core = open_core()
    passed(core, approval())
    give(core, acknowledged(), 1)
    give(core, ReconcileFetch(7), 2)
    assert bodies(hear(core, account(1, shown()), 3), Request) == []
    give(core, Ack(), 4, producer="order_state")
    assert len(queries(give(core, TimerFired(REPORT_TIMER), 103))) == 1
    assert bodies(hear(core, account(1, shown()), 104), Request) == []
    give(core, Ack(), 105, producer="order_state")
    assert len(queries(give(core, TimerFired(REPORT_TIMER), 204))) == 1
    (report,) = bodies(hear(core, account(1, shown()), 205), Request)
    assert report.reconcile_id == 7


def test_an_answer_that_no_query_waits_for_is_not_reported() -> None:
    """A good account was held back for the ledger; then one comes that nobody asked for."""
    core = open_core()
    passed(core, approval())
    give(core, ReconcileFetch(7), 2)
    hear(core, account(0, shown()), 3)
    give(core, Ack(), 4, producer="order_state")
    give(core, Ack(), 4, producer="order_state")
    assert core.state().session.ledger_waiting == 0
    assert bodies(give(core, account(0, query_id=2), 5), Request) == []
    assert core.state().report_id == 7


def test_answers_of_others_do_not_count_as_the_ledgers() -> None:
    core = open_core()
    passed(core, approval())
    give(core, Ack(), 1, producer="risk_engine")
    assert core.state().session.ledger_waiting == 1


def test_a_fetch_waits_for_the_session_to_be_ready() -> None:
    core = open_core()
    give(core, PeerStatus("venue", False, 1), 1)
    give(core, ReconcileFetch(7), 2)
    assert bodies(hear(core, account(complete=False), 3), Request) == []
    give(core, TimerFired(REPORT_TIMER), 102)
    (report,) = bodies(hear(core, account(), 103), Request)
    assert report.reconcile_id == 7


def test_the_latest_fetch_counts() -> None:
    core = open_core()
    give(core, ReconcileFetch(7), 1)
    give(core, ReconcileFetch(8), 2)
    (report,) = bodies(hear(core, account(), 3), Request)
    assert report.reconcile_id == 8


def test_a_fetch_survives_a_restart() -> None:
    core = open_core()
    give(core, ReconcileFetch(7), 1)
    core.handle(started(NAME, epoch=2), at(2))
    (report,) = bodies(hear(core, account(), 3), Request)
    assert report.reconcile_id == 7


def test_after_a_restart_the_gate_is_shut_until_account_and_lease_are_back() -> None:
    core = open_core()
    core.handle(started(NAME, epoch=2), at(1))
    assert core.state_word() == "RECONCILING"
    nonce = core.state().gate.lease.next_nonce - 1
    give(core, Lease(nonce, 1, Mode.NORMAL, TTL), 2)
    assert refused(core, approval(), 3).code == "BROKER_NOT_READY"
    hear(core, account(), 4)
    passed(core, approval(), 5)


def test_an_order_of_the_last_life_is_unknown_and_never_sent_again() -> None:
    core = open_core()
    passed(core, approval())
    outputs = core.handle(started(NAME, epoch=2), at(10))
    assert orders_sent(outputs) == []
    (report,) = bodies(outputs, Request)
    assert isinstance(report, OrderEvent)
    assert (report.code, len(core.state().session.unknown())) == ("RESTARTED", 1)
    repeat = give(core, approval(), 11)
    assert answers(repeat) == [Ack()]
    assert orders_sent(repeat) == []


def test_orders_of_another_boot_do_not_count_as_sent_just_now() -> None:
    """The boot clock began anew: what stands there as later than now was long ago."""
    core = open_core(config=replace(CONFIG, orders_per_second_max=2))
    passed(core, approval(1))
    passed(core, approval(2))
    rebooted = Now(0, 5 * SECOND)

    def step(body: Message) -> list[Output]:
        return core.handle(event(body), rebooted)

    core.handle(started(NAME, epoch=2), rebooted)
    (query_id,) = core.state().session.queries
    step(account(query_id=query_id))
    for number in (1, 2):
        state = OrderState.ACKNOWLEDGED
        step(BrokerOrderEvent(NAME, number, order_id(number), "B1", state, "ACCEPTED", 1))
    step(Lease(core.state().gate.lease.next_nonce - 1, 1, Mode.NORMAL, TTL))
    assert list(core.state().gate.sends_ns) == []
    assert answers(step(approval(3))) == [Ack()]
    assert answers(step(approval(4))) == [Ack()]
    assert answers(step(approval(5))) == [Nack("ORDER_RATE", "2", "2")]


def test_orders_of_the_last_second_count_in_a_new_life_too() -> None:
    core = open_core(config=replace(CONFIG, orders_per_second_max=1))
    passed(core, approval(1))
    core.handle(started(NAME, epoch=2), at(0))
    hear(core, account(0, shown()), 0)
    give(core, Lease(core.state().gate.lease.next_nonce - 1, 1, Mode.NORMAL, TTL), 0)
    assert refused(core, approval(2), 999).code == "ORDER_RATE"


def a_day() -> list[tuple[Event, Now]]:
    """Two lives with orders, fills, a refusal, a hole, a fetch and a silent broker."""
    fill = BrokerExecution(
        NAME, 2, order_id(), "B1", "X2", "ESM18", Side.BUY, 2, 10_000, 4_500, 1, 7
    )
    halt = Control(1, Mode.HALT, SessionPhase.REVOKING, "", False, False, None)
    story: list[tuple[int, Event]] = [
        (0, started(NAME)),
        (1, event(account(query_id=1))),
        (2, event(Lease(1, 1, Mode.NORMAL, TTL))),
        (3, event(approval(1))),
        (4, event(approval(2, quantity_lots=1_001))),
        (5, event(acknowledged())),
        (6, event(Ack(), producer="order_state")),
        (7, event(fill)),
        (8, event(ReconcileFetch(7))),
        (9, event(account(2, shown(), query_id=2))),
        (10, event(approval(3))),
        (20, started(NAME, epoch=2)),
        (21, event(PeerStatus("venue", True, 2))),
        (22, event(account(2, shown(), query_id=4))),
        (23, event(Lease(2, 1, Mode.NORMAL, TTL))),
        (30, event(approval(3))),
        (40, event(halt)),
        (50, event(approval(4))),
        (250, event(TimerFired(LEASE_TIMER))),
        (700, event(TimerFired(TIMER))),
        (701, event(account(2, shown(), query_id=5))),
    ]
    return [(each, at(milliseconds)) for milliseconds, each in story]


def test_replaying_the_same_inputs_gives_the_same_outputs_and_state() -> None:
    inputs = a_day()
    outputs, core = journal(inputs)
    again, twin = journal(inputs)
    assert outputs == again
    assert (core.state().session.ready, core.state().session.queries) == (True, {})
    assert state_hash(core.state()) == state_hash(twin.state())


@pytest.mark.parametrize("kept", range(4, len(a_day())))
def test_a_life_after_any_kill_sends_no_order_again(kept: int) -> None:
    """The journal holds the first inputs; then a new life, and every approval is repeated."""
    outputs, core = journal(a_day()[:kept])
    before = [order.client_order_id for each in outputs for order in orders_sent(each)]
    later = core.handle(started(NAME, epoch=9), at(1_000))
    later += hear(core, account(core.state().session.last_seq), 1_001)
    give(core, Lease(core.state().gate.lease.next_nonce - 1, 1, Mode.NORMAL, TTL), 1_002)
    for number in (1, 3):
        later += give(core, approval(number, reduce_only=False), 1_003)
    sent = before + [order.client_order_id for order in orders_sent(later)]
    assert len(sent) == len(set(sent))
    assert order_id(1) in before
    assert not any(isinstance(each, Send) and each.subject in before for each in later)


def test_the_state_hash_sees_a_difference() -> None:
    inputs = a_day()
    _, core = journal(inputs)
    _, shorter = journal(inputs[:10])
    assert state_hash(core.state()) != state_hash(shorter.state())


def test_the_router_publishes_no_stream() -> None:
    assert open_core().current("ledger") == []
