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
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from proto_schemas.base import Message
from proto_schemas.broker import NewOrder
from proto_schemas.signals import Intent
from services.lab.floors import FloorResult, measure_floor
from shared.journal import walk_journal
from shared.kernel.errors import OurFault
from shared.runtime.bursts import market_rows
from shared.runtime.record import peek_record, unpack_record
from shared.runtime.run_folder import RunFolder

INSTRUMENT = "ESM30"
STRATEGY = "every_tick"
FIRST_TICK = datetime(2030, 3, 5, 15, 0, tzinfo=UTC)
WARM_UP_PERCENT = 10
TIMED_KINDS = ("intent", "trade", "market_burst", "feed_trade", "feed_burst", "new_order")

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


@dataclass(slots=True)
class ChainTimes:
    """What the journals say: tick and order times at the venue, and how they belong together."""

    tick_ns: dict[int, int] = field(default_factory=dict)
    order_ns: dict[str, int] = field(default_factory=dict)
    cause_of: dict[str, str] = field(default_factory=dict)
    row_of: dict[str, int] = field(default_factory=dict)

    def latencies_us(self) -> Iterator[float]:
        """Tick to order, in order of the ticks, for every order that a tick led to."""
        found = []
        for order_id, at_ns in self.order_ns.items():
            row = self.row_of.get(self.cause_of.get(order_id, ""))
            if row is not None:
                found.append((row, (at_ns - self.tick_ns[row]) / 1_000))
        for _, latency_us in sorted(found):
            yield latency_us


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
    latencies = list(read_times(run).latencies_us())
    kept = latencies[len(latencies) * WARM_UP_PERCENT // 100 :]
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


def read_times(run: RunFolder) -> ChainTimes:
    """Read the four journals that hold the chain's ends and its links."""
    times = ChainTimes()
    readers: dict[str, Callable[[Message, str, str | None, int], None]] = {
        "risk_engine": lambda body, _id, cause, _ns: _keep_intent(times, body, cause),
        "strategy_engine": lambda body, message_id, _c, _ns: _keep_trade(times, body, message_id),
        "venue": lambda body, _id, _c, boot_ns: _keep_venue(times, body, boot_ns),
    }
    for service, take in readers.items():
        _read(run, service, take)
    return times


def _read(
    run: RunFolder, service: str, take: Callable[[Message, str, str | None, int], None]
) -> None:
    def on_record(payload: bytes) -> None:
        envelope, now = peek_record(payload)
        if envelope.kind in TIMED_KINDS:
            take(unpack_record(payload)[0].body, envelope.id, envelope.cause, now.boot_ns)

    walk_journal(run.journal(service), service, run.settings.run_id, on_record)


def _keep_intent(times: ChainTimes, body: Message, cause: str | None) -> None:
    if isinstance(body, Intent) and cause is not None:
        times.cause_of[body.client_order_id] = cause


def _keep_trade(times: ChainTimes, body: Message, message_id: str) -> None:
    """The venue had all rows of a burst at one moment, so any of them tells when."""
    for row in market_rows(body):
        times.row_of.setdefault(message_id, row.feed_seq)


def _keep_venue(times: ChainTimes, body: Message, boot_ns: int) -> None:
    if isinstance(body, NewOrder):
        times.order_ns[body.client_order_id] = boot_ns
    for row in market_rows(body):
        times.tick_ns[row.feed_seq] = boot_ns


def percentile(values: list[float], percent: int) -> float:
    """Nearest rank of unsorted values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def _median(values: Iterable[float], digits: int = 1) -> float:
    return round(median(values), digits)
