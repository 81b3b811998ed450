"""The exchange, rule by rule: book, waiting, sharing, partial fills, refusals, reduce-only."""

from __future__ import annotations

from typing import Any

import pytest

from proto_schemas.broker import NewOrder
from proto_schemas.enums import OrderState, OrderType, Side
from shared.kernel.state import state_hash
from shared.markets import parse_contract
from shared.venue import (
    DUPLICATE_CLIENT_ORDER_ID,
    INSTRUMENT_UNKNOWN,
    LIVE_ORDERS_MAX,
    NO_MARKET,
    ORDER_LOTS_MAX,
    QUANTITY_TOO_LARGE,
    REDUCE_ONLY_INCREASES,
    TOO_MANY_ORDERS,
    Change,
    Exchange,
    Fill,
)
from shared.venue.records import CANCELLED_BY_ACCOUNT

ES, NQ = parse_contract("ESM18"), parse_contract("NQM18")
FEE_MILLS = ES.product.fee_mills
TICK_MILLS = ES.product.tick_value_mills


def order(number: int, side: Side = Side.BUY, lots: int = 1, **other: Any) -> NewOrder:
    instrument = other.pop("instrument", "ESM18")
    reduce_only = other.pop("reduce_only", False)
    session = other.pop("session", "order_router")
    client_order_id = f"{number:036d}"
    return NewOrder(session, client_order_id, instrument, side, lots, OrderType.MARKET, reduce_only)


def exchange() -> Exchange:
    return Exchange([ES, NQ])


def fills(reports: list[Any]) -> list[tuple[int, int, int]]:
    """(order number, lots, price) of each fill."""
    return [
        (int(r.client_order_id), r.quantity_lots, r.price_ticks)
        for r in reports
        if isinstance(r, Fill)
    ]


def long_position(lots: int) -> Exchange:
    venue = exchange()
    venue.trade("ESM18", 1, 100, lots)
    venue.submit(order(900, Side.BUY, lots), 1)
    assert venue.trade("ESM18", 2, 100, lots)
    return venue


def test_an_order_does_not_fill_on_the_price_that_its_sender_saw() -> None:
    venue = exchange()
    venue.trade("ESM18", 1, 100, 5)
    (change,) = venue.submit(order(1), 2, "signal-1")
    assert isinstance(change, Change)
    assert (change.state, change.broker_order_id) == (OrderState.ACKNOWLEDGED, "B1")
    assert change.correlation_id == "signal-1"
    (fill,) = venue.trade("ESM18", 3, 110, 5)
    assert isinstance(fill, Fill)
    assert (fill.price_ticks, fill.exchange_ns, fill.correlation_id) == (111, 3, "signal-1")


@pytest.mark.parametrize(("side", "price_ticks"), [(Side.BUY, 101), (Side.SELL, 99)])
def test_buys_pay_the_ask_and_sells_get_the_bid(side: Side, price_ticks: int) -> None:
    venue = exchange()
    venue.submit(order(1, side), 0)
    assert fills(venue.trade("ESM18", 1, 100, 1)) == [(1, 1, price_ticks)]


def test_the_book_uses_the_products_own_spread_also_below_zero() -> None:
    venue = exchange()
    assert venue.book("NQM18") == (None, None)
    venue.trade("NQM18", 1, -3, 1)
    assert venue.book("NQM18") == (-5, -1)


def test_a_large_order_fills_over_several_events_each_at_its_own_price() -> None:
    venue = exchange()
    venue.submit(order(1, Side.BUY, 7), 0)
    assert fills(venue.trade("ESM18", 1, 100, 3)) == [(1, 3, 101)]
    assert fills(venue.trade("ESM18", 2, 104, 3)) == [(1, 3, 105)]
    assert venue.live_orders()[0].state is OrderState.PARTIAL_FILL
    (last,) = venue.trade("ESM18", 3, 98, 50)
    assert isinstance(last, Fill)
    assert (last.quantity_lots, last.price_ticks, last.leaves_lots) == (1, 99, 0)
    assert venue.live_orders() == []
    assert venue.state.positions == {"ESM18": 7}


def test_waiting_orders_share_the_size_in_order_of_arrival() -> None:
    venue = exchange()
    for number, lots in ((1, 2), (2, 5), (3, 1)):
        venue.submit(order(number, Side.BUY, lots), 0)
    assert fills(venue.trade("ESM18", 1, 100, 4)) == [(1, 2, 101), (2, 2, 101)]
    assert fills(venue.trade("ESM18", 2, 100, 9)) == [(2, 3, 101), (3, 1, 101)]


