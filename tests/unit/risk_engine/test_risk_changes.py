"""What risk says to limit orders, brackets, cancels and replaces."""

from __future__ import annotations

from typing import Any

import pytest

from proto_schemas.control import Blind
from proto_schemas.enums import Mode, OrderState, OrderType, Side
from proto_schemas.ledger import OrderUpdate
from proto_schemas.signals import (
    Ack,
    CancelApproval,
    CancelIntent,
    Decision,
    Leg,
    Nack,
    ReplaceApproval,
    ReplaceIntent,
)
from services.risk_engine.core import RiskCore
from services.risk_engine.limits import CEILINGS
from shared.kernel.clock import SECOND
from shared.kernel.outputs import Event, Output, Reply, Request
from tests.support import event
from tests.unit.risk_engine.risk_inputs import (
    BOOT,
    NOW,
    control,
    decide,
    give,
    intent,
    order_id,
    position,
    ready_core,
)

LIMIT = {"order_type": OrderType.LIMIT, "price_ticks": 9_990}
LEGS = (Leg(order_id(8), OrderType.STOP, 9_980), Leg(order_id(9), OrderType.LIMIT, 10_020))


def approved(core: RiskCore, **changes: Any) -> None:
    outputs = give(core, intent(**{**LIMIT, **changes}))
    assert isinstance(outputs[0], Request)


def refusal(outputs: list[Output]) -> str:
    [reply] = [each for each in outputs if isinstance(each, Reply)]
    assert isinstance(reply.message, Decision) and not reply.message.approved
    return str(reply.message.code)


def replace_intent(key: str = order_id(), **changes: Any) -> ReplaceIntent:
    facts: dict[str, Any] = {
        "strategy": "ema_cross", "client_order_id": key, "change_id": 7, "quantity_lots": 2,
        "price_ticks": 9_991, "reference_ticks": 10_000, "expires_ns": BOOT + SECOND,
    }  # fmt: skip
    return ReplaceIntent(**{**facts, **changes})


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"order_type": OrderType.LIMIT}, "PRICE_MISFIT"),
        ({"price_ticks": 10_000}, "PRICE_MISFIT"),
        ({**LIMIT, "price_ticks": 10_041}, "PRICE_COLLAR"),
        ({**LIMIT, "side": Side.SELL, "price_ticks": 9_959}, "PRICE_COLLAR"),
        ({"legs": (Leg(order_id(8), OrderType.MARKET, 1),)}, "LEGS_INVALID"),
        ({"legs": (*LEGS, Leg(order_id(7), OrderType.STOP, 1))}, "LEGS_INVALID"),
        ({"legs": (Leg(order_id(1), OrderType.STOP, 1),)}, "DUPLICATE_ORDER"),
    ],
)
def test_an_order_that_does_not_make_sense_is_refused(changes: dict[str, Any], code: str) -> None:
    assert refusal(give(ready_core(), intent(**changes))) == code


def test_a_limit_may_wait_far_from_the_market() -> None:
    approved(ready_core(), price_ticks=5_000)


def test_legs_are_in_nobodys_way_and_their_ids_are_taken() -> None:
    core = ready_core()
    approved(core, legs=LEGS)
    give(core, position(2))
    for leg in LEGS:
        update = OrderUpdate(
            leg.client_order_id, "order_router", "ema_cross", "ESM18", Side.SELL, 2, 0, 0,
            OrderState.WORKING, "OK", leg.order_type, leg.price_ticks, True, order_id(),
        )  # fmt: skip
        give(core, update)
    assert decide(core, intent(2, side=Side.SELL, reduce_only=True)).approved
    assert refusal(give(core, intent(8))) == "DUPLICATE_ORDER"


def answered(core: RiskCore, outputs: list[Output], answer: Ack | Nack) -> Decision:
    [request] = [each for each in outputs if isinstance(each, Request)]
    said = event(answer, producer="order_router")
    [reply] = [
        each
        for each in core.handle(Event(said.envelope, said.body, request.subject), NOW)
        if isinstance(each, Reply)
    ]
    assert isinstance(reply.message, Decision)
    return reply.message


def test_a_cancel_passes_blind_and_halted_and_its_answer_is_the_routers() -> None:
    core = ready_core()
    give(core, Blind("ledger", "order_state"))
    give(core, control(Mode.HALT))
    outputs = give(core, CancelIntent("ema_cross", order_id()))
    [request] = [each for each in outputs if isinstance(each, Request)]
    assert request.message == CancelApproval("ema_cross", order_id())
    assert answered(core, outputs, Nack("GATE_SHUT", "gate", "x")).code == "GATE_SHUT"


def test_cancels_have_a_budget_of_their_own() -> None:
    core = ready_core()
    limit = CEILINGS["demo"].cancels_per_second_max
    for number in range(limit):
        give(core, CancelIntent("ema_cross", order_id(number)))
    assert refusal(give(core, CancelIntent("ema_cross", order_id(limit)))) == "CANCEL_RATE"
    approved(core)
    assert refusal(give(ready_core(), CancelIntent("other", order_id()))) == "STRATEGY_UNKNOWN"


def test_a_replace_goes_on_to_the_router_with_its_number() -> None:
    core = ready_core()
    approved(core)
    outputs = give(core, replace_intent())
    [request] = [each for each in outputs if isinstance(each, Request)]
    assert isinstance(request.message, ReplaceApproval)
    assert (request.message.change_id, request.message.price_ticks) == (7, 9_991)
    assert answered(core, outputs, Ack()).approved


def test_a_replace_from_a_market_that_is_gone_is_stale_but_for_an_exit() -> None:
    core = ready_core()
    approved(core, legs=LEGS)
    old_ns = BOOT - core._config.limits.data_lag_max_ns - 1
    assert refusal(give(core, replace_intent(data_ns=old_ns))) == "STALE_DATA"
    moved_leg = give(core, replace_intent(order_id(9), price_ticks=10_010, data_ns=old_ns))
    assert any(isinstance(each, Request) for each in moved_leg)


def test_a_leg_is_replaced_as_the_order_that_it_is() -> None:
    core = ready_core()
    approved(core, legs=LEGS)
    give(core, control(Mode.REDUCE_ONLY))
    outputs = give(core, replace_intent(order_id(9), price_ticks=10_010))
    assert any(isinstance(each, Request) for each in outputs)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"client_order_id": order_id(5)}, "ORDER_UNKNOWN"),
        ({"quantity_lots": 3}, "QUANTITY_RAISED"),
        ({"price_ticks": 10_041}, "PRICE_COLLAR"),
        ({"reference_ticks": 9_000}, "COLLAR"),
        ({"expires_ns": BOOT - 1}, "EXPIRED"),
        ({"strategy": "other"}, "STRATEGY_UNKNOWN"),
    ],
)
def test_a_replace_passes_the_checks_of_its_order(changes: dict[str, Any], code: str) -> None:
    core = ready_core()
    approved(core)
    key = changes.pop("client_order_id", order_id())
    assert refusal(give(core, replace_intent(key, **changes))) == code
