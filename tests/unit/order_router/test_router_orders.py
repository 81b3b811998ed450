"""Approvals in, orders out: what leaves the router, once, and what it answers."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proto_schemas.broker import BrokerExecution, BrokerOrderEvent, NewOrder
from proto_schemas.control import PeerStatus, TimerFired, Undelivered
from proto_schemas.enums import Mode, OrderState, Side
from proto_schemas.ledger import OrderEvent
from proto_schemas.signals import Ack, Nack
from services.order_router.core import ACK_MAY_WAIT_NS, NAME
from shared.brokers.session import LIVE_MAX, TIMER
from shared.kernel.clock import MS
from shared.kernel.outputs import Barrier, Log, Reply, Request, Send
from tests.support import bodies, event
from tests.unit.brokers.session_inputs import order_id
from tests.unit.order_router.router_inputs import (
    BOOT,
    CONFIG,
    TTL,
    account,
    answers,
    approval,
    at,
    control,
    give,
    grant,
    hear,
    nonces,
    open_core,
    passed,
    refused,
)


def acknowledged(seq: int = 1, number: int = 1) -> BrokerOrderEvent:
    state = OrderState.ACKNOWLEDGED
    return BrokerOrderEvent(NAME, seq, order_id(number), "B1", state, "ACCEPTED", 7)


def test_an_approval_becomes_barrier_then_order_then_report_then_answer() -> None:
    core = open_core()
    command = event(approval(), correlation_id="ema_cross-1-1")
    outputs = core.handle(command, at(10))
    assert [type(each) for each in outputs] == [Barrier, Send, Request, Log, Reply]
    order = NewOrder(NAME, order_id(), "ESM18", Side.BUY, 3, approval().order_type, False)
    assert outputs[1] == Send("venue", order, "ema_cross-1-1", order_id(), BOOT + TTL)
    assert outputs[4] == Reply(command.envelope, Ack(), may_wait_ns=ACK_MAY_WAIT_NS)
    (report,) = bodies(outputs, Request)
    assert isinstance(report, OrderEvent)
    assert (report.strategy, report.code) == ("ema_cross", "SENT")


def test_an_order_may_not_leave_behind_its_approvals_end() -> None:
    wanted = approval(expires_ns=BOOT + 20 * MS)
    assert passed(open_core(), wanted, 10).not_after_ns == BOOT + 20 * MS


def test_a_repeat_is_acknowledged_and_sends_nothing() -> None:
    core = open_core()
    passed(core, approval())
    command = event(approval())
    assert core.handle(command, at(1)) == [Reply(command.envelope, Ack())]
    give(core, acknowledged(), 2)
    assert answers(give(core, approval(), 50_000)) == [Ack()]
    assert len(core.state().session.live) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"side": Side.SELL},
        {"quantity_lots": 4},
        {"instrument": "ESU18"},
        {"reduce_only": True},
        {"strategy": "breakout"},
    ],
    ids=str,
)
def test_the_same_id_with_other_facts_is_refused(other: dict[str, object]) -> None:
    core = open_core()
    passed(core, approval())
    answer = refused(core, replace(approval(), **other))  # type: ignore[arg-type]
    assert answer == Nack("DUPLICATE_ORDER", "facts", "differ")


def test_a_late_approval_is_refused_with_both_times() -> None:
    core = open_core()
    late = approval(expires_ns=BOOT + 10 * MS - 1)
    assert refused(core, late, 10) == Nack("EXPIRED", str(BOOT + 10 * MS - 1), str(BOOT + 10 * MS))
    assert core.state().refused == 1


def test_a_refusal_is_logged_with_code_limit_and_value() -> None:
    core = open_core(Mode.REDUCE_ONLY)
    (line,) = [each for each in give(core, approval()) if isinstance(each, Log)]
    assert (line.event, line.level) == ("gate_refused", "warning")
    assert line.fields == {
        "client_order_id": order_id(),
        "code": "MODE_REDUCE_ONLY",
        "limit": "reduce_only",
        "value": "entry",
    }


def test_a_refused_approval_leaves_no_trace_of_an_order() -> None:
    core = open_core(Mode.REDUCE_ONLY)
    refused(core, approval())
    session = core.state().session
    assert (session.live, session.done, len(core.state().gate.sends_ns)) == ({}, {}, 0)


def test_nothing_leaves_before_the_brokers_account_was_seen() -> None:
    core = open_core()
    give(core, PeerStatus("venue", False, 1))
    assert refused(core, approval()) == Nack("BROKER_NOT_READY", "snapshot", "none")
    assert core.state_word() == "RECONCILING"
    give(core, PeerStatus("venue", True, 2))
    hear(core, account(complete=False))
    assert refused(core, approval()).code == "BROKER_NOT_READY"
    give(core, TimerFired(TIMER), 1)
    hear(core, account())
    passed(core, approval())


def test_an_unknown_order_blocks_entries_in_its_instrument_only() -> None:
    core = open_core()
    passed(core, approval(1))
    core.state().session.ack_timeout_ns = 100 * MS
    give(core, TimerFired(TIMER), 101)
    assert refused(core, approval(2), 102) == Nack("ORDER_UNKNOWN", "0", order_id(1))
    passed(core, approval(3, instrument="ESU18"), 102)
    passed(core, approval(4, reduce_only=True), 102)
    give(core, acknowledged(1), 103)
    passed(core, approval(2), 104)


def test_an_order_that_nobody_sent_halts_the_router() -> None:
    core = open_core()
    give(core, acknowledged(1, number=9))
    answer = refused(core, approval())
    assert (answer.code, answer.value) == (
        "HALTED", f"orphan order, ACKNOWLEDGED: {order_id(9)}",
    )  # fmt: skip
    assert core.state_word() == "PAUSED"
    assert refused(core, approval(2, reduce_only=True)).code == "HALTED"


def test_a_refusal_by_the_ledger_halts_and_one_by_others_does_not() -> None:
    core = open_core()
    passed(core, approval())
    give(core, Nack("FACTS_DIFFER", "side", "SELL"), producer="watchdog")
    passed(core, approval(2))
    give(core, Nack("FACTS_DIFFER", "side", "SELL"), producer="order_state")
    assert refused(core, approval(3)).code == "HALTED"


def test_the_rate_limit_counts_what_passed() -> None:
    core = open_core(config=replace(CONFIG, orders_per_second_max=2))
    passed(core, approval(1), 0)
    passed(core, approval(2), 10)
    assert refused(core, approval(3), 999) == Nack("ORDER_RATE", "2", "2")
    (nonce, *_) = nonces(give(core, TimerFired("lease"), 999))
    grant(core, nonce, milliseconds=999)
    passed(core, approval(3), 1_000)
    assert refused(core, approval(4), 1_009).code == "ORDER_RATE"
    passed(core, approval(4), 1_010)


def test_the_live_orders_are_bounded_by_a_refusal_and_not_by_a_crash() -> None:
    core = open_core(config=replace(CONFIG, orders_per_second_max=100_000))
    for number in range(LIVE_MAX):
        passed(core, approval(number))
    answer = refused(core, approval(LIVE_MAX))
    assert answer == Nack("TOO_MANY_LIVE", str(LIVE_MAX), str(LIVE_MAX))
    state = OrderState.REJECTED
    give(core, BrokerOrderEvent(NAME, 1, order_id(0), None, state, "NO_MARKET", 7))
    passed(core, approval(LIVE_MAX))


def test_impossible_news_halts_and_the_fill_reaches_the_ledger_all_the_same() -> None:
    core = open_core()
    passed(core, approval())
    for seq, lots in ((1, 3), (2, 1)):
        fill = BrokerExecution(
            NAME, seq, order_id(), "B1", f"X{seq}", "ESM18", Side.BUY, lots, 10_000, 2_250, 0, 7
        )
        (told,) = bodies(give(core, fill, seq), Request)
        assert told.execution_id == f"X{seq}"
    assert refused(core, approval(2), 3).code == "HALTED"
    assert core.state_word() == "PAUSED"


def test_an_order_that_did_not_leave_ends_and_is_never_sent_again() -> None:
    core = open_core()
    passed(core, approval())
    (report,) = bodies(give(core, Undelivered("m", "new_order", order_id())), Request)
    assert report.code == "NOT_SENT"
    assert core.state().session.live == {}
    outputs = give(core, approval(), 1)
    assert answers(outputs) == [Ack()]
    assert not any(isinstance(each, Send) for each in outputs)


def test_a_lost_query_is_no_lost_order() -> None:
    core = open_core()
    passed(core, approval())
    assert give(core, Undelivered("m", "broker_query", order_id())) == []
    assert list(core.state().session.live) == [order_id()]


def test_fills_reach_the_ledger_even_when_halted_and_without_a_lease() -> None:
    core = open_core()
    passed(core, approval())
    give(core, control(Mode.HALT), 1)
    fill = BrokerExecution(
        NAME, 1, order_id(), "B1", "X1", "ESM18", Side.BUY, 3, 10_000, 6_750, 0, 7
    )
    (told,) = bodies(give(core, fill, 60_000), Request)
    assert told.execution_id == "X1"