def test_an_absent_size_is_one_lot_and_a_zero_size_fills_nothing() -> None:
    venue = exchange()
    venue.submit(order(1, Side.BUY, 3), 0)
    assert fills(venue.trade("ESM18", 1, 100, None)) == [(1, 1, 101)]
    assert venue.trade("ESM18", 2, 120, 0) == []
    assert venue.book("ESM18") == (119, 121)


def test_another_instruments_trade_fills_nothing() -> None:
    venue = exchange()
    venue.submit(order(1), 0)
    assert venue.trade("NQM18", 1, 100, 9) == []


def test_the_fee_is_per_lot_and_money_is_exact() -> None:
    venue = exchange()
    venue.submit(order(1, Side.BUY, 3), 0)
    (fill,) = venue.trade("ESM18", 1, 100, 3)
    assert isinstance(fill, Fill)
    assert fill.fee_mills == 3 * FEE_MILLS
    assert venue.state.cash_mills == -3 * 101 * TICK_MILLS - 3 * FEE_MILLS
    assert venue.worth_mills() == -3 * TICK_MILLS - 3 * FEE_MILLS


def test_a_second_order_with_the_same_id_leaves_the_first_untouched() -> None:
    venue = exchange()
    venue.submit(order(1, Side.BUY, 2), 0)
    before = state_hash(venue.state)
    (refusal,) = venue.submit(order(1, Side.SELL, 9), 1, "other")
    assert isinstance(refusal, Change)
    assert refusal.code == DUPLICATE_CLIENT_ORDER_ID
    assert (refusal.broker_order_id, refusal.correlation_id) == (None, "other")
    assert state_hash(venue.state) == before
    assert fills(venue.trade("ESM18", 1, 100, 2)) == [(1, 2, 101)]
    (refusal,) = venue.submit(order(1), 3)
    assert isinstance(refusal, Change)
    assert refusal.code == DUPLICATE_CLIENT_ORDER_ID


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (order(1, instrument="CLM18"), INSTRUMENT_UNKNOWN),
        (order(1, instrument="ESU18"), INSTRUMENT_UNKNOWN),
        (order(1, lots=ORDER_LOTS_MAX + 1), QUANTITY_TOO_LARGE),
        (order(1, reduce_only=True), REDUCE_ONLY_INCREASES),
    ],
)
def test_a_refused_order_is_named_by_code_and_never_trades(bad: NewOrder, code: str) -> None:
    venue = exchange()
    (refusal,) = venue.submit(bad, 5)
    assert isinstance(refusal, Change)
    assert (refusal.state, refusal.code) == (OrderState.REJECTED, code)
    assert refusal.broker_order_id is None
    assert venue.trade("ESM18", 6, 100, 1_000) == []
    assert [each.state for each in venue.finished_orders("order_router", 9)] == [
        OrderState.REJECTED
    ]


def test_the_largest_allowed_order_is_taken() -> None:
    (change,) = exchange().submit(order(1, lots=ORDER_LOTS_MAX), 0)
    assert isinstance(change, Change)
    assert change.state is OrderState.ACKNOWLEDGED


def test_live_orders_are_bounded() -> None:
    venue = exchange()
    for number in range(LIVE_ORDERS_MAX):
        venue.submit(order(number), 0)
    (refusal,) = venue.submit(order(LIVE_ORDERS_MAX), 0)
    assert isinstance(refusal, Change)
    assert refusal.code == TOO_MANY_ORDERS


def test_reduce_only_on_the_positions_own_side_is_refused() -> None:
    (refusal,) = long_position(2).submit(order(1, Side.BUY, reduce_only=True), 3)
    assert isinstance(refusal, Change)
    assert refusal.code == REDUCE_ONLY_INCREASES


def test_reduce_only_is_cut_at_zero_and_its_rest_cancelled() -> None:
    venue = long_position(2)
    venue.submit(order(1, Side.SELL, 5, reduce_only=True), 3)
    fill, cancel = venue.trade("ESM18", 4, 100, 50)
    assert isinstance(fill, Fill)
    assert isinstance(cancel, Change)
    assert (fill.quantity_lots, fill.leaves_lots) == (2, 3)
    assert (cancel.state, cancel.code) == (OrderState.CANCELLED, REDUCE_ONLY_INCREASES)
    assert venue.state.positions["ESM18"] == 0
    assert venue.live_orders() == []


def test_a_reduce_only_order_that_was_overtaken_is_cancelled_without_a_fill() -> None:
    venue = long_position(1)
    venue.submit(order(1, Side.SELL, 1, reduce_only=True), 3)
    venue.submit(order(2, Side.SELL, 1, reduce_only=True), 3)
    reports = venue.trade("ESM18", 4, 100, 50)
    assert fills(reports) == [(1, 1, 99)]
    assert [r.client_order_id for r in reports if isinstance(r, Change)] == [f"{2:036d}"]


