"""What `bench figures` tells, from a run whose times are known: lockstep, where a hop is 100 us."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from services.cli.runs import NewRun, create_run
from services.lab import bench, bench_figures
from services.lab.chain_times import ChainTimes, read_times
from services.lab.lockstep import LINK_NS, run_lockstep
from services.strategy_engine.api import Side
from services.strategy_engine.strategies.every_tick import OPEN_MAX, EveryTick
from shared.kernel.outputs import Request
from shared.runtime.run_folder import RunFolder
from tests.support import bodies
from tests.unit.strategy_engine.rig import Rig

RATE_PER_S, SECONDS = 50, 4
HOP = {"p50_us": LINK_NS / 1_000, "p99_us": LINK_NS / 1_000}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """An order for every tick, in step."""
    folder = tmp_path_factory.mktemp("figures")
    data = bench.write_ticks(folder / "ticks.csv", RATE_PER_S, SECONDS)
    venue: dict[str, str | int | bool] = {"data_path": str(data), "speed_milli": 0}
    new = NewRun("bench", bench.INSTRUMENT, bench.STRATEGY, {"venue": venue}, in_lockstep=True)
    made = create_run(new, folder)
    run_lockstep(made, lambda _report: None)
    return made


def test_each_hop_takes_what_a_link_takes(run: RunFolder) -> None:
    times = read_times(run)
    assert len(times.ways_ns()) > RATE_PER_S, "most ticks led to an order, once trading was allowed"
    found = bench_figures.latency_us(times)
    assert found["hops"] == {
        "venue to market_data": HOP,
        "market_data to strategy_engine": HOP,
        "strategy_engine to risk_engine": HOP,
        "risk_engine to order_router": HOP,
        "order_router to venue": HOP,
    }
    assert found["ingestor_to_venue"] == {name: 4 * us for name, us in HOP.items()}


def test_saturation_counts_orders_in_the_middle_of_the_run() -> None:
    second = 10**9
    times = ChainTimes(orders_ns={"venue": {str(n): n * second // 20 for n in range(100)}})
    assert bench_figures.saturation_per_s(times) == 20.0
    assert bench_figures.saturation_per_s(ChainTimes()) == 0.0


def test_the_bench_strategy_lets_so_many_orders_be_open_and_waits() -> None:
    rig = Rig(EveryTick()).ready()
    sides = [intent.side for _ in range(60) for intent in bodies(rig.trade(), Request)]
    assert sides == [Side.BUY, Side.SELL] * (OPEN_MAX // 2)


def test_the_cores_time_is_shared_among_the_orders(run: RunFolder) -> None:
    one, ten = (bench_figures.core_us_per_order(run, orders) for orders in (1, 10))
    assert set(one) == {"risk_engine", "order_router", "order_state", "all"}
    assert 0 < ten["all"] < one["all"]
    assert one["all"] == pytest.approx(sum(one[name] for name in bench_figures.CORES), abs=0.2)


def test_memory_is_that_of_the_fullest_look(monkeypatch: pytest.MonkeyPatch) -> None:
    assert bench_figures.pss_bytes(os.getpid()) > 1_000_000
    assert bench_figures.pss_bytes(2**22 + 1) == 0
    sizes = {1: 3 * 1_024**2, 2: 1_024**2, 3: 2 * 1_024**2}
    monkeypatch.setattr(bench_figures, "pss_bytes", lambda pid: sizes[pid])
    meter = bench_figures.MemoryMeter()
    meter.look({"venue": 1, "monitor": 2, "dead": 0})
    meter.look({"venue": 3})
    assert meter.mib() == {"monitor": 1.0, "venue": 3.0, "all": 4.0}


def test_a_run_without_orders_has_no_times(tmp_path: Path) -> None:
    assert bench_figures.latency_us(ChainTimes())["ingestor_to_venue"] == {}
