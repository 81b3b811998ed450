"""What the ledger does with one report after another: answers, order, idempotence, refusals."""

from __future__ import annotations

import pytest

from proto_schemas.base import Message
from proto_schemas.enums import OrderAction as A
from proto_schemas.enums import OrderState as S
from proto_schemas.enums import Side
from proto_schemas.ledger import OrderUpdate, PositionUpdate
from proto_schemas.signals import Ack, Nack
from services.order_state import ledger
from services.order_state.config import OrderStateConfig
from services.order_state.core import OrderStateCore
from shared.kernel.errors import OurFault
from shared.kernel.outputs import Barrier, Log, Publish, Reply
from shared.kernel.state import state_hash
from tests.support import bodies, event, now, started
from tests.unit.order_state.ledger_reports import (
    execution,
    feed,
    order_event,
    order_id,
    ready_core,
)


def test_nothing_leaves_before_the_barrier_and_the_position_goes_before_its_order() -> None:
    core = ready_core()
    feed(core, order_event(A.CREATE), order_event(A.SUBMIT))
    outputs = feed(core, execution())
    assert [type(output) for output in outputs] == [Barrier, Reply, Publish, Publish]
    assert bodies(outputs, Reply) == [Ack()]
    position, order = bodies(outputs, Publish)
    assert isinstance(position, PositionUpdate)
    assert position.position_lots == 1
    assert isinstance(order, OrderUpdate)
    assert (order.state, order.filled_lots, order.filled_cost_ticks) == (S.PARTIAL_FILL, 1, 10_000)


def test_the_answer_goes_to_the_command_that_asked() -> None:
    core = ready_core()
    command = event(order_event(A.CREATE))
    replies = [output for output in core.handle(command, now()) if isinstance(output, Reply)]
    assert replies == [Reply(command.envelope, Ack())]


def test_own_cumulative_lots_decide_when_an_order_is_filled() -> None:
    core = ready_core()
    feed(core, order_event(A.CREATE), execution(1), execution(2))
    outputs = feed(core, execution(3))
    assert bodies(outputs, Publish)[1].state is S.FILLED


def test_an_order_event_that_moves_nothing_publishes_nothing() -> None:
    core = ready_core()
    feed(core, order_event(A.CREATE), order_event(A.SUBMIT), order_event(A.ACKNOWLEDGE))
    before = state_hash(core.state())
    outputs = feed(core, order_event(A.ACKNOWLEDGE, code="AGAIN"))
    assert [type(output) for output in outputs] == [Barrier, Reply]
    assert state_hash(core.state()) == before


def test_a_repeated_execution_is_acknowledged_and_changes_nothing() -> None:
    core = ready_core()
    feed(core, order_event(A.CREATE), execution())
    before = state_hash(core.state())
    outputs = feed(core, execution())
    assert bodies(outputs, Reply) == [Ack()]
    assert bodies(outputs, Publish) == []
    assert state_hash(core.state()) == before


def test_an_execution_id_used_for_another_fill_is_refused() -> None:
    core = ready_core()
    feed(core, order_event(A.CREATE), execution())
    before = state_hash(core.state())
    (nack,) = bodies(feed(core, execution(price_ticks=10_001)), Reply)
    assert (nack.code, nack.field) == ("FACTS_DIFFER", "execution_id")
    assert state_hash(core.state()) == before


def test_a_fill_before_creation_counts_at_once_and_shows_its_order_when_the_size_is_known() -> None:
    core = ready_core()
    (position,) = bodies(feed(core, execution(quantity_lots=3)), Publish)
    assert position.position_lots == 3
    assert [type(message) for message in core.current("ledger")] == [PositionUpdate]
    (order,) = bodies(feed(core, order_event(A.CREATE)), Publish)
    assert (order.state, order.quantity_lots, order.filled_lots) == (S.FILLED, 3, 3)


def test_an_overfill_is_booked_and_logged_with_its_ids() -> None:
    core = ready_core()
    feed(core, order_event(A.CREATE), execution(1, quantity_lots=3))
    outputs = feed(core, execution(2))
    position, order = bodies(outputs, Publish)
    assert (position.position_lots, order.filled_lots, order.state) == (4, 4, S.FILLED)
    (log,) = [output for output in outputs if isinstance(output, Log)]
    assert (log.event, log.level) == ("OVERFILL", "error")
    assert (log.fields["client_order_id"], log.fields["execution_id"]) == (order_id(), "X2")


def test_an_overfill_that_shows_only_when_the_size_is_known_is_logged_too() -> None:
    core = ready_core()
    outputs = feed(core, execution(quantity_lots=4), order_event(A.CREATE))
    assert [output.event for output in outputs if isinstance(output, Log)] == ["OVERFILL"]


@pytest.mark.parametrize(
    ("field", "value"),
    [("side", Side.SELL), ("instrument", "ESU18"), ("strategy", "other")],
)
def test_contradicting_facts_are_refused_and_change_nothing(field: str, value: object) -> None:
    core = ready_core()
    feed(core, order_event(A.CREATE))
    before = state_hash(core.state())
    for report in (execution(1, **{field: value}), order_event(A.SUBMIT, **{field: value})):
        outputs = feed(core, report)
        (nack,) = bodies(outputs, Reply)
        assert (nack.code, nack.field) == ("FACTS_DIFFER", field)
        assert [output.level for output in outputs if isinstance(output, Log)] == ["error"]
    assert state_hash(core.state()) == before


