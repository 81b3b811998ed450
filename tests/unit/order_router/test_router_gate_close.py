"""The watchdog has the gate closed: nothing leaves any more, and what is on its way is named."""

from __future__ import annotations

from proto_schemas.broker import BrokerOrderEvent
from proto_schemas.control import GateClose, GateClosed, TimerFired
from proto_schemas.enums import Mode, OrderState
from services.order_router.core import LEASE_TIMER, NAME, RouterCore
from shared.kernel.outputs import Reply
from tests.unit.brokers.session_inputs import order_id
from tests.unit.order_router.router_inputs import (
    approval,
    control,
    give,
    grant,
    nonces,
    open_core,
    passed,
    refused,
)


def close(core: RouterCore, gate_id: int = 7) -> GateClosed:
    found = give(core, GateClose(gate_id), producer="watchdog")
    (answer,) = [each.message for each in found if isinstance(each, Reply)]
    assert isinstance(answer, GateClosed)
    return answer


def test_nothing_leaves_any_more_though_the_lease_would_still_run() -> None:
    core = open_core()
    passed(core, approval(1), 10)
    close(core)
    assert refused(core, approval(2), 20).code == "LEASE_EXPIRED"
    assert core.state_word() == "PAUSED"


def test_the_answer_repeats_the_question_and_names_what_the_broker_has_not_named() -> None:
    core = open_core()
    assert close(core, 3) == GateClosed(3, ())
    core = open_core()
    passed(core, approval(1))
    passed(core, approval(2))
    seen = BrokerOrderEvent(NAME, 1, order_id(1), "B1", OrderState.ACKNOWLEDGED, "ACCEPTED", 1)
    give(core, seen)
    assert close(core) == GateClosed(7, (order_id(2),))


def test_an_unknown_order_may_still_be_on_its_way() -> None:
    core = open_core()
    passed(core, approval(1))
    give(core, TimerFired("broker_session"), 3_200)
    assert core.state().session.unknown()
    assert close(core).in_flight == (order_id(1),)


def test_an_answer_to_a_question_from_before_opens_nothing() -> None:
    core = open_core()
    (asked,) = nonces(give(core, TimerFired(LEASE_TIMER), 250))
    close(core)
    grant(core, asked, Mode.NORMAL, 260)
    assert refused(core, approval(1), 270).code == "LEASE_EXPIRED"


def test_a_word_of_the_watchdog_from_before_opens_nothing_either() -> None:
    core = open_core()
    close(core)
    give(core, control(Mode.NORMAL), 20)
    assert refused(core, approval(1), 30).code == "LEASE_EXPIRED"


def test_a_lease_asked_for_afterwards_opens_it_again() -> None:
    core = open_core()
    close(core)
    (asked,) = nonces(give(core, control(Mode.NORMAL), 250))
    grant(core, asked, Mode.NORMAL, 260)
    passed(core, approval(1), 270)
