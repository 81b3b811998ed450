"""What must hold for the exchange whatever is sent to it."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from proto_schemas.broker import NewOrder
from proto_schemas.enums import OrderType, Side
from shared.kernel.state import state_hash
from shared.markets import parse_contract
from shared.venue import Change, Exchange, Fill, Report

ZN = parse_contract("ZNM18")  # its tick is no whole number of cents

orders = st.tuples(
    st.just("order"), st.integers(0, 30), st.sampled_from(Side), st.integers(1, 9), st.booleans()
)
trades = st.tuples(st.just("trade"), st.integers(-50, 50), st.one_of(st.none(), st.integers(0, 12)))
histories = st.lists(st.one_of(orders, trades), max_size=60)


def apply(exchange: Exchange, step: tuple, at_ns: int) -> list[Report]:
    if step[0] == "trade":
        return exchange.trade("ZNM18", at_ns, step[1], step[2])
    _, number, side, lots, reduce_only = step
    new = NewOrder(
        "order_router", f"{number:036d}", "ZNM18", side, lots, OrderType.MARKET, reduce_only
    )
    return exchange.submit(new, at_ns)


def play(history: list[tuple], ended: bool) -> tuple[Exchange, list[Report]]:
    exchange = Exchange([ZN])
    reports = [r for at, step in enumerate(history) for r in apply(exchange, step, at)]
    if ended:
        reports += exchange.end("ZNM18", len(history))
    return exchange, reports


@given(histories, st.booleans())
def test_positions_and_cash_are_conserved(history: list[tuple], ended: bool) -> None:
    exchange, reports = play(history, ended)
    done = [r for r in reports if isinstance(r, Fill)]
    value = ZN.product.tick_value_mills
    lots = sum(f.side.sign * f.quantity_lots for f in done)
    cash = sum(-f.side.sign * f.quantity_lots * f.price_ticks * value - f.fee_mills for f in done)
    assert exchange.state.positions.get("ZNM18", 0) == lots
    assert exchange.state.cash_mills == cash
    assert exchange.state.fees_mills == sum(f.quantity_lots for f in done) * ZN.product.fee_mills
    mark = exchange.state.markets["ZNM18"].last_ticks or 0
    won = sum(f.side.sign * f.quantity_lots * (mark - f.price_ticks) * value for f in done)
    assert exchange.worth_mills() == won - exchange.state.fees_mills


@given(histories, st.booleans())
def test_reduce_only_never_opens_and_never_crosses_zero(history: list[tuple], ended: bool) -> None:
    _, reports = play(history, ended)
    reduce_only: dict[str, bool] = {}
    for step in history:
        if step[0] == "order":
            reduce_only.setdefault(f"{step[1]:036d}", step[4])
    position = 0
    for fill in (r for r in reports if isinstance(r, Fill)):
        after = position + fill.side.sign * fill.quantity_lots
        if reduce_only[fill.client_order_id]:
            assert abs(after) < abs(position)
            assert after * position >= 0
        position = after


@given(histories)
def test_no_event_fills_more_than_it_traded_and_no_order_more_than_it_asked(
    history: list[tuple],
) -> None:
    exchange = Exchange([ZN])
    filled: dict[str, int] = {}
    asked: dict[str, int] = {}
    for at, step in enumerate(history):
        done = [r for r in apply(exchange, step, at) if isinstance(r, Fill)]
        if step[0] == "order":
            asked.setdefault(f"{step[1]:036d}", step[3])
            assert not done
            continue
        assert sum(f.quantity_lots for f in done) <= (1 if step[2] is None else step[2])
        for fill in done:
            total = filled.get(fill.client_order_id, 0) + fill.quantity_lots
            filled[fill.client_order_id] = total
            assert total + fill.leaves_lots == asked[fill.client_order_id]


@given(histories)
def test_ids_never_repeat(history: list[tuple]) -> None:
    _, reports = play(history, True)
    executions = [r.execution_id for r in reports if isinstance(r, Fill)]
    assert len(set(executions)) == len(executions)
    taken = [
        r.broker_order_id
        for r in reports
        if isinstance(r, Change) and r.state.value == "ACKNOWLEDGED"
    ]
    assert len(set(taken)) == len(taken)


@settings(max_examples=30)
@given(histories)
def test_the_same_history_gives_the_same_reports_and_state(history: list[tuple]) -> None:
    one, two = play(history, True), play(history, True)
    assert one[1] == two[1]
    assert state_hash(one[0].state) == state_hash(two[0].state)
