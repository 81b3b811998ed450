"""The pump: credit, pace, resume, bad rows, the end mark, damaged files, configuration."""

from __future__ import annotations

import gzip
from collections import deque
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

import pytest

from proto_schemas.base import Message
from proto_schemas.market_data import (
    BURST_ROWS_MAX,
    FeedDepth,
    FeedEnd,
    FeedQuote,
    FeedTrade,
    Level,
)
from services.venue import feed_pump
from services.venue.config import load
from services.venue.feed_pump import LATE_MAX_NS, FeedPump
from services.venue.served_feed import ROWS_KEPT_MAX, FeedItem
from shared.bus.codec import decode, encode
from shared.feeds import (
    BadRow,
    BookLevel,
    DepthRow,
    Feed,
    FeedCounts,
    FeedRow,
    QuoteRow,
    Synthetic,
    SyntheticFeed,
    TradeRow,
    open_feed,
)
from shared.kernel.clock import MS, SECOND, Now
from shared.kernel.errors import OperatorFault
from shared.markets import parse_contract
from shared.runtime.bursts import market_rows
from shared.runtime.run_folder import RunFolder
from tests.support import event

ES = parse_contract("ESM18")
REAL_TIME = 1_000
BOOT = 77 * SECOND


@dataclass
class Window:
    fed_seq: int = 0
    credit_feed_seq: int = 100
    ended: bool = False
    kept: deque[FeedItem] = field(default_factory=lambda: deque(maxlen=ROWS_KEPT_MAX))


class Bench:
    """A pump with its window and a boot clock that the test moves."""

    def __init__(self, path: Path, speed_milli: int = 0, window: Window | None = None) -> None:
        self.window = window or Window()
        self.bad: list[BadRow] = []
        rows = partial(open_feed, path, ES)
        self.pump = FeedPump(
            lambda bad: rows(on_bad_row=bad), ES, self.window, speed_milli, self.bad.append, 1
        )
        self.boot_ns = BOOT

    def ask(self) -> Message | None:
        found = self.pump.next_input(self.now())
        if found is None:
            return None
        self.window.fed_seq += 1
        self.window.ended = isinstance(found[0], FeedEnd)
        return found[0]

    def now(self) -> Now:
        return Now(0, self.boot_ns)

    def drain(self) -> list[Message]:
        got = []
        while (message := self.ask()) is not None:
            got.append(message)
        return got

    def due_in(self) -> int | None:
        due = self.pump.next_due_ns(self.now())
        return None if due is None else due - self.boot_ns


def data(folder: Path, *rows: str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_text("\n".join(["ts_utc,price", *rows]) + "\n")
    return path


def at(second: int, price: str = "100") -> str:
    return f"2018-05-07T13:30:{second:02d}Z,{price}"


def three(folder: Path) -> Path:
    return data(folder, at(0, "1"), "bad,row", at(1, "2"), at(11, "3"))


def seqs(messages: list[Message]) -> list[int]:
    return [message.feed_seq for message in messages if isinstance(message, FeedTrade | FeedEnd)]


def test_rows_and_the_end_mark_come_numbered_with_what_was_counted(tmp_path: Path) -> None:
    bench = Bench(three(tmp_path))
    got = bench.drain()
    assert seqs(got) == [1, 2, 3, 4]
    assert got[-1] == FeedEnd(4, "ESM18", 4, 0, 1)
    assert [row.text for row in bench.bad] == ["bad,row"]
    assert bench.ask() is None
    assert bench.due_in() is None


def test_nothing_goes_beyond_the_credit_not_even_the_end_mark(tmp_path: Path) -> None:
    bench = Bench(three(tmp_path), window=Window(credit_feed_seq=0))
    for credit in range(6):
        bench.window.credit_feed_seq = credit
        bench.drain()
        assert bench.window.fed_seq == min(credit, 4)
        assert bench.due_in() is None


@pytest.mark.parametrize("fed", range(5))
def test_a_restart_goes_on_where_the_core_stands(tmp_path: Path, fed: int) -> None:
    whole = Bench(three(tmp_path)).drain()
    bench = Bench(three(tmp_path), window=Window(fed_seq=fed, ended=fed == 4))
    assert bench.drain() == whole[fed:]
    assert len(bench.bad) == (1 if fed <= 1 else 0)


def test_a_long_resume_is_read_past_in_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_pump, "SKIP_BATCH_ROWS", 1)
    bench = Bench(three(tmp_path), REAL_TIME, Window(fed_seq=2))
    assert bench.ask() is None
    assert bench.due_in() == 0
    assert bench.ask() is not None


