"""The ingestor's core: each row once, gaps, bars and marks, age, credit, rebuilding."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from proto_schemas.control import PeerStatus
from proto_schemas.enums import FeedState, Mode
from proto_schemas.market_data import (
    Bar,
    FeedCredit,
    FeedOpen,
    FeedStatus,
    FeedTrade,
    Mark,
    Trade,
)
from services.market_data.config import MarketDataConfig, load
from services.market_data.core import (
    SECOND_TIMER,
    STALE_TIMER,
    TRICKLE_EVERY_NS,
    TRICKLE_TIMER,
    MarketDataCore,
)
from shared.kernel.clock import MINUTE, MS, SECOND
from shared.kernel.errors import OperatorFault
from shared.kernel.outputs import Publish, SetTimer
from shared.kernel.state import state_hash
from shared.runtime.run_folder import RunFolder
from tests.support import bodies
from tests.unit.market_data.ingestor_desk import (
    BOOT_NS,
    START_NS,
    Desk,
    desk,
    published,
    sent,
    state_of,
    timers,
)


def test_a_start_opens_the_feed_without_credit_sets_its_timers_and_says_stale() -> None:
    made = Desk()
    outputs = made.start()
    assert sent(outputs) == [FeedOpen(0, 0)]
    assert timers(outputs) == {
        SECOND_TIMER: BOOT_NS + SECOND,
        STALE_TIMER: BOOT_NS + 5 * SECOND,
        TRICKLE_TIMER: BOOT_NS + TRICKLE_EVERY_NS,
    }
    assert state_of(outputs) == [FeedState.STALE]
    assert made.core.state_word() == "STARTING"
    permitted = made.control()
    assert sent(permitted) == [FeedOpen(0, 8)]
    assert made.core.state_word() == "STARTING", "permission is no row"


def test_a_row_becomes_a_trade_with_both_clocks_then_a_mark_then_live() -> None:
    made = desk()
    outputs = made.row(1, 5, 101)
    trade = Trade(1, "ESM18", START_NS + 5, BOOT_NS, 101, 1)
    mark = Mark("ESM18", START_NS + 5, BOOT_NS, 101)
    assert bodies(outputs, Publish)[:2] == [trade, mark]
    assert state_of(outputs) == [FeedState.LIVE]
    assert [type(o.correlation_id) for o in outputs if isinstance(o, Publish)] == [type(None)] * 3
    assert made.core.state_word() == "TRADING"


def test_identical_neighbours_are_two_trades_and_a_repeated_number_is_none() -> None:
    made = desk()
    assert len(published(made.row(1) + made.row(2), Trade)) == 2
    assert made.row(1) + made.row(2) == []


def test_a_gap_opens_the_feed_again_once_and_loses_nothing() -> None:
    made = desk()
    made.row(1)
    assert sent(made.row(3)) == [FeedOpen(1, 8)]
    assert made.row(4) == []
    again = [made.row(n) for n in (2, 3, 4)]
    assert [t.feed_seq for o in again for t in published(o, Trade)] == [2, 3, 4]
    assert published(made.take(SECOND_TIMER), FeedStatus)[0].gaps == 1
    assert sent(made.row(6)) == [FeedOpen(4, 8)]


def test_bars_follow_the_trade_that_closed_them() -> None:
    made = desk()
    made.row(1, 0, 100)
    outputs = made.row(2, 3 * MINUTE, 90)
    assert [type(b) for b in bodies(outputs, Publish)][:2] == [Trade, Bar]
    (bar,) = published(outputs, Bar)
    assert (bar.start_ns, bar.close_ticks, bar.receive_ns) == (START_NS, 100, BOOT_NS)


def test_marks_are_at_most_twenty_a_second_of_stream_time() -> None:
    made = desk(credit_events=4_096)
    times = [n * 7 * MS for n in range(1, 1_001)]
    marks = [m for n, t in enumerate(times, 1) for m in published(made.row(n, t), Mark)]
    assert marks[0].exchange_ns == START_NS + times[0]
    gaps = [b.exchange_ns - a.exchange_ns for a, b in itertools.pairwise(marks)]
    assert min(gaps) >= 50 * MS
    assert len(marks) > 100


def test_a_price_held_back_goes_out_when_the_market_falls_quiet() -> None:
    made = desk()
    made.row(1, 0, 100)
    assert published(made.row(2, 1, 105), Mark) == []
    assert published(made.take(SECOND_TIMER), Mark) == []
    assert [m.price_ticks for m in published(made.take(SECOND_TIMER), Mark)] == [105]
    assert published(made.take(SECOND_TIMER), Mark) == []


def test_the_end_publishes_the_last_mark_and_the_counts_but_no_bar() -> None:
    made = desk()
    made.row(1, 0, 100)
    made.row(2, 1, 105)
    outputs = made.end(3)
    assert published(outputs, Bar) == []
    assert [m.price_ticks for m in published(outputs, Mark)] == [105]
    (status,) = published(outputs, FeedStatus)
    assert status == FeedStatus("ESM18", FeedState.ENDED, 3, 7, 3, 2, 2, 0)
    assert made.core.state_word() == "READY"
    assert sent(made.take(SECOND_TIMER) + made.venue_up(2) + made.progress(2)) == []
    made.boot_ns += 60 * SECOND
    assert state_of(made.take(STALE_TIMER)) == []


def test_a_feed_without_rows_goes_stale_and_comes_back_with_the_next_row() -> None:
    made = desk()
    made.row(1)
    made.boot_ns += 5 * SECOND - 1
    assert state_of(made.take(STALE_TIMER)) == []
    made.boot_ns += 1
    outputs = made.take(STALE_TIMER)
    assert state_of(outputs) == [FeedState.STALE]
    assert any(isinstance(o, SetTimer) and o.name == STALE_TIMER for o in outputs)
    assert made.core.state_word() == "PAUSED"
    assert state_of(made.row(2)) == [FeedState.LIVE]


def test_a_feed_held_back_by_its_consumer_is_not_stale_until_it_may_run_again() -> None:
    made = desk(credit_events=2)
    made.row(1)
    made.row(2)
    made.boot_ns += 60 * SECOND
    assert state_of(made.take(STALE_TIMER)) == []
    assert sent(made.progress(2)) == [FeedCredit(4)]
    made.boot_ns += 5 * SECOND - 1
    assert state_of(made.take(STALE_TIMER)) == []
    made.boot_ns += 1
    assert state_of(made.take(STALE_TIMER)) == [FeedState.STALE]


def test_the_stale_timer_is_always_set_again() -> None:
    made = desk(credit_events=1)
    for _ in range(4):
        outputs = made.take(STALE_TIMER)
        (timer,) = [o for o in outputs if isinstance(o, SetTimer)]
        assert timer.at_ns > made.boot_ns
        made.boot_ns = timer.at_ns


def test_the_status_is_repeated_every_second() -> None:
    made = desk()
    made.row(1)
    outputs = made.take(SECOND_TIMER)
    assert state_of(outputs) == [FeedState.LIVE]
    assert SetTimer(SECOND_TIMER, BOOT_NS + SECOND) in outputs


def test_credit_follows_the_consumer_by_a_quarter_of_the_window_at_least() -> None:
    made = desk(credit_events=8)
    for feed_seq in range(1, 9):
        made.row(feed_seq)
    assert sent(made.progress(1)) == []
    assert sent(made.progress(2)) == [FeedCredit(10)]
    assert sent(made.progress(3) + made.progress(1)) == []
    assert sent(made.take(SECOND_TIMER)) == [FeedCredit(11)]


def test_progress_beyond_the_rows_that_came_gives_no_credit() -> None:
    made = desk(credit_events=8)
    made.row(1)
    made.progress(500)
    assert sent(made.take(SECOND_TIMER)) == [FeedCredit(9)]


def test_a_quiet_second_opens_the_feed_again_in_case_the_last_row_was_lost() -> None:
    made = desk()
    made.row(1)
    assert sent(made.take(SECOND_TIMER)) == [FeedCredit(8)]
    assert sent(made.take(SECOND_TIMER)) == [FeedOpen(1, 8)]


def test_a_venue_that_comes_up_or_restarts_is_asked_to_go_on() -> None:
    made = desk()
    made.row(1)
    assert sent(made.venue_up(2)) == [FeedOpen(1, 8)]
    assert sent(made.take(PeerStatus("venue", False, 2))) == []
    assert sent(made.take(PeerStatus("monitor", True, 2))) == []


def test_a_restart_says_stale_until_a_row_comes_in_the_new_life() -> None:
    made = desk()
    made.row(1)
    outputs = made.start(epoch=2)
    assert state_of(outputs) == [FeedState.STALE]
    assert sent(outputs) == [FeedOpen(1, 8)]
    assert made.core.state_word() == "STARTING"
    assert state_of(made.row(2)) == [FeedState.LIVE]


def test_a_restart_after_the_end_stays_at_the_end() -> None:
    made = desk()
    made.row(1)
    made.end(2)
    outputs = made.start(epoch=2)
    assert state_of(outputs) == [FeedState.ENDED]
    assert sent(outputs) == []


def test_a_row_of_another_instrument_is_counted_and_goes_nowhere() -> None:
    made = desk()
    outputs = made.take(FeedTrade(1, "NQM18", START_NS, 100, 1))
    assert bodies(outputs, Publish) == []
    assert len(published(made.row(2), Trade)) == 1


def test_whoever_lost_the_thread_gets_the_last_bar_and_the_last_trade() -> None:
    made = desk()
    assert made.core.current("market.ESM18") == []
    made.row(1)
    last = published(made.row(2, MINUTE), Trade) + published(made.row(3, MINUTE), Trade)
    bar, trade = made.core.current("market.ESM18")
    assert isinstance(bar, Bar)
    assert trade == last[-1]


def test_the_same_inputs_give_the_same_outputs_and_state() -> None:
    made = desk()
    for feed_seq, after_ns in ((1, 0), (2, 5), (4, 9), (3, 7), (4, MINUTE), (5, 2 * MINUTE)):
        made.row(feed_seq, after_ns, 100 + feed_seq)
    made.progress(4)
    made.take(SECOND_TIMER)
    made.control(Mode.HALT)
    made.take(TRICKLE_TIMER)
    made.control(Mode.REDUCE_ONLY)
    made.end(6)
    fresh, again = (MarketDataCore(made.core.config) for _ in range(2))
    first = [fresh.handle(each, moment) for each, moment in made.inputs]
    assert [again.handle(each, moment) for each, moment in made.inputs] == first
    hashes = {state_hash(core.state()) for core in (fresh, again, made.core)}
    assert len(hashes) == 1


def run_folder(folder: Path, table: str) -> RunFolder:
    (folder / "config.toml").write_text(
        '[run]\nstage="demo"\nrun_id="r1"\ninstall_id="9f3ac21b77d0"\ninstrument="ESM18"\n'
        f'strategy="s"\nsock_dir="/tmp/s"\n{table}\n'
    )
    return RunFolder.open(folder)


def test_the_config_has_defaults_and_bounds(tmp_path: Path) -> None:
    assert load(run_folder(tmp_path, "")) == MarketDataConfig("ESM18", 5 * SECOND, 256)
    for bad in ("credit_events=0", "credit_events=4097", "stale_after_ns=1", "stale_s=5"):
        with pytest.raises(OperatorFault, match="market_data"):
            load(run_folder(tmp_path, f"[market_data]\n{bad}"))
