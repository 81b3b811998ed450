"""Limit orders, stops, brackets, cancels, replaces, the day's end and latency, rule by rule."""

from __future__ import annotations

from typing import Any

import pytest

from proto_schemas.broker import CancelOrder, NewOrder, ReplaceOrder
from proto_schemas.enums import OrderState, OrderType, Side
from proto_schemas.market_data import Level
from proto_schemas.signals import Leg
from shared.markets import parse_contract
from shared.venue import Change, Exchange, Fill
from shared.venue import records as said

ES = parse_contract("ESM18")
DAY_NS = 86_400_000_000_000
MORNING_NS = 1_525_700_000_000_000_000  # 2018-05-07, a Monday morning in New York
S = OrderState


def exchange(latency_ns: int = 0) -> Exchange:
    return Exchange([ES], latency_ns)


def key(number: int) -> str:
    return f"{number:036d}"


def order(number: int, side: Side, lots: int, price: int | None = None, **other: Any) -> NewOrder:
    kind = other.pop("kind", OrderType.LIMIT if price is not None else OrderType.MARKET)
    legs = other.pop("legs", ())
    reduce_only = other.pop("reduce_only", False)
    return NewOrder(
        "order_router", key(number), "ESM18", side, lots, kind, reduce_only, price, legs
    )


def bracket(number: int, side: Side, lots: int, price: int, stop: int, target: int) -> NewOrder:
    legs = (
        Leg(key(number + 1), OrderType.STOP, stop),
        Leg(key(number + 2), OrderType.LIMIT, target),
    )
    return order(number, side, lots, price, legs=legs)


def quoted(bid: tuple[int, int] = (99, 20), ask: tuple[int, int] = (101, 20)) -> Exchange:
    venue = exchange()
    venue.quote("ESM18", MORNING_NS, Level(*bid), Level(*ask))
    return venue


def fills(reports: list[Any]) -> list[tuple[int, int, int]]:
    return [
        (int(r.client_order_id), r.quantity_lots, r.price_ticks)
        for r in reports
        if isinstance(r, Fill)
    ]


def words(reports: list[Any]) -> list[tuple[int, str, str]]:
    return [
        (int(r.client_order_id), r.state.value, r.code) for r in reports if isinstance(r, Change)
    ]


def trade(venue: Exchange, price: int, lots: int, after_ns: int = 1) -> list[Any]:
    return list(venue.trade("ESM18", MORNING_NS + after_ns, price, lots))


def quote(venue: Exchange, bid: tuple[int, int], ask: tuple[int, int]) -> list[Any]:
    return list(venue.quote("ESM18", MORNING_NS + 1, Level(*bid), Level(*ask)))


def test_a_limit_order_rests_behind_what_its_level_shows_and_moves_up_as_that_trades() -> None:
    venue = quoted(bid=(99, 20))
    assert words(venue.submit(order(1, Side.BUY, 2, 99), MORNING_NS)) == [
        (1, "ACKNOWLEDGED", said.ACCEPTED),
        (1, "WORKING", said.WORKING),
    ]
    assert fills(trade(venue, 99, 15)) == []
    assert fills(trade(venue, 99, 6)) == [(1, 1, 99)]
    assert fills(trade(venue, 99, 1)) == [(1, 1, 99)]


def test_cancels_of_strangers_count_only_once_the_level_shows_less_than_stood_before_us() -> None:
    venue = quoted(bid=(99, 20))
    venue.submit(order(1, Side.BUY, 1, 99), MORNING_NS)
    quote(venue, (99, 25), (101, 20))  # joined behind us
    quote(venue, (99, 3), (101, 20))
    assert fills(trade(venue, 99, 3)) == []
    assert fills(trade(venue, 99, 1)) == [(1, 1, 99)]


def test_an_order_inside_the_spread_has_nobody_before_it() -> None:
    venue = quoted(bid=(99, 20), ask=(103, 20))
    venue.submit(order(1, Side.BUY, 1, 101), MORNING_NS)
    assert fills(trade(venue, 101, 1)) == [(1, 1, 101)]


def test_a_trade_through_the_price_fills_up_to_its_size() -> None:
    venue = quoted()
    venue.submit(order(1, Side.BUY, 5, 99), MORNING_NS)
    assert fills(trade(venue, 98, 3)) == [(1, 3, 99)]


def test_an_ask_that_comes_to_our_price_fills_what_it_shows() -> None:
    venue = quoted()
    venue.submit(order(1, Side.BUY, 5, 99), MORNING_NS)
    assert fills(quote(venue, (97, 9), (99, 2))) == [(1, 2, 99)]