def test_reduce_only_waits_for_size_like_any_order() -> None:
    venue = long_position(3)
    venue.submit(order(1, Side.SELL, 3, reduce_only=True), 3)
    assert venue.trade("ESM18", 4, 100, 0) == []
    assert fills(venue.trade("ESM18", 5, 100, 2)) == [(1, 2, 99)]
    assert fills(venue.trade("ESM18", 6, 100, 2)) == [(1, 1, 99)]


def test_after_the_end_the_last_book_stands_and_fills_at_once() -> None:
    venue = exchange()
    venue.trade("ESM18", 1, 100, 1)
    venue.submit(order(1, Side.BUY, 40), 1)
    assert fills(venue.end("ESM18", 1)) == [(1, 40, 101)]
    reports = venue.submit(order(2, Side.SELL, 60), 2)
    assert isinstance(reports[0], Change)
    assert fills(reports) == [(2, 60, 99)]
    closing = venue.submit(order(3, Side.BUY, 50, reduce_only=True), 3)
    assert fills(closing) == [(3, 20, 101)]
    assert isinstance(closing[-1], Change)
    assert venue.state.positions["ESM18"] == 0


def test_without_any_price_nothing_can_trade() -> None:
    venue = exchange()
    venue.submit(order(1), 0)
    (cancel,) = venue.end("ESM18", 1)
    assert isinstance(cancel, Change)
    assert (cancel.state, cancel.code) == (OrderState.CANCELLED, NO_MARKET)
    (refusal,) = venue.submit(order(2), 2)
    assert isinstance(refusal, Change)
    assert refusal.code == NO_MARKET


def test_finished_orders_are_forgotten_in_order_but_their_ids_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shared.venue.records.FINISHED_ORDERS_MAX", 2)
    venue = exchange()
    for number in range(4):
        venue.submit(order(number), 0)
        venue.trade("ESM18", 1, 100, 1)
    assert [int(o.client_order_id) for o in venue.finished_orders("order_router", 9)] == [2, 3]
    (refusal,) = venue.submit(order(0), 0)
    assert isinstance(refusal, Change)
    assert refusal.code == DUPLICATE_CLIENT_ORDER_ID


def test_a_live_orders_id_stays_known_however_many_come_after(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shared.venue.records.KNOWN_IDS_MAX", 2)
    venue = exchange()
    for number in range(4):
        venue.submit(order(number), 0)
    (refusal,) = venue.submit(order(0), 0)
    assert isinstance(refusal, Change)
    assert refusal.code == DUPLICATE_CLIENT_ORDER_ID


# --- cancel what others have ----------------------------------------------------------------------


def changes(reports: list[Any]) -> list[tuple[int, str, OrderState, str]]:
    """(order number, session that is told, state, code) of each change."""
    return [
        (int(r.client_order_id), r.session, r.state, r.code)
        for r in reports
        if isinstance(r, Change)
    ]


def test_cancelling_what_others_have_spares_ones_own_orders_in_every_market() -> None:
    venue = exchange()
    for number, session, instrument in (
        (1, "order_router", "ESM18"), (2, "watchdog", "ESM18"), (3, "by_hand", "NQM18"),
    ):  # fmt: skip
        venue.submit(order(number, session=session, instrument=instrument), 1)
    reports = venue.cancel_others("watchdog", 2)
    assert changes(reports) == [
        (1, "order_router", OrderState.CANCELLED, CANCELLED_BY_ACCOUNT),
        (3, "by_hand", OrderState.CANCELLED, CANCELLED_BY_ACCOUNT),
    ]
    assert {report.exchange_ns for report in reports} == {2}
    assert [each.client_order_id for each in venue.live_orders()] == [f"{2:036d}"]
    assert fills(venue.trade("ESM18", 3, 100, 9)) == [(2, 1, 101)]
    assert fills(venue.trade("NQM18", 3, 100, 9)) == []


def test_a_cancel_leaves_what_was_filled_and_may_be_repeated() -> None:
    venue = exchange()
    venue.submit(order(1, Side.BUY, 5), 1)
    venue.trade("ESM18", 2, 100, 2)
    assert len(venue.cancel_others("watchdog", 3)) == 1
    assert venue.state.positions["ESM18"] == 2
    before = state_hash(venue.state)
    assert venue.cancel_others("watchdog", 4) == []
    assert state_hash(venue.state) == before
    [ended] = venue.finished_orders("order_router", 9)
    assert (ended.state, ended.filled_lots) == (OrderState.CANCELLED, 2)
