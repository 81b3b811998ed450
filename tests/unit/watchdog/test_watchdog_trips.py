"""Trips: each condition kills after its grace, not before, and not when nothing is at stake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from proto_schemas.control import PeerStatus, Replace
from proto_schemas.enums import FeedState, OrderState, Side
from proto_schemas.ledger import OrderUpdate
from proto_schemas.market_data import FeedStatus
from services.watchdog.trips import COUNTED, LOOK_EVERY_NS, MINDED, TRIPS
from shared.kernel.clock import MS, SECOND
from tests.unit.watchdog.fake_account import CONFIG, Kennel, held, open_kennel

LOOK_MS = LOOK_EVERY_NS // MS


def feed(kennel: Kennel, state: FeedState) -> None:
    kennel.give(FeedStatus("ESM18", state, 1, 1, 0, 0, 1, 0))


def trading(lots: int = 2) -> Kennel:
    """Everything is well, and so many lots are open, in the account and in the ledger."""
    kennel = open_kennel()
    kennel.account.lots["ESM18"] = lots
    kennel.give(held(lots))
    feed(kennel, FeedState.LIVE)
    for name in COUNTED:
        kennel.give(PeerStatus(name, True, 1))
    kennel.run_for(3_000)
    return kennel


def killed(kennel: Kennel) -> str | None:
    latch = kennel.core.state().latch
    return latch.reason if latch else None


def unknown(kennel: Kennel, state: OrderState = OrderState.UNKNOWN) -> None:
    kennel.give(
        OrderUpdate(
            "0" * 36, "order_router", "ema_cross", "ESM18", Side.BUY, 1, 0, 0, state, "ACK_TIMEOUT"
        )
    )


def lose_broker(kennel: Kennel) -> None:
    kennel.account.deaf = True
    kennel.give(PeerStatus("venue", False, 1))


def find_breaks(kennel: Kennel) -> None:
    kennel.reconcile_clean = False
    kennel.report(kennel.core.state().reconcile_id, clean=False)


def lose_router(kennel: Kennel) -> None:
    kennel.give(PeerStatus("order_router", False, 1))


CASES: dict[str, tuple[Callable[[Kennel], None], int]] = {
    "BROKER_LOST": (lose_broker, CONFIG.broker_grace_ns),
    "FEED_LOST": (lambda kennel: feed(kennel, FeedState.STALE), CONFIG.feed_grace_ns),
    "LEDGER_DIFFERS": (find_breaks, CONFIG.break_grace_ns),
    "ACCOUNT_DIFFERS": (lambda kennel: kennel.give(held(3)), CONFIG.break_grace_ns),
    "SERVICE_AWAY": (lose_router, CONFIG.service_grace_ns),
    "ORDER_UNKNOWN": (unknown, CONFIG.unknown_grace_ns),
}
MENDED: dict[str, Callable[[Kennel], None]] = {
    "FEED_LOST": lambda kennel: feed(kennel, FeedState.LIVE),
    "ACCOUNT_DIFFERS": lambda kennel: kennel.give(held(2)),
    "SERVICE_AWAY": lambda kennel: kennel.give(PeerStatus("order_router", True, 2)),
    "ORDER_UNKNOWN": lambda kennel: unknown(kennel, OrderState.FILLED),
}


def test_every_trip_of_the_table_is_tested_here() -> None:
    assert {trip.code for trip in TRIPS} == {*CASES, "RESTART_BUDGET"}


@pytest.mark.parametrize("code", CASES)
def test_a_trip_kills_after_its_grace_and_not_before(code: str) -> None:
    begin, grace_ns = CASES[code]
    kennel = trading()
    begin(kennel)
    kennel.run_for(grace_ns // MS - LOOK_MS)
    assert killed(kennel) is None
    kennel.run_for(2 * LOOK_MS + 1)
    assert str(killed(kennel)).startswith(f"{code}: ")
    latch = kennel.core.state().latch
    assert latch is not None and latch.source == "trip"


@pytest.mark.parametrize("code", MENDED)
def test_what_is_mended_in_time_starts_its_grace_again(code: str) -> None:
    begin, grace_ns = CASES[code]
    kennel = trading()
    for _ in range(3):
        begin(kennel)
        kennel.run_for(grace_ns // MS - 2 * LOOK_MS)
        MENDED[code](kennel)
        kennel.run_for(2 * LOOK_MS)
    assert killed(kennel) is None


@pytest.mark.parametrize("code", ["BROKER_LOST", "FEED_LOST", "SERVICE_AWAY"])
def test_with_nothing_at_stake_it_is_no_emergency(code: str) -> None:
    begin, grace_ns = CASES[code]
    kennel = trading(lots=0)
    begin(kennel)
    kennel.run_for(2 * grace_ns // MS)
    assert killed(kennel) is None


@pytest.mark.parametrize("name", COUNTED)
def test_a_crash_loop_is_an_emergency_even_with_nothing_at_stake(name: str) -> None:
    kennel = trading(lots=0)
    for epoch in range(2, CONFIG.restarts_max + 2):
        kennel.give(PeerStatus(name, True, epoch))
        kennel.run_for(500)
    assert killed(kennel) is None
    kennel.give(PeerStatus(name, True, CONFIG.restarts_max + 2))
    kennel.run_for(LOOK_MS)
    assert f"RESTART_BUDGET: {name}" in str(killed(kennel))


def test_the_same_restarts_over_a_longer_time_are_not() -> None:
    kennel = trading(lots=0)
    for epoch in range(2, 20):
        kennel.give(PeerStatus("risk_engine", True, epoch))
        kennel.run_for(CONFIG.restarts_window_ns // (CONFIG.restarts_max * MS) + 1_000)
    assert killed(kennel) is None


def test_a_monitor_that_dies_over_and_over_stops_nobody() -> None:
    kennel = trading()
    for epoch in range(2, 20):
        kennel.give(PeerStatus("monitor", True, epoch))
    kennel.give(PeerStatus("monitor", False, 19))
    kennel.run_for(CONFIG.service_grace_ns // MS + 1_000)
    assert killed(kennel) is None


def test_a_start_of_the_whole_box_spends_no_budget() -> None:
    kennel = trading(lots=0)
    for epoch in range(2, 20):
        kennel.start()
        for name in COUNTED:
            kennel.give(PeerStatus(name, True, epoch))
        kennel.run_for(1_000)
    assert killed(kennel) is None


def test_who_is_not_heard_of_in_a_new_life_is_away_and_the_grace_starts_again() -> None:
    kennel = trading()
    grace_ms = CONFIG.service_grace_ns // MS
    lose_router(kennel)
    kennel.run_for(grace_ms - 1_000)
    kennel.start()
    feed(kennel, FeedState.LIVE)
    for name in MINDED:
        if name != "order_router":
            kennel.give(PeerStatus(name, True, 1))
    kennel.run_for(grace_ms - 1_000)
    assert killed(kennel) is None
    kennel.run_for(1_500)
    assert killed(kennel) == "SERVICE_AWAY: order_router away"


def test_a_new_picture_of_the_ledger_forgets_the_old_one() -> None:
    kennel = trading()
    unknown(kennel)
    kennel.give(held(3))
    kennel.give(Replace("ledger", "order_state"))
    kennel.give(held(2))
    kennel.run_for(120_000)
    assert killed(kennel) is None


def test_while_a_session_ends_or_a_kill_holds_nothing_trips() -> None:
    kennel = trading()
    kennel.end_stream()
    for begin, _ in CASES.values():
        begin(kennel)
    kennel.run_for(200_000)
    assert killed(kennel) is None


def test_graces_can_be_set() -> None:
    config = replace(CONFIG, unknown_grace_ns=5 * SECOND)
    kennel = open_kennel(config=config)
    unknown(kennel)
    kennel.run_for(5_500)
    assert str(killed(kennel)).startswith("ORDER_UNKNOWN")


def test_the_account_as_we_see_it_is_shown_when_it_moves_and_about_once_in_two_seconds() -> None:
    kennel = trading()
    shown = len(kennel.views)
    kennel.account.lots["ESM18"] = 7
    kennel.run_for(CONFIG.account_every_ns // MS)
    assert len(kennel.views) == shown + 1
    assert [each.position_lots for each in kennel.views[-1].positions] == [7]
    kennel.run_for(10 * CONFIG.account_every_ns // MS)
    assert len(kennel.views) == shown + 11
