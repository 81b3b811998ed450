"""The risk engine as a whole: decisions, approvals, lives, states."""

from __future__ import annotations

import pytest

from proto_schemas.control import Blind, Replace, Sighted, TimerFired
from proto_schemas.enums import Mode, OrderState, Side
from proto_schemas.ledger import ReconcileReport
from proto_schemas.signals import Ack, Approval, Decision, Intent, Nack
from services.risk_engine.core import SILENCE_TIMER, RiskCore
from services.risk_engine.limits import CEILINGS, limits_hash
from shared.kernel.clock import SECOND, Now
from shared.kernel.outputs import Log, Reply, Request, SetTimer
from shared.kernel.state import state_hash
from tests.support import bodies, event, started
from tests.unit.risk_engine.risk_inputs import (
    BOOT,
    CONFIG,
    NOW,
    answer,
    control,
    decide,
    feed_status,
    give,
    intent,
    mark,
    order_id,
    order_update,
    position,
    ready_core,
    router_says,
    sighted_core,
)

LEDGER = ("ledger", "order_state")


def test_an_approval_carries_the_intents_facts_and_the_hash_of_the_limits() -> None:
    core = ready_core()
    command = event(intent())
    outputs = core.handle(command, NOW)
    assert [type(each) for each in outputs] == [Request, Log]
    request = outputs[0]
    assert isinstance(request, Request)
    assert (request.to, request.expires_ns) == ("order_router", None)
    assert request.subject == order_id()
    wanted = intent()
    assert request.message == Approval(
        order_id(), wanted.strategy, wanted.instrument, wanted.side, wanted.quantity_lots,
        wanted.order_type, wanted.reduce_only, wanted.expires_ns, limits_hash(CEILINGS["demo"]),
    )  # fmt: skip
    approved = Decision(order_id(), True, "APPROVED", "", "")
    assert answer(core, 1, Ack()) == [Reply(command.envelope, approved)]


def test_a_refusal_by_risk_itself_is_answered_at_once_and_the_router_never_hears_of_it() -> None:
    core = ready_core()
    command = event(intent(quantity_lots=11))
    outputs = core.handle(command, NOW)
    assert [type(each) for each in outputs] == [Log, Reply]
    refused = Decision(order_id(), False, "ORDER_SIZE", "10", "11")
    assert outputs[1] == Reply(command.envelope, refused)


@pytest.mark.parametrize(("lots", "level"), [(2, "debug"), (11, "warning")])
def test_every_decision_is_logged_with_code_limit_value_and_hash(lots: int, level: str) -> None:
    (log,) = [
        each for each in give(ready_core(), intent(quantity_lots=lots)) if isinstance(each, Log)
    ]
    assert (log.event, log.level) == ("decision", level)
    assert log.fields["code"] == ("APPROVED" if lots == 2 else "ORDER_SIZE")
    assert log.fields["limit"] == ("" if lots == 2 else "10")
    assert log.fields["value"] == ("" if lots == 2 else "11")
    assert log.fields["limits_hash"] == limits_hash(CEILINGS["demo"])


def test_the_same_intent_again_gets_the_same_decision_and_no_second_approval() -> None:
    core = ready_core()
    first = decide(core, intent(1))
    give(core, control(Mode.HALT))
    before = state_hash(core.state())
    again = event(intent(1))
    assert core.handle(again, NOW) == [Reply(again.envelope, first)]
    assert state_hash(core.state()) == before


def test_a_refusal_is_repeated_too_even_when_it_would_pass_now() -> None:
    core = ready_core()
    give(core, control(Mode.HALT))
    first = decide(core, intent(1))
    give(core, control(Mode.NORMAL))
    assert decide(core, intent(1)) == first
    assert not first.approved


def test_a_conflicting_repeat_does_not_replace_the_first_decision() -> None:
    core = ready_core()
    first = decide(core, intent(1))
    assert decide(core, intent(1, side=Side.SELL)).code == "DUPLICATE_ORDER"
    assert bodies(give(core, intent(1)), Reply) == [first]


def test_state_words_tell_what_holds_it_back() -> None:
    core = RiskCore(CONFIG)
    assert core.state_word() == "STARTING"
    core.handle(started("risk_engine"), NOW)
    assert core.state_word() == "RECONCILING"
    give(core, Replace(*LEDGER), Sighted(*LEDGER))
    assert core.state_word() == "READY"
    for mode, word in (("NORMAL", "TRADING"), ("REDUCE_ONLY", "REDUCE_ONLY"), ("HALT", "PAUSED")):
        give(core, control(Mode(mode)))
        assert core.state_word() == word
    give(core, control(), ReconcileReport(1, False, (), (), 0, (), BOOT))
    assert core.state_word() == "PAUSED"
    give(core, Blind(*LEDGER))
    assert core.state_word() == "RECONCILING"


def test_a_silent_watchdog_shows_as_paused_and_every_word_of_it_starts_the_wait_again() -> None:
    core = sighted_core()
    due_ns = BOOT + 3 * SECOND + 1
    assert give(core, control())[0] == SetTimer(SILENCE_TIMER, due_ns)
    assert give(core, control()) == [SetTimer(SILENCE_TIMER, due_ns)]
    (log,) = give(core, TimerFired(SILENCE_TIMER), at=Now(1, due_ns))
    assert isinstance(log, Log)
    assert (log.event, log.level, core.state_word()) == ("control_silent", "warning", "PAUSED")
    give(core, control())
    assert core.state_word() == "TRADING"


def test_a_new_life_trusts_nothing_that_it_has_not_heard() -> None:
    core = ready_core()
    core.handle(started("risk_engine", epoch=2), NOW)
    codes = [decide(core, intent(1)).code]
    for number, heard in enumerate((Sighted(*LEDGER), feed_status(), control(), mark()), 2):
        give(core, heard)
        codes.append(decide(core, intent(number)).code)
    assert codes == ["BLIND", "FEED_NOT_LIVE", "MODE_HALT", "NO_REFERENCE", "APPROVED"]


def test_positions_are_forgotten_when_the_ledger_sends_everything_again() -> None:
    core = ready_core()
    give(core, position(9, strategy="gone"))
    give(core, Blind(*LEDGER), Replace(*LEDGER), position(1), Sighted(*LEDGER))
    assert decide(core, intent(quantity_lots=9)).approved


def test_missed_messages_alone_forget_nothing() -> None:
    core = ready_core()
    give(core, position(10), order_update(7, quantity_lots=2))
    give(core, Blind(*LEDGER), position(8), Sighted(*LEDGER))
    assert decide(core, intent(1, quantity_lots=1)).code == "POSITION_LIMIT"


def test_it_publishes_no_stream() -> None:
    assert ready_core().current("ledger") == []


def test_the_same_inputs_give_the_same_outputs_and_state() -> None:
    wanted: list[Intent] = [intent(1), intent(1), intent(2, quantity_lots=11), intent(3)]
    inputs = [
        started("risk_engine"),
        *[event(body) for body in (Sighted(*LEDGER), control(), feed_status(), mark(), *wanted)],
        router_says(order_id(1), Ack()),
        router_says(order_id(3), Nack("LEASE_EXPIRED", "5", "6")),
        event(wanted[3]),
        event(order_update(1, OrderState.FILLED, 2)),
        event(position(2)),
    ]
    first, second = RiskCore(CONFIG), RiskCore(CONFIG)
    assert [first.handle(each, NOW) for each in inputs] == [
        second.handle(each, NOW) for each in inputs
    ]
    assert state_hash(first.state()) == state_hash(second.state())
    assert state_hash(first.state()) != state_hash(ready_core().state())
