"""`bulkhead bench figures`: what else the published page tells beside the chain's latency.

- `core_us_per_order`: processor time that risk engine, router and ledger need for one order, by
  stepping the journals of a real run again: no sockets, no disk, no waiting.
- `ingestor_to_venue`: from the moment the ingestor took the row to the moment the venue had the
  order that it led to. The router's send is the same less one hop, so this is an upper bound of it.
- `hops`: the same way, hop by hop, from handling to handling.
- `memory_mib`: proportional set size of all processes of the run, the largest that was seen.
- `saturation_per_s`: orders a second when every row is there at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import thread_time_ns

from services.lab.chain_times import (
    WARM_UP_PERCENT,
    WAY,
    ChainTimes,
    after_warm_up,
    percentile,
)
from services.lab.run_cores import engine_of
from shared.journal import walk_journal
from shared.kernel.clock import SECOND
from shared.runtime.record import unpack_record
from shared.runtime.run_folder import RunFolder

INGESTOR = WAY.index("market_data")
CORES = ("risk_engine", "order_router", "order_state")
KIB = 1_024


@dataclass(slots=True)
class MemoryMeter:
    """The most memory that the run was seen to use, by process, in bytes."""

    most: dict[str, int] = field(default_factory=dict)

    def look(self, pids: Mapping[str, int]) -> None:
        """Read every process once; keep the look with the largest sum."""
        found = {name: pss_bytes(pid) for name, pid in pids.items() if pid}
        if sum(found.values()) > sum(self.most.values()):
            self.most = found

    def mib(self) -> dict[str, float]:
        """By process, and all together."""
        by_name = {name: round(used / KIB**2, 1) for name, used in sorted(self.most.items())}
        return {**by_name, "all": round(sum(self.most.values()) / KIB**2, 1)}


def pss_bytes(pid: int) -> int:
    """Memory of a process, what it shares divided among those that share it; 0 if it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * KIB for line in lines if line.startswith("Pss:"))


def core_us_per_order(run: RunFolder, orders: int) -> dict[str, float]:
    """Processor time per order of the three cores that decide on it, and all together."""
    spent = {name: _stepping_ns(run, name) / 1_000 / max(1, orders) for name in CORES}
    return {**{k: round(v, 1) for k, v in spent.items()}, "all": round(sum(spent.values()), 1)}


def _stepping_ns(run: RunFolder, service: str) -> int:
    """Only the cores' own work: decoding stands before the clock starts."""
    engine, spent_ns = engine_of(run, service), 0

    def step(payload: bytes) -> None:
        nonlocal spent_ns
        event, now, _ = unpack_record(payload)
        began_ns = thread_time_ns()
        engine.step(event, now)
        spent_ns += thread_time_ns() - began_ns

    walk_journal(run.journal(service), service, run.settings.run_id, step)
    return spent_ns


def latency_us(times: ChainTimes) -> dict[str, object]:
    """Hop by hop and from the ingestor on, p50 and p99 in microseconds."""
    ways = after_warm_up(times.ways_ns())
    return {
        "hops": {
            f"{WAY[n]} to {WAY[n + 1]}": _spread(way[n + 1] - way[n] for way in ways)
            for n in range(len(WAY) - 1)
        },
        "ingestor_to_venue": _spread(way[-1] - way[INGESTOR] for way in ways),
    }


def saturation_per_s(times: ChainTimes) -> float:
    """Orders a second at the venue, without the first and the last tenth."""
    at_ns = sorted(times.orders_ns.get("venue", {}).values())
    cut = len(at_ns) * WARM_UP_PERCENT // 100
    kept = at_ns[cut : len(at_ns) - cut]
    if len(kept) < 2 or kept[-1] == kept[0]:
        return 0.0
    return round((len(kept) - 1) * SECOND / (kept[-1] - kept[0]), 1)


def _spread(durations_ns: Iterable[int]) -> dict[str, float]:
    found = [ns / 1_000 for ns in durations_ns]
    if not found:
        return {}
    return {"p50_us": round(percentile(found, 50), 1), "p99_us": round(percentile(found, 99), 1)}
