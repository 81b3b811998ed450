"""How a session ends: revoke, wait, flatten, verify, flat, reconcile; and what a restart does."""

from __future__ import annotations

from itertools import groupby

import pytest

from proto_schemas.broker import NewOrder
from proto_schemas.control import TimerFired, Undelivered
from proto_schemas.enums import Mode, OrderAction, OrderType, SessionPhase, Side
from proto_schemas.signals import Nack
from services.watchdog.closing import NAME
from services.watchdog.flatten import CLOSE_MAX_LOTS
from shared.kernel.clock import MS
from shared.kernel.ids import ORIGIN_WATCHDOG, client_order_id
from tests.support import INSTALL_ID
from tests.unit.brokers.session_inputs import order_id
from tests.unit.watchdog.fake_account import CONFIG, Kennel, held, kennel_with, open_kennel

WAIT_MS = (CONFIG.lease_ttl_ns + CONFIG.wire_delay_ns) // MS
LAG_MS = CONFIG.report_lag_ns // MS
DONE_MS = 5_000


def foreign_order(side: Side, lots: int) -> NewOrder:
    return NewOrder("order_router", order_id(), "ESM18", side, lots, OrderType.MARKET, False)


def phases(kennel: Kennel) -> list[str]:
    return [str(phase) for phase, _ in groupby(control.phase for control in kennel.controls)]


def test_the_end_of_the_stream_ends_flat_reconciled_and_closed() -> None:
    kennel = kennel_with(4)
    kennel.end_stream()
    kennel.run_for(DONE_MS)
    assert phases(kennel) == [
        "OPEN", "REVOKING", "FLATTENING", "VERIFYING", "FLAT", "CLOSED",
    ]  # fmt: skip
    last = kennel.controls[-1]
    assert (last.flat, last.reconciled, last.mode) == (True, True, Mode.HALT)
    assert last.reason == "END_OF_STREAM"
    assert kennel.account.lots == {"ESM18": 0}


def test_nothing_is_closed_before_the_last_lease_and_the_wire_have_run_out() -> None:
    kennel = kennel_with(4)
    kennel.end_stream()
    assert kennel.ask_lease().mode is Mode.HALT
    kennel.run_for(WAIT_MS - 1)
    assert kennel.phase == "REVOKING"
    kennel.account.place(foreign_order(Side.SELL, 3))
    kennel.run_for(1)
    assert kennel.phase == "FLATTENING"
    kennel.run_for(LAG_MS - 1)
    assert kennel.orders == []
    kennel.run_for(51)
    assert [order.quantity_lots for order in kennel.orders] == [1]


def test_an_order_that_arrives_while_the_account_settles_is_counted() -> None:
    kennel = kennel_with(4)
    kennel.end_stream()
    kennel.run_for(WAIT_MS + LAG_MS - 50)
    kennel.account.place(foreign_order(Side.SELL, 4))
    kennel.run_for(1_000)
    assert kennel.orders == []
    kennel.account.fill(order_id())
    kennel.run_for(DONE_MS)
    assert kennel.phase == "CLOSED"
    assert kennel.orders == []


def test_our_own_closing_order_is_not_sent_twice_while_it_waits() -> None:
    kennel = kennel_with(4)
    kennel.account.fills_at_once = False
    kennel.end_stream()
    kennel.run_for(WAIT_MS + DONE_MS)
    (order,) = kennel.orders
    kennel.account.fill(order.client_order_id, 3)
    kennel.run_for(DONE_MS)
    assert len(kennel.orders) == 1
    kennel.account.fill(order.client_order_id)
    kennel.run_for(DONE_MS)
    assert kennel.phase == "CLOSED"


@pytest.mark.parametrize("lots", [4, -4])
def test_closing_orders_are_reduce_only_ours_and_the_positions_strategys(lots: int) -> None:
    kennel = kennel_with(lots)
    kennel.end_stream()
    kennel.run_for(DONE_MS)
    side = Side.SELL if lots > 0 else Side.BUY
    mine = client_order_id(INSTALL_ID, ORIGIN_WATCHDOG, 1, 1)
    assert kennel.orders == [NewOrder(NAME, mine, "ESM18", side, 4, OrderType.MARKET, True)]
    assert kennel.told[0].action is OrderAction.SUBMIT
    assert {(each.strategy, each.session) for each in kennel.told} == {("ema_cross", NAME)}


