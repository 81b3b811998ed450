"""The comparison with the broker's account: every kind of difference, and nothing adopted."""

from __future__ import annotations

from typing import Any

import pytest

from proto_schemas.broker import BrokerOrder, BrokerPosition
from proto_schemas.enums import OrderAction as A
from proto_schemas.enums import OrderState as S
from proto_schemas.enums import Side
from proto_schemas.ledger import BrokerReport, PositionUpdate, ReconcileReport
from proto_schemas.signals import Ack
from services.order_state.core import OrderStateCore
from shared.kernel.outputs import Barrier, Log, Publish, Reply
from tests.support import bodies, event, now
from tests.unit.order_state.ledger_reports import (
    execution,
    feed,
    order_event,
    order_id,
    ready_core,
)


def broker_order(state: S = S.ACKNOWLEDGED, filled_lots: int = 1, **changes: Any) -> BrokerOrder:
    facts: dict[str, Any] = {
        "client_order_id": order_id(),
        "session": "order_router",
        "instrument": "ESM18",
        "side": Side.BUY,
        "quantity_lots": 3,
        "filled_lots": filled_lots,
        "state": state,
    }
    return BrokerOrder(**{**facts, **changes})


def one_lot_filled() -> OrderStateCore:
    core = ready_core()
    feed(core, order_event(A.CREATE), order_event(A.SUBMIT), execution())
    return core


def found(core: OrderStateCore, *seen: BrokerOrder | BrokerPosition) -> list[tuple[Any, ...]]:
    orders = tuple(each for each in seen if isinstance(each, BrokerOrder))
    positions = tuple(each for each in seen if isinstance(each, BrokerPosition))
    (report,) = bodies(feed(core, BrokerReport(7, orders, positions)), Publish)
    assert isinstance(report, ReconcileReport)
    assert report.clean is (not report.breaks)
    return [(each.code, each.subject, each.ledger_lots, each.broker_lots) for each in report.breaks]


LONG = BrokerPosition("ESM18", 1)


def test_a_clean_report_is_acknowledged_behind_the_barrier_and_published() -> None:
    core = one_lot_filled()
    command = event(BrokerReport(7, (broker_order(),), (LONG, BrokerPosition("ESU18", 0))))
    outputs = core.handle(command, now(boot_ns=55))
    assert [type(output) for output in outputs] == [Barrier, Reply, Publish]
    assert bodies(outputs, Reply) == [Ack()]
    assert bodies(outputs, Publish) == [ReconcileReport(7, True, (LONG,), (LONG,), 1, (), 55)]


@pytest.mark.parametrize(
    ("seen", "breaks"),
    [
        ((broker_order(), LONG), []),
        ((broker_order(),), [("POSITION_DIFFERS", "ESM18", 1, 0)]),
        (
            (broker_order(), LONG, BrokerPosition("ESU18", -2)),
            [("POSITION_DIFFERS", "ESU18", 0, -2)],
        ),
        ((broker_order(filled_lots=2), LONG), [("FILL_DIFFERS", order_id(), 1, 2)]),
        (
            (broker_order(), broker_order(client_order_id=order_id(2), filled_lots=0), LONG),
            [("ORDER_UNKNOWN_TO_LEDGER", order_id(2), 0, 0)],
        ),
        ((LONG,), [("ORDER_UNKNOWN_TO_BROKER", order_id(), 1, 0)]),
        ((broker_order(S.CANCELLED), LONG), [("ORDER_UNKNOWN_TO_BROKER", order_id(), 1, 1)]),
    ],
)
def test_each_difference_has_its_code(
    seen: tuple[BrokerOrder | BrokerPosition, ...], breaks: list[tuple[Any, ...]]
) -> None:
    assert found(one_lot_filled(), *seen) == breaks


def test_an_order_alive_only_at_the_broker_is_a_break() -> None:
    core = one_lot_filled()
    feed(core, order_event(A.CANCEL))
    assert found(core, broker_order(), LONG) == [("ORDER_UNKNOWN_TO_LEDGER", order_id(), 1, 1)]
    assert found(core, broker_order(S.CANCELLED), LONG) == []


@pytest.mark.parametrize(
    ("history", "clean"),
    [
        ([A.CREATE], True),
        ([A.CREATE, A.SUBMIT], True),
        ([A.CREATE, A.SUBMIT, A.LOSE_SIGHT], False),
        ([A.CREATE, A.SUBMIT, A.ACKNOWLEDGE], False),
    ],
)
def test_an_order_must_be_at_the_broker_once_it_was_answered_or_lost(
    history: list[A], clean: bool
) -> None:
    core = ready_core()
    feed(core, *[order_event(action) for action in history])
    assert (found(core) == []) is clean


def test_positions_are_compared_net_over_all_strategies() -> None:
    core = one_lot_filled()
    feed(
        core,
        execution(2, client_order_id=order_id(2), strategy="other", side=Side.SELL),
        order_event(A.CREATE, client_order_id=order_id(2), strategy="other", side=Side.SELL),
    )
    sold = broker_order(client_order_id=order_id(2), side=Side.SELL)
    assert found(core, broker_order(), sold) == []


def test_a_break_pauses_until_a_clean_report_and_adopts_nothing() -> None:
    core = one_lot_filled()
    positions = [each for each in core.current("ledger") if isinstance(each, PositionUpdate)]
    outputs = feed(core, BrokerReport(8, (broker_order(),), (BrokerPosition("ESM18", 5),)))
    (log,) = [output for output in outputs if isinstance(output, Log)]
    assert (log.event, log.level, log.fields["broker_lots"]) == ("POSITION_DIFFERS", "error", 5)
    assert core.state_word() == "PAUSED"
    assert [
        each for each in core.current("ledger") if isinstance(each, PositionUpdate)
    ] == positions
    feed(core, BrokerReport(9, (broker_order(),), (LONG,)))
    assert core.state_word() == "TRADING"


def test_a_replica_that_lost_the_thread_still_learns_of_a_break() -> None:
    core = one_lot_filled()
    feed(core, BrokerReport(8, (), ()))
    last = core.current("ledger")[-1]
    assert isinstance(last, ReconcileReport)
    assert not last.clean
