"""The router's answers: they make the decision final, whatever is repeated, killed or late."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proto_schemas.control import Replace, Sighted
from proto_schemas.enums import Side
from proto_schemas.signals import Ack, Approval, Decision, Nack
from services.risk_engine.core import RiskCore
from shared.bus.codec import decode, encode
from shared.kernel.outputs import Event, Log, Reply, Request
from shared.kernel.state import state_hash
from shared.runtime.effects import Transmit
from tests.support import bodies, event, started
from tests.unit.risk_engine.risk_inputs import (
    CONFIG,
    NOW,
    answer,
    ask,
    control,
    decide,
    feed_status,
    give,
    intent,
    mark,
    order_id,
    ready_core,
)
from tests.unit.runtime.small_world import Node

LEDGER = ("ledger", "order_state")
LATE = Nack("LEASE_EXPIRED", "5", "6")
APPROVED = Decision(order_id(), True, "APPROVED", "", "")
REFUSED = Decision(order_id(), False, "LEASE_EXPIRED", "5", "6")
BOTH = pytest.mark.parametrize(("said", "decision"), [(Ack(), APPROVED), (LATE, REFUSED)])

# --- the core alone -------------------------------------------------------------------------------


def test_a_refusal_of_the_gate_reaches_the_strategy_with_the_gates_own_words() -> None:
    core = ready_core()
    command = ask(core, intent())
    log, reply = answer(core, 1, LATE)
    assert reply == Reply(command.envelope, REFUSED)
    assert isinstance(log, Log)
    assert (log.event, log.level) == ("approval_refused", "warning")
    assert log.fields == {
        "client_order_id": order_id(), "code": "LEASE_EXPIRED", "limit": "5", "value": "6",
        "freed": True,
    }  # fmt: skip


def test_a_nack_frees_the_reservation_and_an_ack_does_not() -> None:
    core = ready_core()
    for number in (1, 2):
        ask(core, intent(number, quantity_lots=5))
    answer(core, 1, Ack())
    assert decide(core, intent(3, quantity_lots=1)).code == "POSITION_LIMIT"
    answer(core, 2, LATE)
    assert decide(core, intent(4, quantity_lots=5)).approved
    assert decide(core, intent(5, quantity_lots=1)).code == "POSITION_LIMIT"


def test_an_approval_holds_its_lots_while_the_router_is_silent() -> None:
    core = ready_core()
    ask(core, intent(1, quantity_lots=10))
    assert decide(core, intent(2, quantity_lots=1)).code == "POSITION_LIMIT"


def test_answers_in_another_order_find_their_own_intents() -> None:
    core = ready_core()
    first, second = ask(core, intent(1)), ask(core, intent(2))
    assert answer(core, 2, LATE)[-1] == Reply(
        second.envelope, replace(REFUSED, client_order_id=order_id(2))
    )
    assert answer(core, 1, Ack()) == [Reply(first.envelope, APPROVED)]


@BOTH
def test_a_second_answer_frees_nothing_and_answers_nobody(
    said: Ack | Nack, decision: Decision
) -> None:
    core = ready_core()
    ask(core, intent(1, quantity_lots=10))
    assert bodies(answer(core, 1, said), Reply) == [decision]
    before = state_hash(core.state())
    (log,) = answer(core, 1, LATE)
    assert isinstance(log, Log)
    assert (log.event, log.level) == ("answer_unknown", "error")
    assert log.fields == {"client_order_id": order_id()}
    assert state_hash(core.state()) == before


def test_an_answer_to_nothing_frees_nothing() -> None:
    core = ready_core()
    assert decide(core, intent(1, quantity_lots=10)).approved
    (log,) = answer(core, 7, LATE)
    assert isinstance(log, Log)
    assert log.event == "answer_unknown"
    assert decide(core, intent(2)).code == "POSITION_LIMIT"


@BOTH
def test_while_the_router_is_silent_a_repeat_moves_the_reply_to_the_newest_request(
    said: Ack | Nack, decision: Decision
) -> None:
    core = ready_core()
    ask(core, intent())
    before = state_hash(core.state())
    newest = event(intent())
    for command in (event(intent()), newest):
        assert core.handle(command, NOW) == []
    assert state_hash(core.state()) != before, "a restart must know whom to answer"
    replies = [each for each in answer(core, 1, said) if isinstance(each, Reply)]
    assert replies == [Reply(newest.envelope, decision)]


@BOTH
def test_a_repeat_after_the_answer_gets_the_final_decision_and_no_second_approval(
    said: Ack | Nack, decision: Decision
) -> None:
    core = ready_core()
    ask(core, intent())
    answer(core, 1, said)
    again = event(intent())
    assert core.handle(again, NOW) == [Reply(again.envelope, decision)]


def test_a_conflicting_repeat_is_refused_at_once_and_the_first_still_waits_for_the_router() -> None:
    core = ready_core()
    first = ask(core, intent())
    conflicting = event(intent(side=Side.SELL))
    outputs = core.handle(conflicting, NOW)
    (refused,) = [each for each in outputs if isinstance(each, Reply)]
    assert refused.request == conflicting.envelope
    assert bodies([refused], Reply)[0].code == "DUPLICATE_ORDER"
    assert bodies(outputs, Request) == []
    assert answer(core, 1, Ack()) == [Reply(first.envelope, APPROVED)]


@BOTH
def test_an_approval_of_an_earlier_life_is_answered_in_this_one(
    said: Ack | Nack, decision: Decision
) -> None:
    core = ready_core()
    command = ask(core, intent(1, quantity_lots=10))
    assert bodies(core.handle(started("risk_engine", epoch=2), NOW), Reply) == []
    give(core, Replace(*LEDGER), Sighted(*LEDGER), control(), feed_status(), mark())
    assert decide(core, intent(2, quantity_lots=1)).code == "POSITION_LIMIT"
    assert answer(core, 1, said)[-1] == Reply(command.envelope, decision)
    assert decide(core, intent(3, quantity_lots=10)).approved is isinstance(said, Nack)


# --- the core in a real engine, with a journal ----------------------------------------------------


def awake_node() -> Node:
    """A process that may approve; what it has sent so far is forgotten."""
    node = Node("risk_engine", lambda: RiskCore(CONFIG), {"ledger": "order_state"}, now=NOW)
    node.start()
    node.own(Replace(*LEDGER))
    node.own(Sighted(*LEDGER))
    for body in (control(), feed_status(), mark()):
        node.take(framed(event(body)))
    node.drain()
    return node


def framed(each: Event) -> bytes:
    return encode(each.envelope, each.body)


def sent_approvals(node: Node) -> list[Transmit]:
    """The approvals that left since the last look; nothing may leave for the strategy with them."""
    sent = [each for each in node.drain() if each.kind != "snapshot_request"]
    assert {(each.peer, each.kind) for each in sent} <= {("order_router", "approval")}
    return sent


def routers(body: Ack | Nack, approval: Transmit) -> bytes:
    """The router's answer to this very request, on the wire."""
    envelope = event(body, producer="order_router").envelope
    return encode(replace(envelope, cause=approval.message_id), body)