def test_a_limit_order_through_the_market_takes_and_never_pays_more_than_its_limit() -> None:
    venue = quoted(ask=(101, 2))
    venue.submit(order(1, Side.BUY, 6, 102), MORNING_NS)
    assert fills(quote(venue, (99, 20), (101, 2))) == [(1, 2, 101), (1, 2, 102)]
    assert venue.live_orders()[0].leaves_lots == 2


def test_a_large_market_order_walks_the_book_by_what_depth_shows() -> None:
    venue = quoted()
    venue.submit(order(1, Side.BUY, 10), MORNING_NS)
    asks = [Level(101, 3), Level(103, 4)]
    reports = venue.depth("ESM18", MORNING_NS + 1, [Level(99, 20)], asks)
    assert fills(list(reports)) == [(1, 3, 101), (1, 4, 103), (1, 3, 104)]


def test_what_one_of_our_orders_took_the_next_cannot_have() -> None:
    venue = quoted(ask=(101, 3))
    for number in (1, 2):
        venue.submit(order(number, Side.BUY, 2), MORNING_NS)
    assert fills(quote(venue, (99, 20), (101, 3))) == [(1, 2, 101), (2, 1, 101), (2, 1, 102)]


def test_of_two_resting_orders_the_better_price_comes_first_then_the_older() -> None:
    venue = quoted(bid=(99, 0))
    for number, price in ((1, 98), (2, 99), (3, 99)):
        venue.submit(order(number, Side.BUY, 2, price), MORNING_NS)
    assert fills(trade(venue, 97, 5)) == [(2, 2, 99), (3, 2, 99), (1, 1, 98)]


def test_without_quotes_only_a_trade_through_the_price_fills() -> None:
    venue = exchange()
    trade(venue, 100, 1, 0)
    venue.submit(order(1, Side.BUY, 1, 98), MORNING_NS)
    assert fills(trade(venue, 98, 50)) == []
    assert fills(trade(venue, 97, 50)) == [(1, 1, 98)]


@pytest.mark.parametrize(("side", "stop", "beyond"), [(Side.SELL, 97, 96), (Side.BUY, 103, 104)])
def test_a_stop_triggers_on_a_trade_and_fills_at_the_next_event(
    side: Side, stop: int, beyond: int
) -> None:
    venue = quoted()
    venue.submit(order(1, side, 1, stop, kind=OrderType.STOP), MORNING_NS)
    quote(venue, (beyond - 1, 9), (beyond + 1, 9))  # quotes alone trigger nothing
    assert venue.live_orders()[0].triggered is False
    assert words(trade(venue, beyond, 9)) == [(1, "WORKING", said.TRIGGERED)]
    [(number, lots, price)] = fills(quote(venue, (beyond - 1, 9), (beyond + 1, 9)))
    assert (number, lots, price) == (1, 1, beyond + side.sign)


def test_legs_are_held_until_the_entry_trades_then_stand_for_what_it_has_filled() -> None:
    venue = quoted(bid=(99, 0))
    venue.submit(bracket(1, Side.BUY, 3, 99, 95, 103), MORNING_NS)
    assert [o.held for o in venue.live_orders()] == [False, True, True]
    armed = trade(venue, 99, 2)
    assert fills(armed) == [(1, 2, 99)]
    assert words(armed) == [(2, "WORKING", said.ARMED), (3, "WORKING", said.ARMED)]
    assert fills(trade(venue, 104, 9)) == [(3, 2, 103)]
    assert venue.state.positions == {"ESM18": 0}


def test_what_one_leg_fills_the_other_has_less_and_the_last_lot_ends_it() -> None:
    venue = quoted(bid=(99, 0))
    venue.submit(bracket(1, Side.BUY, 2, 99, 95, 103), MORNING_NS)
    trade(venue, 99, 2)
    assert fills(trade(venue, 104, 1)) == [(3, 1, 103)]
    trade(venue, 94, 9)
    out = quote(venue, (93, 9), (94, 9))
    assert fills(out) == [(2, 1, 93)]
    assert (3, "CANCELLED", said.OTHER_LEG_FILLED) in words(out)
    assert venue.live_orders() == [] and venue.state.positions == {"ESM18": 0}


def test_legs_of_an_entry_that_ends_unfilled_end_with_it() -> None:
    venue = quoted()
    venue.submit(bracket(1, Side.BUY, 2, 99, 95, 103), MORNING_NS)
    out = venue.cancel(CancelOrder("order_router", key(1), 1), MORNING_NS)
    assert words(list(out)) == [
        (1, "CANCELLED", said.CANCELLED),
        (2, "CANCELLED", said.PARENT_ENDED),
        (3, "CANCELLED", said.PARENT_ENDED),
    ]