def test_other_files_than_before_are_refused_on_resume(tmp_path: Path) -> None:
    with pytest.raises(OperatorFault, match="FEED_SHORTER"):
        Bench(three(tmp_path), window=Window(fed_seq=9)).ask()


def test_at_real_time_rows_come_as_far_apart_as_in_the_market(tmp_path: Path) -> None:
    bench = Bench(three(tmp_path), REAL_TIME)
    assert seqs(bench.drain()) == [1]
    assert bench.due_in() == SECOND
    bench.boot_ns += SECOND - 1
    assert bench.drain() == []
    bench.boot_ns += 1
    assert seqs(bench.drain()) == [2]
    assert bench.due_in() == 10 * SECOND


def test_a_hundred_times_faster_is_a_hundredth_of_the_wait(tmp_path: Path) -> None:
    bench = Bench(three(tmp_path), 100 * REAL_TIME)
    bench.drain()
    assert bench.due_in() == 10 * MS


def test_time_lost_without_credit_is_not_caught_up_in_a_burst(tmp_path: Path) -> None:
    bench = Bench(data(tmp_path, *[at(s) for s in range(10)]), REAL_TIME, Window(0, 1))
    assert seqs(bench.drain()) == [1]
    bench.boot_ns += 6 * SECOND
    bench.window.credit_feed_seq = 100
    assert seqs(bench.drain()) == [2]
    assert bench.due_in() == SECOND


def test_a_small_delay_does_not_shift_the_pace(tmp_path: Path) -> None:
    bench = Bench(data(tmp_path, *[at(s) for s in range(10)]), REAL_TIME)
    bench.drain()
    bench.boot_ns += SECOND + LATE_MAX_NS
    assert seqs(bench.drain()) == [2]
    assert bench.due_in() == SECOND - LATE_MAX_NS


def test_a_file_damaged_in_the_middle_ends_with_its_name(tmp_path: Path) -> None:
    text = "ts_utc,price\n" + "\n".join(at(s % 1, str(s)) for s in range(20_000)) + "\n"
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(text.encode())[:-20])
    bench = Bench(path, window=Window(credit_feed_seq=10**6))
    with pytest.raises(OperatorFault, match=r"t\.csv\.gz"):
        bench.drain()
    assert bench.window.fed_seq > 0


def test_a_missing_file_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(OperatorFault, match="FEED_PATH_MISSING"):
        Bench(tmp_path / "none.csv")


def test_a_row_that_no_journal_could_read_again_is_refused(tmp_path: Path) -> None:
    bench = Bench(data(tmp_path, "2199-01-01T00:00:00Z,1"))
    with pytest.raises(OperatorFault, match="FEED_ROW_OUT_OF_BOUNDS"):
        bench.ask()
    edge = FeedTrade(1, "ESM18", feed_pump.EXCHANGE_NS_MAX, 1, feed_pump.QUANTITY_LOTS_MAX)
    sent = event(edge)
    assert decode(encode(sent.envelope, edge)).body == edge


def run_folder(folder: Path, venue: str) -> RunFolder:
    (folder / "config.toml").write_text(
        '[run]\nstage="demo"\nrun_id="r1"\ninstall_id="9f3ac21b77d0"\ninstrument="ESM18"\n'
        f'strategy="s"\nsock_dir="/tmp/s"\n[venue]\n{venue}\n'
    )
    return RunFolder.open(folder)


