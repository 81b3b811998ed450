"""`bulkhead bench chain`: tick to order through the real processes, beside their floors.

One round measures three things one after another, so that a machine whose speed drifts hurts all
three alike: F, five hops over bare Unix sockets; Z, five hops over bare ZeroMQ sockets; and the
real chain, venue -> market data -> strategy -> risk -> router -> venue, one intent for each tick,
every hop validated and journaled, the router's with group commit. Published are medians over the
rounds, and the ratios of each round. Times of the real chain come from the venue's journal: when
it handled the tick and when it handled the order that the tick led to.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from services.lab.chain_times import WARM_UP_PERCENT, after_warm_up, percentile, read_times
from services.lab.floors import FloorResult, measure_floor
from shared.kernel.errors import OurFault
from shared.runtime.run_folder import RunFolder

INSTRUMENT = "ESM30"
STRATEGY = "every_tick"
FIRST_TICK = datetime(2030, 3, 5, 15, 0, tzinfo=UTC)

Play = Callable[[Path, str, str], RunFolder]
"""Runs (data file, instrument, strategy) to its end in stage bench; returns the run."""


@dataclass(slots=True)
class Round:
    """One round's three measurements, in microseconds."""

    unix: FloorResult
    zmq: FloorResult
    latencies_us: list[float]

    @property
    def p50_us(self) -> float:
        """Median of the real chain."""
        return percentile(self.latencies_us, 50)

    @property
    def p99_us(self) -> float:
        """99th percentile of the real chain."""
        return percentile(self.latencies_us, 99)


def bench_chain(
    rounds: int, seconds: int, rate_per_s: int, play: Play, progress: Callable[[str], None]
) -> dict[str, object]:
    """Measure and return plain values; `OurFault` if the chain lost a tick."""
    load_before = os.getloadavg()[0]
    results = []
    with tempfile.TemporaryDirectory(prefix="bulkhead-bench-") as name:
        folder = Path(name)
        data = write_ticks(folder / "ESM30_ticks.csv", rate_per_s, seconds)
        for number in range(1, rounds + 1):
            done = one_round(folder, data, rate_per_s, seconds, play)
            results.append(done)
            progress(
                f"round {number} of {rounds}: {done.p50_us:.0f} us, Z {done.zmq.p50_us:.0f} us"
            )
    return report(results, rate_per_s, seconds, load_before)


def one_round(folder: Path, data: Path, rate_per_s: int, seconds: int, play: Play) -> Round:
    """F, Z and the real chain, one after the other."""
    unix = measure_floor("unix", folder, rate_per_s, seconds)
    zmq = measure_floor("zmq", folder, rate_per_s, seconds)
    run = play(data, INSTRUMENT, STRATEGY)
    kept = after_warm_up([(way[-1] - way[0]) / 1_000 for way in read_times(run).ways_ns()])
    wanted = rate_per_s * seconds * (100 - WARM_UP_PERCENT) // 100
    if len(kept) < wanted * 0.9:
        raise OurFault(
            "BENCH_ORDERS", field="orders", value=len(kept), fix=f"Expected about {wanted}."
        )
    return Round(unix, zmq, kept)


def report(
    rounds: list[Round], rate_per_s: int, seconds: int, load_before: float
) -> dict[str, object]:
    """Medians over the rounds; ratios are made within a round first."""
    return {
        "p50_us": _median(r.p50_us for r in rounds),
        "p99_us": _median(r.p99_us for r in rounds),
        "floor_p50_us": _median(r.unix.p50_us for r in rounds),
        "zmq_floor_p50_us": _median(r.zmq.p50_us for r in rounds),
        "zmq_floor_p99_us": _median(r.zmq.p99_us for r in rounds),
        "ratio_f": _median((r.p50_us / r.unix.p50_us for r in rounds), 2),
        "ratio_z": _median((r.p50_us / r.zmq.p50_us for r in rounds), 2),
        "ratio_z_p99": _median((r.p99_us / r.zmq.p99_us for r in rounds), 2),
        "rate": rate_per_s,
        "seconds": seconds,
        "rounds": len(rounds),
        "orders": sum(len(r.latencies_us) for r in rounds),
        "loadavg": [round(load_before, 2), round(os.getloadavg()[0], 2)],
    }


def write_ticks(path: Path, rate_per_s: int, seconds: int) -> Path:
    """A made-up tick file at a steady rate: played at 1x it is the load."""
    step = timedelta(seconds=1) / rate_per_s
    with path.open("w") as file:
        file.write("ts_utc,price\n")
        for number in range(rate_per_s * seconds):
            at = FIRST_TICK + number * step
            price = 5_000 + 0.25 * (number % 8)
            file.write(f"{at:%Y-%m-%dT%H:%M:%S.%f}Z,{price:.2f}\n")
    return path


def _median(values: Iterable[float], digits: int = 1) -> float:
    return round(median(values), digits)
