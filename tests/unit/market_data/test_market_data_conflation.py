"""The ingestor beside a strategy that cannot keep up: what is held, what never is, the credit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proto_schemas.market_data import (
    Bar,
    Depth,
    FeedDepth,
    FeedQuote,
    FeedTrade,
    Level,
    Mark,
    Quote,
    Trade,
)
from shared.kernel.clock import MINUTE
from shared.kernel.outputs import Log, Output, Publish
from shared.kernel.state import state_hash
from tests.support import bodies
from tests.unit.market_data.ingestor_desk import START_NS, Desk, credits_in, desk

CREDIT = 16
HOLD = CREDIT // 2


def made(credit_events: int = CREDIT) -> Desk:
    return desk(credit_events, "conflate")


def quote(found: Desk, feed_seq: int) -> list[Output]:
    bid, ask = Level(99, feed_seq), Level(101, 9)
    return found.take(FeedQuote(feed_seq, "ESM18", START_NS + feed_seq, bid, ask))


def depth(found: Desk, feed_seq: int) -> list[Output]:
    return found.take(FeedDepth(feed_seq, "ESM18", START_NS + feed_seq, (Level(99, 9),), ()))


def out(outputs: list[Output]) -> list[tuple[type, int]]:
    """Kind and row of every market event that went out."""
    kinds = (Trade, Quote, Depth)
    return [(type(x), x.feed_seq) for x in bodies(outputs, Publish) if isinstance(x, kinds)]


def logs(outputs: list[Output]) -> list[str]:
    return [output.event for output in outputs if isinstance(output, Log)]


def filled() -> Desk:
    """So much is out that quotes are held from now on."""
    found = made()
    for feed_seq in range(1, HOLD + 1):
        assert out(quote(found, feed_seq)) == [(Quote, feed_seq)]
    return found


def test_a_reader_that_keeps_up_gets_every_row() -> None:
    found = made()
    for feed_seq in range(1, 200):
        kind = (Quote, Trade)[feed_seq % 2]
        outputs = found.row(feed_seq) if kind is Trade else quote(found, feed_seq)
        assert out(outputs) == [(kind, feed_seq)]
        found.progress(feed_seq)
    assert found.core._state.backlog.conflated == 0


def test_behind_quotes_and_depth_are_held_and_the_newest_of_each_follows() -> None:
    found = filled()
    first = quote(found, 9)
    assert out(first) == [] and logs(first) == ["reader_behind"]
    assert [out(x) for x in (quote(found, 10), depth(found, 11), quote(found, 12))] == [[], [], []]
    caught_up = found.progress(HOLD)
    assert out(caught_up) == [(Depth, 11), (Quote, 12)]
    assert logs(caught_up) == ["reader_caught_up"]
    assert found.core._state.backlog.conflated == 2


def test_trades_are_never_held_and_their_marks_and_bars_neither() -> None:
    found = filled()
    for feed_seq in range(HOLD + 1, CREDIT + 1):
        outputs = found.row(feed_seq, feed_seq * 10**9)
        assert (Trade, feed_seq) in out(outputs)
        assert any(isinstance(body, Mark) for body in bodies(outputs, Publish))


def test_a_bar_leaves_with_the_trade_behind_it_also_when_quotes_are_held() -> None:
    found = filled()
    for minute, feed_seq in enumerate(range(HOLD + 1, CREDIT, 2)):
        assert out(quote(found, feed_seq)) == []
        outputs = found.row(feed_seq + 1, minute * MINUTE)
        assert out(outputs)[-1] == (Trade, feed_seq + 1)
        bars = [body for body in bodies(outputs, Publish) if isinstance(body, Bar)]
        assert len(bars) == (minute > 0), "the first trade only begins one"


def test_a_rush_of_trades_lets_a_quote_through_now_and_then() -> None:
    found, seen = filled(), []
    quote(found, HOLD + 1)
    for feed_seq in range(HOLD + 2, 6 * HOLD):
        found.progress(feed_seq - HOLD - 2)
        seen += [row for kind, row in out(found.row(feed_seq)) if kind is Quote]
    assert seen == [HOLD + 1], "the one that was held, though the reader never caught up"


def test_rows_that_were_held_leave_room_and_the_feed_goes_on() -> None:
    found = filled()
    told = [credit for x in range(9, 300) for credit in credits_in(quote(found, x))]
    assert max(told) == 299 + HOLD - 3, "a step of the credit is a quarter of the window"
    assert len(found.core._state.backlog.unhandled) == HOLD


def test_for_trades_the_feed_waits() -> None:
    found = made()
    told = [credit for x in range(1, CREDIT + 1) for credit in credits_in(found.row(x))]
    assert all(credit == CREDIT for credit in told)
    assert credits_in(found.progress(4)) == [CREDIT + 4]


def test_caught_up_is_said_once_and_not_at_each_row_of_a_reader_just_too_slow() -> None:
    found = filled()
    said = []
    for feed_seq in range(HOLD + 1, 200):
        said += logs(quote(found, feed_seq)) + logs(found.progress(feed_seq - HOLD))
    assert said.count("reader_behind") <= 200 // HOLD + 1
    assert abs(said.count("reader_behind") - said.count("reader_caught_up")) <= 1


@given(st.lists(st.tuples(st.sampled_from("tqdp"), st.integers(0, 40)), max_size=300))
def test_whatever_comes_trades_all_leave_the_last_book_too_and_all_is_bounded(
    steps: list[tuple[str, int]],
) -> None:
    found, rows, gone, last_quote = made(), 0, [], 0
    for what, back in steps:
        if what == "p":
            gone += out(found.progress(max(0, rows - back)))
        elif rows < found.core._state.credit_feed_seq:
            rows += 1
            step = {"t": found.row, "q": lambda n: quote(found, n), "d": lambda n: depth(found, n)}
            gone += out(step[what](rows))
            last_quote = rows if what == "q" else last_quote
        assert len(found.core._state.backlog.unhandled) <= CREDIT + 2
    gone += out(found.progress(rows))
    trades = [seq for kind, seq in gone if kind is Trade]
    assert trades == sorted(trades) and len(trades) == len(set(trades))
    assert len(trades) == sum(isinstance(each.body, FeedTrade) for each, _ in found.inputs)
    quotes = [seq for kind, seq in gone if kind is Quote]
    assert quotes == sorted(quotes) and (not last_quote or quotes[-1] == last_quote)


def test_stepping_the_journal_again_comes_to_the_same() -> None:
    found = filled()
    for feed_seq in range(HOLD + 1, 40):
        quote(found, feed_seq)
        found.progress(feed_seq - HOLD)
    again = Desk(CREDIT, "conflate")
    for taken, moment in found.inputs:
        again.core.handle(taken, moment)
    assert state_hash(again.core.state()) == state_hash(found.core.state())
