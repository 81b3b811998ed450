"""What `bench feed` makes of journals and processor times."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from proto_schemas.enums import Side
from proto_schemas.market_data import FeedBurst, FeedTrade
from services.lab import bench_feed, chain_times
from services.lab.bench_feed import CpuMeter, Seen, cpu_us, limits
from shared.kernel.clock import MS
from tests.unit.monitor.story import FILLED, Story


def test_the_rate_leaves_the_warm_up_out_and_counts_each_row_once() -> None:
    seen = Seen()
    for feed_seq in range(1, 101):
        slow_start = 50 * MS if feed_seq > 1 else 0
        seen.add(feed_seq, slow_start + feed_seq * MS)
    seen.add(7, 0)
    assert (seen.repeats, len(seen.at_ns)) == (1, 100)
    assert seen.rate_per_s(100) == pytest.approx(1_000)
    assert Seen().rate_per_s(100) == 0.0


def test_processor_time_counts_between_the_first_and_the_last_look_in_the_middle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    used = {1: 0, 2: 0, 3: 0, 9: 0}
    monkeypatch.setattr(bench_feed, "cpu_us", lambda pid: used[pid])
    pids = {"venue": 1, "market_data": 2, "strategy_engine": 3, "monitor": 9}
    meter = CpuMeter()
    for feed_seq in (0, 100, 200, 300, 400):
        meter.look(pids, feed_seq, 400)
        used = {1: used[1] + 5_000, 2: used[2] + 8_000, 3: used[3] + 2_000, 9: used[9] + 1}
    assert meter.us_per_event() == {"venue": 50, "market_data": 80, "strategy_engine": 20}
    assert CpuMeter().us_per_event() == {}


def test_a_process_that_has_ended_has_no_time_and_we_have_some() -> None:
    sum(number * number for number in range(2_000_000))
    assert cpu_us(os.getpid()) > 0
    assert cpu_us(2**22 + 1) == 0


def test_the_dearer_end_of_the_link_bounds_it_and_the_venue_only_the_box(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    found = limits({"venue": 100.0, "market_data": 80.0, "strategy_engine": 20.0})
    assert found["link_bound_per_s"] == 12_500 and found["box_bound_per_s"] == 10_000
    assert "market_data needs 80 us" in str(found["limited_by"])
    assert "too short" in str(limits({})["limited_by"])


def test_journals_with_bursts_are_read_row_by_row(tmp_path: Path) -> None:
    story = Story(tmp_path)
    assert not bench_feed.follows_market(story.run)
    story.tick(1)
    story.burst(2, 5)
    story.burst(5, 6)
    seen = bench_feed.seen_by_strategy(story.write())
    assert (list(seen.at_ns), seen.repeats) == ([1, 2, 3, 4, 5, 6], 1)


def test_the_chain_is_timed_from_the_moment_at_which_the_venue_had_the_burst(
    tmp_path: Path,
) -> None:
    story = Story(tmp_path)
    rows = tuple(FeedTrade(n, "ESM30", 1, 100, 1) for n in (2, 3))
    story.tell("venue", FeedBurst(rows, (), ()), "venue")
    began_ns = story.boot_ns
    story.intent(FILLED, "ema_cross-1-1", story.burst(2, 3))
    story.approval(FILLED, "ema_cross-1-1")
    story.sent(FILLED, "order_router", Side.BUY, "ema_cross-1-1")
    times = chain_times.read_times(story.write())
    [way] = times.ways_ns()
    assert way[-1] - way[0] == times.orders_ns["venue"][FILLED] - began_ns