def test_another_quantity_is_a_contradiction() -> None:
    core = ready_core()
    (nack,) = bodies(
        feed(core, order_event(A.CREATE), order_event(A.SUBMIT, quantity_lots=4)), Reply
    )
    assert (nack.code, nack.field) == ("FACTS_DIFFER", "quantity_lots")


@pytest.mark.parametrize(
    ("history", "report", "state"),
    [
        ([A.CREATE, A.REJECT], order_event(A.CANCEL), S.REJECTED),
        ([A.CREATE, A.CANCEL], order_event(A.REJECT), S.CANCELLED),
        ([A.CREATE], order_event(A.FILL_ALL), S.PENDING_CREATION),
    ],
)
def test_an_illegal_move_is_refused_and_changes_nothing(
    history: list[A], report: Message, state: S
) -> None:
    core = ready_core()
    feed(core, *[order_event(action) for action in history])
    before = state_hash(core.state())
    outputs = feed(core, report)
    (nack,) = bodies(outputs, Reply)
    assert (nack.code, nack.field) == ("ILLEGAL_MOVE", state.value)
    assert bodies(outputs, Publish) == []
    assert state_hash(core.state()) == before


def test_a_fill_of_a_rejected_order_is_booked_for_the_lots_are_real() -> None:
    core = ready_core()
    feed(core, order_event(A.CREATE), order_event(A.REJECT))
    outputs = feed(core, execution(quantity_lots=2))
    (ack,) = bodies(outputs, Reply)
    assert ack == Ack()
    published = bodies(outputs, Publish)
    assert [each.position_lots for each in published if isinstance(each, PositionUpdate)] == [2]
    (order,) = [each for each in published if isinstance(each, OrderUpdate)]
    assert (order.state, order.filled_lots) == (S.REJECTED, 2)


def test_a_contract_without_a_tick_value_is_refused() -> None:
    core = ready_core()
    (nack,) = bodies(feed(core, execution(instrument="ABCM18")), Reply)
    assert nack == Nack("INSTRUMENT_UNKNOWN", "instrument", "ABCM18")
    assert core.current("ledger") == []


def test_the_ledger_stops_rather_than_forget_an_execution_id(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ledger, "EXECUTION_IDS_MAX", 2)
    core = ready_core()
    feed(core, order_event(A.CREATE), execution(1), execution(2))
    assert bodies(feed(core, execution(2)), Reply) == [Ack()]
    with pytest.raises(OurFault, match="LEDGER_FULL"):
        feed(core, execution(3))


def test_a_late_fill_after_a_cancel_counts() -> None:
    core = ready_core()
    feed(core, order_event(A.CREATE), order_event(A.SUBMIT), order_event(A.CANCEL))
    position, order = bodies(feed(core, execution()), Publish)
    assert position.position_lots == 1
    assert (order.state, order.filled_lots, order.code) == (S.CANCELLED, 1, "BY_CANCEL")
    assert core.state_word() == "READY"


def test_state_words_follow_the_live_orders() -> None:
    core = OrderStateCore(OrderStateConfig())
    assert core.state_word() == "STARTING"
    core.handle(started("order_state"), now())
    assert core.state_word() == "READY"
    feed(core, order_event(A.CREATE), order_event(A.SUBMIT), order_event(A.LOSE_SIGHT))
    assert core.state_word() == "TRADING"
    feed(core, order_event(A.REJECT))
    assert core.state_word() == "READY"


def test_the_snapshot_holds_live_orders_and_the_last_finished_by_age(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ledger, "FINISHED_SHOWN_MAX", 2)
    core = ready_core()
    for number in range(1, 6):
        feed(core, order_event(A.CREATE, client_order_id=order_id(number)))
    for number in (4, 5, 2):
        feed(core, order_event(A.REJECT, client_order_id=order_id(number)))
    orders = [each for each in core.current("ledger") if isinstance(each, OrderUpdate)]
    shown = [order.client_order_id for order in orders]
    assert shown == [order_id(number) for number in (1, 2, 3, 5)]
    before = state_hash(core.state())
    feed(core, order_event(A.REJECT, client_order_id=order_id(4)))
    assert state_hash(core.state()) == before, "a repeat about a forgotten order moves nothing"
    assert core.current("market.ESM18") == []


def test_the_same_inputs_give_the_same_outputs_and_state() -> None:
    inputs = [
        started("order_state"),
        *[event(order_event(action)) for action in (A.CREATE, A.SUBMIT, A.ACKNOWLEDGE)],
        event(execution(1)),
        event(execution(1)),
        event(order_event(A.CANCEL)),
        event(execution(2)),
    ]
    first, second = (OrderStateCore(OrderStateConfig()) for _ in range(2))
    assert [first.handle(each, now()) for each in inputs] == [
        second.handle(each, now()) for each in inputs
    ]
    assert state_hash(first.state()) == state_hash(second.state())
    assert state_hash(first.state()) != state_hash(ready_core().state())