def replied(node: Node) -> list[tuple[str | None, object]]:
    """What left since the last look: replies to the strategy only, each (request id, decision)."""
    sent = node.drain()
    assert {(each.route, each.peer) for each in sent} <= {("router", "strategy_engine")}
    return [(heard.envelope.cause, heard.body) for heard in (decode(each.frame) for each in sent)]


def test_an_ack_to_the_approvals_request_brings_the_decision_to_the_strategy() -> None:
    """If engine and core ever match answers otherwise, no answer would find its approval."""
    node = awake_node()
    commands = [event(intent(number), correlation_id=f"signal-{number}") for number in (1, 2)]
    for command in commands:
        node.take(framed(command))
    first, second = sent_approvals(node)
    heard = decode(second.frame)
    assert isinstance(heard.body, Approval)
    assert heard.body.client_order_id == order_id(2)
    assert heard.envelope.correlation_id == "signal-2"
    node.take(routers(Ack(), second))
    (sent,) = node.drain()
    reply = decode(sent.frame)
    assert (sent.route, sent.peer) == ("router", "strategy_engine")
    assert reply.body == replace(APPROVED, client_order_id=order_id(2))
    assert reply.envelope.cause == commands[1].envelope.id
    assert reply.envelope.correlation_id == "signal-2"
    node.take(routers(LATE, first))
    assert replied(node) == [(commands[0].envelope.id, REFUSED)]


@BOTH
@pytest.mark.parametrize("kills", [1, 2])
def test_a_kill_between_approval_and_answer_loses_no_decision_and_doubles_none(
    said: Ack | Nack, decision: Decision, kills: int
) -> None:
    node = awake_node()
    command = event(intent())
    node.take(framed(command))
    (approval,) = sent_approvals(node)
    for _ in range(kills):
        node.start()
        assert sent_approvals(node) == [approval], "the same request, asked again"
    node.take(framed(command))
    assert node.drain() == [], "a repeat waits for the router like the first"
    node.take(routers(said, approval))
    assert replied(node) == [(command.envelope.id, decision)]
    node.take(routers(said, approval))
    assert replied(node) == [], "the router answers the repeated approval too: dropped"


@BOTH
def test_a_kill_after_the_answer_replies_only_when_asked_again_and_in_the_same_words(
    said: Ack | Nack, decision: Decision
) -> None:
    node = awake_node()
    command = event(intent())
    node.take(framed(command))
    (approval,) = sent_approvals(node)
    node.take(routers(said, approval))
    (first,) = node.drain()
    node.start()
    assert sent_approvals(node) == [], "answered: nothing is repeated"
    node.take(routers(said, approval))
    assert replied(node) == []
    node.take(framed(command))
    (again,) = node.drain()
    assert again.frame == first.frame
    assert decode(again.frame).body == decision


def test_a_moved_reply_is_still_moved_in_the_next_life() -> None:
    node = awake_node()
    newest = event(intent())
    node.take(framed(event(intent())))
    (approval,) = sent_approvals(node)
    node.take(framed(newest))
    assert sent_approvals(node) == []
    node.start()
    assert sent_approvals(node) == [approval]
    node.take(routers(Ack(), approval))
    assert replied(node) == [(newest.envelope.id, APPROVED)]