def test_the_config_has_defaults_and_names_what_is_wrong(tmp_path: Path) -> None:
    config = load(run_folder(tmp_path, 'data_path="d.csv"'))
    assert (config.speed_milli, config.instrument) == (1_000, "ESM18")
    assert config.record_path == tmp_path / "venue" / "received.log"
    with pytest.raises(OperatorFault, match=r"venue\.data_path"):
        load(run_folder(tmp_path, ""))
    with pytest.raises(OperatorFault, match=r"venue\.speed_milli"):
        load(run_folder(tmp_path, 'data_path="d.csv"\nspeed_milli=10000001'))


class ThreeKinds:
    """Stands where a `Feed` stands: one row of each kind, and what a resume needs."""

    def __init__(self, lots: int = 5) -> None:
        level = BookLevel(100, lots)
        self._rows: list[FeedRow] = [
            TradeRow(1, 10, 100, 2),
            QuoteRow(2, 20, level, None),
            DepthRow(3, 30, (level, BookLevel(99, 0)), ()),
        ]
        self.counts = FeedCounts(3, 3)

    def __next__(self) -> FeedRow:
        if not self._rows:
            raise StopIteration
        return self._rows.pop(0)

    def skip(self, rows: int) -> None:
        del self._rows[:rows]


def three_kinds(window: Window, lots: int = 5) -> FeedPump:
    feed = cast(Feed, ThreeKinds(lots))
    return FeedPump(lambda _: feed, ES, window, 0, [].append, 1)


@pytest.mark.parametrize("fed", range(4))
def test_every_kind_of_row_has_its_message_and_one_numbering(fed: int) -> None:
    window = Window(fed_seq=fed)
    pump, got = three_kinds(window), []
    while (found := pump.next_input(Now(0, BOOT))) is not None and window.fed_seq < 3:
        window.fed_seq += 1
        got.append(found[0])
    level = Level(100, 5)
    want = [
        FeedTrade(1, "ESM18", 10, 100, 2),
        FeedQuote(2, "ESM18", 20, level, None),
        FeedDepth(3, "ESM18", 30, (level, Level(99, 0)), ()),
    ]
    assert got == want[fed:]


@pytest.mark.parametrize("fed", [1, 2])
def test_a_level_too_large_for_the_contract_is_refused(fed: int) -> None:
    pump = three_kinds(Window(fed_seq=fed), feed_pump.QUANTITY_LOTS_MAX + 1)
    with pytest.raises(OperatorFault, match="FEED_ROW_OUT_OF_BOUNDS"):
        pump.next_input(Now(0, BOOT))


def made_up(window: Window) -> FeedPump:
    market = Synthetic(3, 1_898_865_000 * SECOND)
    return FeedPump(lambda _: SyntheticFeed(ES, market), ES, window, 0, [].append, 1)


def feed_rows(pump: FeedPump, window: Window, count: int) -> list[FeedItem]:
    got = []
    for _ in range(count):
        found = pump.next_input(Now(0, BOOT))
        assert found is not None and isinstance(found[0], FeedTrade | FeedQuote | FeedDepth)
        window.fed_seq += 1
        window.kept.append(found[0])
        got.append(found[0])
    return got


@pytest.mark.parametrize("fed", [0, 1, 2, 3, 50, 5_000])
def test_a_made_up_feed_is_taken_up_behind_the_rows_that_the_core_keeps(fed: int) -> None:
    whole_window = Window(credit_feed_seq=10**6)
    whole = feed_rows(made_up(whole_window), whole_window, fed + 60)
    window = Window(fed, 10**6, False, deque(whole[:fed], maxlen=ROWS_KEPT_MAX))
    assert feed_rows(made_up(window), window, 60) == whole[fed:]
    assert {type(row) for row in whole} == {FeedTrade, FeedQuote, FeedDepth} or fed < 50


