"""The ingestor with quotes and depth: both clocks, marks, one numbering, age, rebuilding."""

from __future__ import annotations

import pytest

from proto_schemas.market_data import (
    Bar,
    Depth,
    FeedDepth,
    FeedQuote,
    Level,
    Mark,
    Quote,
    Trade,
)
from shared.kernel.clock import MINUTE, MS
from shared.kernel.outputs import Output, Publish
from shared.kernel.state import state_hash
from tests.support import bodies
from tests.unit.market_data.ingestor_desk import BOOT_NS, START_NS, Desk, desk, published


def quote(
    made: Desk, feed_seq: int, bid: int | None, ask: int | None, after_ns: int = 0
) -> list[Output]:
    sides = [None if price is None else Level(price, 9) for price in (bid, ask)]
    return made.take(FeedQuote(feed_seq, "ESM18", START_NS + after_ns, *sides))


def marks(outputs: list[Output]) -> list[int]:
    return [mark.price_ticks for mark in published(outputs, Mark)]


def test_quote_and_depth_leave_with_both_clocks_and_make_the_feed_live() -> None:
    made = desk()
    level = Level(99, 9)
    assert bodies(quote(made, 1, 99, None, 5), Publish)[0] == Quote(
        1, "ESM18", START_NS + 5, BOOT_NS, level, None
    )
    assert made.core.state_word() == "TRADING"
    assert bodies(made.take(FeedDepth(2, "ESM18", START_NS + 6, (level,), ())), Publish) == [
        Depth(2, "ESM18", START_NS + 6, BOOT_NS, (level,), ())
    ]


@pytest.mark.parametrize(
    ("bid", "ask", "mark"),
    [(99, 101, 100), (102, 103, 102), (96, 97, 97), (102, None, 102), (None, 98, 98)],
)
def test_the_mark_is_the_last_trade_inside_the_quote(
    bid: int | None, ask: int | None, mark: int
) -> None:
    made = desk()
    made.row(1, 0, 100)
    assert marks(quote(made, 2, bid, ask, 50 * MS)) == [mark]
    assert marks(made.row(3, 100 * MS, 100)) == [mark]


@pytest.mark.parametrize(("bid", "ask"), [(105, 105), (106, 105)])
def test_a_locked_or_crossed_quote_passes_is_counted_and_moves_no_mark(bid: int, ask: int) -> None:
    made = desk()
    made.row(1, 0, 100)
    quote(made, 2, 102, 103, 50 * MS)
    outputs = quote(made, 3, bid, ask, 200 * MS)
    assert len(published(outputs, Quote)) == 1
    assert marks(outputs) == []
    assert marks(made.take("second") + made.take("second")) == []
    assert made.core._state.crossed_quotes == 1
    assert marks(made.row(4, 300 * MS, 110)) == [110], "trades alone move it now"


def test_a_quote_before_any_trade_makes_no_mark_and_quotes_close_no_bar() -> None:
    made = desk()
    assert marks(quote(made, 1, 99, 100)) == []
    made.row(2)
    assert published(quote(made, 3, 99, 100, 2 * MINUTE), Bar) == []
    assert len(published(made.row(4, 2 * MINUTE), Bar)) == 1


def test_all_kinds_share_one_numbering_and_current_is_in_feed_order() -> None:
    made = desk()
    made.take(FeedDepth(1, "ESM18", START_NS, (), ()))
    quote(made, 2, 99, 101)
    made.row(3)
    assert quote(made, 3, 1, 2) == [], "a repeat, whatever its kind"
    assert quote(made, 5, 1, 2) != [], "a gap is answered"
    quote(made, 4, 98, 101)
    kinds = [type(message) for message in made.core.current("market.ESM18")]
    assert kinds == [Depth, Trade, Quote]
    again = Desk()
    for event, moment in made.inputs:
        again.core.handle(event, moment)
    assert state_hash(again.core.state()) == state_hash(made.core.state())