def test_an_exit_at_market_takes_the_legs_with_it() -> None:
    venue = quoted(bid=(99, 0))
    venue.submit(bracket(1, Side.BUY, 1, 99, 95, 103), MORNING_NS)
    trade(venue, 99, 1)
    venue.submit(order(9, Side.SELL, 1, reduce_only=True), MORNING_NS)
    quote(venue, (98, 9), (100, 9))
    assert venue.live_orders() == [] and venue.state.positions == {"ESM18": 0}


def test_a_refused_bracket_is_refused_whole() -> None:
    venue = quoted()
    legs = (Leg(key(2), OrderType.MARKET, 95),)
    out = venue.submit(order(1, Side.BUY, 1, 99, legs=legs), MORNING_NS)
    assert words(list(out)) == [(1, "REJECTED", said.LEGS_INVALID), (2, "REJECTED", "LEGS_INVALID")]


def test_a_cancel_is_done_once_and_too_late_afterwards() -> None:
    venue = quoted()
    venue.submit(order(1, Side.BUY, 1, 99), MORNING_NS)
    assert len(venue.cancel(CancelOrder("order_router", key(1), 1), MORNING_NS)) == 1
    assert venue.cancel(CancelOrder("order_router", key(1), 1), MORNING_NS) == []
    [late] = venue.cancel(CancelOrder("order_router", key(1), 2), MORNING_NS)
    assert isinstance(late, Change)
    assert (late.state, late.code, late.change_refused) == (S.CANCELLED, said.TOO_LATE, True)
    assert venue.cancel(CancelOrder("watchdog", key(1), 9), MORNING_NS) == []


def test_a_new_price_goes_to_the_end_of_the_queue_and_fewer_lots_keep_the_place() -> None:
    venue = quoted(bid=(99, 0))
    for number in (1, 2):
        venue.submit(order(number, Side.BUY, 2, 99), MORNING_NS)
    venue.replace(ReplaceOrder("order_router", key(1), 1, 1, 99), MORNING_NS)
    assert fills(trade(venue, 99, 1)) == [(1, 1, 99)]
    venue.submit(order(3, Side.BUY, 1, 99), MORNING_NS)
    venue.replace(ReplaceOrder("order_router", key(2), 1, 2, 98), MORNING_NS)
    venue.replace(ReplaceOrder("order_router", key(2), 2, 2, 99), MORNING_NS)
    assert fills(trade(venue, 99, 1)) == [(3, 1, 99)]


@pytest.mark.parametrize(
    ("lots", "code"), [(3, said.QUANTITY_RAISED), (1, said.QUANTITY_BELOW_FILLED)]
)
def test_a_change_that_cannot_be_leaves_the_order_as_it_is(lots: int, code: str) -> None:
    venue = quoted(bid=(99, 0))
    venue.submit(order(1, Side.BUY, 2, 99), MORNING_NS)
    trade(venue, 99, 1)
    [out] = venue.replace(ReplaceOrder("order_router", key(1), 1, lots, 97), MORNING_NS)
    assert isinstance(out, Change)
    assert (out.change_refused, out.code, out.revision) == (True, code, 1)
    assert (out.quantity_lots, out.price_ticks) == (2, 99)


def test_what_is_left_at_the_end_of_the_trading_day_expires() -> None:
    venue = quoted()
    venue.submit(bracket(1, Side.BUY, 1, 99, 95, 103), MORNING_NS)
    out = venue.trade("ESM18", MORNING_NS + DAY_NS, 90, 50)
    assert words(list(out))[0] == (1, "EXPIRED", said.DAY_ENDED)
    assert fills(list(out)) == [] and venue.live_orders() == []


def test_with_latency_an_order_meets_only_events_that_are_late_enough() -> None:
    venue = exchange(latency_ns=1_000)
    trade(venue, 100, 1, 0)
    venue.submit(order(1, Side.BUY, 1), MORNING_NS)
    assert fills(trade(venue, 100, 9, 999)) == []
    assert fills(trade(venue, 100, 9, 1_000)) == [(1, 1, 101)]


def test_after_the_end_of_the_data_takers_fill_and_resting_orders_stay() -> None:
    venue = quoted()
    trade(venue, 100, 1)
    venue.end("ESM18", MORNING_NS + 2)
    assert fills(list(venue.submit(order(1, Side.BUY, 30), MORNING_NS + 2))) == [(1, 30, 101)]
    venue.submit(order(2, Side.BUY, 1, 99), MORNING_NS + 2)
    assert [o.state for o in venue.live_orders()] == [S.WORKING]