def test_a_made_up_feed_is_taken_up_once_not_at_every_row(monkeypatch: pytest.MonkeyPatch) -> None:
    resumed: list[int] = []
    monkeypatch.setattr(SyntheticFeed, "resume_after", lambda self, rows: resumed.append(1))
    window = Window(1, 100, False, deque([FeedTrade(1, "ESM30", 1, 1, 1)]))
    feed = made_up(window)
    for _ in range(5):
        window.fed_seq = 1
        feed.next_due_ns(Now(0, BOOT))
        assert not feed._resuming()
    assert resumed == [1]


def burst_bench(tmp_path: Path, rows: int, burst_rows: int = 8, speed_milli: int = 0) -> Bench:
    """A pump that hands over bursts of so many, on rows that are a second apart."""
    lines = [f"2018-05-07T13:{30 + s // 60}:{s % 60:02d}Z,{s + 1}" for s in range(rows)]
    window = Window(credit_feed_seq=1_000)
    bench = Bench(data(tmp_path, *lines), speed_milli, window)
    bench.pump._burst_rows = burst_rows
    return bench


def asked(bench: Bench) -> list[list[int]]:
    """What each question brings until there is nothing more, by number; the end mark is last."""
    got = []
    while (found := bench.pump.next_input(bench.now())) is not None:
        body, stream_ns = found
        rows = market_rows(body)
        bench.window.fed_seq += max(1, len(rows))
        bench.window.ended = isinstance(body, FeedEnd)
        got.append([row.feed_seq for row in rows] or [-1])
        if rows:
            assert stream_ns == rows[-1].exchange_ns
    return got


def flat(groups: list[list[int]]) -> list[int]:
    return [number for group in groups for number in group]


def test_rows_that_may_go_together_go_as_one_and_the_end_mark_comes_alone(tmp_path: Path) -> None:
    bench = burst_bench(tmp_path, rows=19)
    got = asked(bench)
    assert got == [[*range(1, 9)], [*range(9, 17)], [17, 18, 19], [-1]]


def test_a_single_row_is_a_plain_message(tmp_path: Path) -> None:
    bench = burst_bench(tmp_path, rows=1)
    assert isinstance(bench.ask(), FeedTrade)
    assert isinstance(bench.ask(), FeedEnd)


def test_a_burst_ends_where_the_credit_does(tmp_path: Path) -> None:
    bench = burst_bench(tmp_path, rows=10)
    bench.window.credit_feed_seq = 3
    assert asked(bench) == [[1, 2, 3]]
    bench.window.credit_feed_seq = 4
    assert asked(bench) == [[4]]


def test_a_burst_holds_only_what_is_due(tmp_path: Path) -> None:
    bench = burst_bench(tmp_path, rows=6, speed_milli=10 * REAL_TIME)
    assert asked(bench) == [[1]]
    bench.boot_ns += 200 * MS  # at ten times the market's pace: two more seconds of it
    assert asked(bench) == [[2, 3]]
    bench.boot_ns += 100 * MS
    assert asked(bench) == [[4]]


def test_bursts_and_single_rows_are_the_same_rows(tmp_path: Path) -> None:
    singly = burst_bench(tmp_path, rows=150, burst_rows=1)
    together = burst_bench(tmp_path, rows=150, burst_rows=BURST_ROWS_MAX)
    assert flat(asked(together)) == flat(asked(singly)) == [*range(1, 151), -1]
    assert max(map(len, asked(burst_bench(tmp_path, 150, BURST_ROWS_MAX)))) == BURST_ROWS_MAX


@pytest.mark.parametrize("fed", [0, 5, 8, 12])
def test_a_restart_between_bursts_goes_on_at_the_next_row(tmp_path: Path, fed: int) -> None:
    bench = burst_bench(tmp_path, rows=14)
    bench.window.fed_seq = fed
    assert flat(asked(bench)) == [*range(fed + 1, 15), -1]
