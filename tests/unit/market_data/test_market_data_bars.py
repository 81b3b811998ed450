"""Bars against a naive twin that groups the trades of a whole feed by minute."""

from __future__ import annotations

from itertools import groupby, pairwise

from hypothesis import given
from hypothesis import strategies as st

from proto_schemas.market_data import Bar, Trade
from services.market_data.bars import BarBuilder
from shared.kernel.clock import MINUTE, SECOND

START_NS = 25_428_330 * MINUTE

steps = st.lists(
    st.tuples(
        st.one_of(st.integers(0, 3), st.integers(0, 40 * SECOND), st.integers(0, 5 * MINUTE)),
        st.integers(-3, 3),
        st.one_of(st.none(), st.integers(0, 9)),
    ),
    max_size=80,
)


def trades_of(deltas: list[tuple[int, int, int | None]]) -> list[Trade]:
    trades, at_ns = [], START_NS
    for number, (gap_ns, price_ticks, lots) in enumerate(deltas, 1):
        at_ns += gap_ns
        trades.append(Trade(number, "ESM18", at_ns, number * 10, price_ticks, lots))
    return trades


def naive(trades: list[Trade]) -> list[Bar]:
    minutes = [list(group) for _, group in groupby(trades, lambda t: t.exchange_ns // MINUTE)]
    return [
        Bar(
            "ESM18", group[0].exchange_ns // MINUTE * MINUTE, MINUTE, closer[0].receive_ns,
            group[0].price_ticks, max(t.price_ticks for t in group),
            min(t.price_ticks for t in group), group[-1].price_ticks,
            sum(1 if t.quantity_lots is None else t.quantity_lots for t in group), len(group),
        )
        for group, closer in pairwise(minutes)
    ]  # fmt: skip


@given(steps)
def test_bars_equal_those_of_a_naive_twin(deltas: list[tuple[int, int, int | None]]) -> None:
    builder, trades = BarBuilder(), trades_of(deltas)
    assert [bar for trade in trades if (bar := builder.add(trade))] == naive(trades)


def test_a_bar_starts_at_its_minute_and_an_event_on_the_next_minute_closes_it() -> None:
    builder = BarBuilder()
    assert builder.add(Trade(1, "ESM18", START_NS + MINUTE - 1, 5, 10, 2)) is None
    bar = builder.add(Trade(2, "ESM18", START_NS + MINUTE, 6, 11, None))
    assert bar == Bar("ESM18", START_NS, MINUTE, 6, 10, 10, 10, 10, 2, 1)
