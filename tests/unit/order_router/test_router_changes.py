"""Cancels and replaces at the gate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from proto_schemas.broker import BrokerOrderEvent, CancelOrder, NewOrder, ReplaceOrder
from proto_schemas.enums import Mode, OrderState, OrderType, Side
from proto_schemas.signals import Ack, CancelApproval, Nack, ReplaceApproval
from services.order_router.core import NAME, RouterCore
from shared.kernel.clock import SECOND
from shared.kernel.outputs import Output, Send
from tests.unit.brokers.session_inputs import order_id
from tests.unit.order_router.router_inputs import BOOT, answers, approval, control, give, open_core

LIMIT = {"order_type": OrderType.LIMIT, "price_ticks": 99}
CANCEL = CancelApproval("ema_cross", order_id())


def working(core: RouterCore, **changes: Any) -> RouterCore:
    """One limit order of three lots works."""
    give(core, approval(**{**LIMIT, **changes}))
    for seq, state in ((1, OrderState.ACKNOWLEDGED), (2, OrderState.WORKING)):
        give(core, BrokerOrderEvent(NAME, seq, order_id(), "B1", state, "OK", 7))
    return core


def replacing(**changes: Any) -> ReplaceApproval:
    facts = ReplaceApproval("ema_cross", order_id(), 7, 2, 98, BOOT + 30 * SECOND, "0" * 16)
    return replace(facts, **changes)


def sent(outputs: list[Output]) -> list[object]:
    kinds = NewOrder | CancelOrder | ReplaceOrder
    messages = [each.message for each in outputs if isinstance(each, Send)]
    return [each for each in messages if isinstance(each, kinds)]


def code(outputs: list[Output]) -> str:
    [answer] = answers(outputs)
    return answer.code if isinstance(answer, Nack) else "ACK"


def test_a_cancel_of_an_entry_passes_a_shut_gate() -> None:
    core = working(open_core())
    give(core, control(Mode.HALT))
    outputs = give(core, CANCEL, 5_000)
    assert (sent(outputs), code(outputs)) == ([CancelOrder(NAME, order_id(), 1)], "ACK")


def test_an_exit_is_not_cancelled_while_nothing_could_be_put_back() -> None:
    core = working(open_core(), side=Side.SELL, reduce_only=True)
    assert code(give(core, CANCEL, 2_000)) == "GATE_SHUT"
    assert code(give(core, CANCEL, 500)) == "ACK"


def test_a_strangers_cancel_or_one_of_an_unknown_order_is_refused() -> None:
    core = working(open_core())
    assert code(give(core, replace(CANCEL, strategy="other"))) == "ORDER_UNKNOWN"
    assert code(give(core, replace(CANCEL, client_order_id=order_id(5)))) == "ORDER_UNKNOWN"


def test_a_replace_leaves_once_however_often_it_is_asked_for() -> None:
    core = working(open_core())
    assert sent(give(core, replacing())) == [ReplaceOrder(NAME, order_id(), 1, 2, 98)]
    again = give(core, replacing())
    assert sent(again) == [] and isinstance(answers(again)[0], Ack)
    assert code(give(core, replacing(change_id=8))) == "NOT_CHANGEABLE"


def test_a_replace_passes_the_gate_like_an_order() -> None:
    core = working(open_core())
    assert code(give(core, replacing(), 1_000)) == "LEASE_EXPIRED"
    assert code(give(core, replacing(quantity_lots=4))) == "QUANTITY_RAISED"
    give(core, control(Mode.HALT))
    assert code(give(core, replacing())) == "MODE_HALT"


def test_entries_that_wait_in_the_market_are_cancelled_when_entries_stop() -> None:
    core = working(open_core())
    outputs = give(core, control(Mode.REDUCE_ONLY))
    assert sent(outputs) == [CancelOrder(NAME, order_id(), 1)]
    exits = working(open_core(), side=Side.SELL, reduce_only=True)
    assert sent(give(exits, control(Mode.REDUCE_ONLY))) == []