def test_a_position_that_nobody_owns_is_closed_in_the_watchdogs_name() -> None:
    kennel = open_kennel()
    kennel.account.lots["ESM18"] = 1
    kennel.end_stream()
    kennel.run_for(DONE_MS)
    assert {each.strategy for each in kennel.told} == {NAME}
    assert kennel.phase == "CLOSED"


def test_every_position_is_closed_under_its_own_strategy_and_id() -> None:
    kennel = kennel_with(2)
    kennel.account.lots["ESU18"] = -1
    kennel.give(held(-1, "breakout", "ESU18"))
    kennel.end_stream()
    kennel.run_for(DONE_MS)
    assert [(order.instrument, order.side) for order in kennel.orders] == [
        ("ESM18", Side.SELL), ("ESU18", Side.BUY),
    ]  # fmt: skip
    assert len({order.client_order_id for order in kennel.orders}) == 2
    assert {(each.instrument, each.strategy) for each in kennel.told} == {
        ("ESM18", "ema_cross"), ("ESU18", "breakout"),
    }  # fmt: skip


def test_an_order_that_did_not_leave_is_replaced_under_a_new_id() -> None:
    kennel = kennel_with(4)
    kennel.account.deaf = True
    kennel.end_stream()
    kennel.run_for(WAIT_MS)
    kennel.account.deaf = False
    kennel.account.fills_at_once = False
    kennel.run_for(LAG_MS + 50)
    (first,) = kennel.orders
    del kennel.account.orders[first.client_order_id]
    kennel.give(Undelivered("m", "new_order", first.client_order_id))
    kennel.account.fills_at_once = True
    kennel.run_for(DONE_MS)
    assert len({order.client_order_id for order in kennel.orders}) == 2
    assert kennel.account.lots == {"ESM18": 0}
    assert kennel.sent_ns[1] - kennel.sent_ns[0] >= CONFIG.report_lag_ns


def test_a_position_that_appears_while_verifying_is_closed_too() -> None:
    kennel = kennel_with(0)
    kennel.end_stream()
    kennel.run_for(WAIT_MS + LAG_MS + 50)
    assert kennel.phase == "VERIFYING"
    kennel.account.lots["ESM18"] = 2
    kennel.run_for(DONE_MS)
    assert kennel.phase == "CLOSED"
    assert [order.quantity_lots for order in kennel.orders] == [2]
    assert phases(kennel).count("FLATTENING") == 2


def test_flat_needs_two_settled_looks() -> None:
    kennel = kennel_with(0)
    kennel.reconcile_clean = None
    kennel.end_stream()
    kennel.run_for(WAIT_MS + 2 * LAG_MS)
    assert kennel.phase == "VERIFYING"
    assert kennel.controls[-1].flat is False
    kennel.run_for(100)
    assert kennel.phase == "FLAT"
    assert kennel.controls[-1].flat is True


def test_flat_without_a_clean_reconcile_is_not_closed() -> None:
    kennel = kennel_with(4)
    kennel.reconcile_clean = False
    kennel.end_stream()
    kennel.run_for(2 * DONE_MS)
    assert kennel.phase == "FLAT"
    assert kennel.controls[-1].reconciled is False
    kennel.reconcile_clean = True
    kennel.run_for(1_000)
    assert kennel.phase == "CLOSED"


def test_the_last_reconcile_waits_until_the_ledger_has_our_fills() -> None:
    kennel = kennel_with(4)
    kennel.ledger_answers = False
    kennel.end_stream()
    kennel.run_for(DONE_MS)
    before = len(kennel.fetched_ns)
    assert kennel.phase == "FLAT"
    kennel.run_for(DONE_MS)
    assert len(kennel.fetched_ns) == before


def test_the_end_of_the_stream_comes_once() -> None:
    kennel = kennel_with(0)
    kennel.end_stream()
    kennel.run_for(DONE_MS)
    controls = len(kennel.controls)
    kennel.end_stream()
    assert len(kennel.controls) == controls
    assert kennel.phase == "CLOSED"


def test_a_timer_of_an_earlier_phase_moves_nothing() -> None:
    kennel = kennel_with(4)
    for name in ("revoked", "look"):
        kennel.give(TimerFired(name))
    kennel.run_for(DONE_MS)
    assert (kennel.phase, kennel.orders) == ("OPEN", [])


