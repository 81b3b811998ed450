"""Positions and P&L: average cost in integers, marks, expiries apart."""

from __future__ import annotations

from proto_schemas.control import TimerFired
from proto_schemas.enums import OrderAction as A
from proto_schemas.enums import Side
from proto_schemas.ledger import PositionUpdate
from proto_schemas.market_data import Mark
from services.order_state.config import OrderStateConfig
from services.order_state.core import MARK_TIMER, OrderStateCore
from services.order_state.ledger import divide_towards_zero
from shared.kernel.clock import SECOND
from shared.kernel.outputs import Publish, SetTimer
from tests.support import bodies, event, now, started
from tests.unit.order_state.ledger_reports import (
    execution,
    feed,
    order_event,
    order_id,
    ready_core,
)

TICK_MILLS = 12_500


def fill(core: OrderStateCore, number: int, side: Side, lots: int, price: int) -> PositionUpdate:
    key = order_id(number)
    facts = {"client_order_id": key, "side": side, "quantity_lots": lots}
    feed(core, order_event(A.CREATE, **facts))
    position = bodies(feed(core, execution(number, price_ticks=price, **facts)), Publish)[0]
    assert isinstance(position, PositionUpdate)
    return position


def test_a_round_trip_realises_the_difference_and_adds_up_the_fees() -> None:
    core = ready_core()
    fill(core, 1, Side.BUY, 2, 10_000)
    closed = fill(core, 2, Side.SELL, 2, 10_004)
    assert (closed.position_lots, closed.open_cost_ticks) == (0, 0)
    assert closed.realised_mills == 2 * 4 * TICK_MILLS
    assert closed.fees_mills == 2 * 2_250


def test_a_short_earns_when_the_price_falls_below_zero() -> None:
    core = ready_core()
    fill(core, 1, Side.SELL, 1, 5)
    assert fill(core, 2, Side.BUY, 1, -3).realised_mills == 8 * TICK_MILLS


def test_a_partial_close_keeps_the_remainder_in_the_open_cost() -> None:
    core = ready_core()
    fill(core, 1, Side.BUY, 3, 3)
    fill(core, 2, Side.BUY, 1, 2)
    part = fill(core, 3, Side.SELL, 1, 10)
    assert (part.position_lots, part.open_cost_ticks) == (3, 9), "11 // 4 = 2 went out"
    assert part.realised_mills == 8 * TICK_MILLS


def test_rounding_goes_towards_zero_on_both_sides() -> None:
    assert [divide_towards_zero(n, 4) for n in (-11, -4, -1, 0, 1, 11)] == [-2, -1, 0, 0, 0, 2]


def test_crossing_zero_closes_first_and_opens_the_rest_at_the_new_price() -> None:
    core = ready_core()
    fill(core, 1, Side.BUY, 1, 100)
    crossed = fill(core, 2, Side.SELL, 3, 110)
    assert (crossed.position_lots, crossed.open_cost_ticks) == (-2, -220)
    assert crossed.realised_mills == 10 * TICK_MILLS


def test_two_expiries_are_two_positions() -> None:
    core = ready_core()
    feed(core, execution(1), execution(2, client_order_id=order_id(2), instrument="ESU18"))
    shown = [each for each in core.current("ledger") if isinstance(each, PositionUpdate)]
    assert [(each.instrument, each.position_lots) for each in shown] == [("ESM18", 1), ("ESU18", 1)]


def test_each_product_has_its_own_tick_value() -> None:
    core = ready_core()
    note = {"instrument": "ZNM18"}
    sell = {"client_order_id": order_id(2), "side": Side.SELL, "price_ticks": 10_001}
    outputs = feed(core, execution(1, **note), execution(2, **note, **sell))
    assert bodies(outputs, Publish)[0].realised_mills == 15_625


def test_open_money_follows_the_mark_and_is_nothing_without_one() -> None:
    core = ready_core()
    assert fill(core, 1, Side.BUY, 1, 10_000).open_mills == 0
    feed(core, Mark("ESM18", 1, 1, 9_990))
    second = fill(core, 2, Side.BUY, 1, 10_000)
    assert (second.mark_ticks, second.open_mills) == (9_990, -20 * TICK_MILLS)


def test_the_timer_publishes_open_positions_whose_mark_changed_and_comes_again() -> None:
    core = OrderStateCore(OrderStateConfig(mark_publish_ns=2 * SECOND))
    outputs = core.handle(started("order_state"), now(boot_ns=5))
    assert outputs == [SetTimer(MARK_TIMER, 5 + 2 * SECOND)]
    fill(core, 1, Side.BUY, 1, 10_000)
    feed(core, Mark("ESM18", 1, 1, 10_001), Mark("ESU18", 1, 1, 3))
    tick = event(TimerFired(MARK_TIMER))
    first = core.handle(tick, now(boot_ns=7))
    assert [each.open_mills for each in bodies(first, Publish)] == [TICK_MILLS]
    assert first[-1] == SetTimer(MARK_TIMER, 7 + 2 * SECOND)
    assert bodies(core.handle(tick, now()), Publish) == [], "the mark stood still"
    fill(core, 2, Side.SELL, 1, 10_001)
    feed(core, Mark("ESM18", 1, 1, 10_002))
    assert bodies(core.handle(tick, now()), Publish) == [], "a flat position has no open money"