def test_a_large_position_is_closed_in_several_orders_that_never_cross_zero() -> None:
    kennel = kennel_with(2 * CLOSE_MAX_LOTS + 200)
    kennel.end_stream()
    kennel.run_for(2 * DONE_MS)
    assert kennel.phase == "CLOSED"
    assert [order.quantity_lots for order in kennel.orders] == [
        CLOSE_MAX_LOTS, CLOSE_MAX_LOTS, 200,
    ]  # fmt: skip
    assert kennel.account.lots == {"ESM18": 0}


def test_a_halted_watchdog_grants_nothing_and_still_closes() -> None:
    kennel = kennel_with(4)
    kennel.give(Nack("FACTS_DIFFER", "side", "SELL"), producer="order_state")
    assert kennel.ask_lease().mode is Mode.HALT
    kennel.end_stream()
    kennel.run_for(DONE_MS)
    assert kennel.account.lots == {"ESM18": 0}
    assert kennel.ask_lease().mode is Mode.HALT


def test_a_strategy_that_holds_nothing_any_more_owns_no_closing_order() -> None:
    kennel = kennel_with(4)
    kennel.give(held(0, "breakout"))
    kennel.end_stream()
    kennel.run_for(DONE_MS)
    assert {each.strategy for each in kennel.told} == {"ema_cross"}


# --- restarts -------------------------------------------------------------------------------------

UNTIL_MS = {
    SessionPhase.REVOKING: 100,
    SessionPhase.FLATTENING: WAIT_MS + 100,
    SessionPhase.VERIFYING: WAIT_MS + 2 * LAG_MS + 110,
}


@pytest.mark.parametrize("phase", list(UNTIL_MS), ids=str)
def test_a_restart_while_ending_revokes_and_waits_again(phase: SessionPhase) -> None:
    kennel = kennel_with(4)
    kennel.end_stream()
    kennel.run_for(UNTIL_MS[phase])
    assert kennel.phase == str(phase)
    kennel.start()
    assert kennel.phase == "REVOKING"
    assert kennel.controls[-1].flat is False
    sent = len(kennel.orders)
    kennel.run_for(WAIT_MS - 1)
    assert (kennel.phase, len(kennel.orders)) == ("REVOKING", sent)
    kennel.run_for(DONE_MS)
    assert kennel.phase == "CLOSED"
    assert sum(order.quantity_lots for order in kennel.orders) == 4


def test_a_restart_with_a_closing_order_on_its_way_sends_no_second() -> None:
    kennel = kennel_with(4)
    kennel.account.fills_at_once = False
    kennel.end_stream()
    kennel.run_for(WAIT_MS + 500)
    (order,) = kennel.orders
    kennel.start()
    kennel.run_for(DONE_MS)
    assert kennel.orders == [order]
    kennel.account.fill(order.client_order_id)
    kennel.run_for(DONE_MS)
    assert kennel.phase == "CLOSED"


def test_ids_of_a_new_life_are_new() -> None:
    kennel = kennel_with(4)
    kennel.account.fills_at_once = False
    kennel.end_stream()
    kennel.run_for(WAIT_MS + 500)
    kennel.start()
    kennel.account.fill(kennel.orders[0].client_order_id)
    kennel.account.lots["ESM18"] = 1
    kennel.account.fills_at_once = True
    kennel.run_for(DONE_MS)
    assert len({order.client_order_id for order in kennel.orders}) == len(kennel.orders) == 2


@pytest.mark.parametrize("clean", [True, None], ids=["closed", "flat"])
def test_a_restart_when_flat_grants_nothing_and_ends_closed(clean: bool | None) -> None:
    kennel = kennel_with(4)
    kennel.reconcile_clean = clean
    kennel.end_stream()
    kennel.run_for(DONE_MS)
    kennel.reconcile_clean = True
    kennel.start()
    kennel.run_for(DONE_MS)
    assert kennel.phase == "CLOSED"
    assert kennel.ask_lease().mode is Mode.HALT
    assert len(kennel.orders) == 1


def test_the_account_is_read_from_the_broker_and_not_from_the_ledger() -> None:
    kennel = kennel_with(0)
    kennel.give(held(7))
    kennel.end_stream()
    kennel.run_for(DONE_MS)
    assert kennel.orders == []
