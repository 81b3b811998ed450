"""`bulkhead bench feed`: how many market events a second go from ingestor to strategy, and what
limits that.

Made-up rows go through the real processes as fast as the credit allows: the venue makes and
matches them, the ingestor validates, journals and publishes each, the strategy engine validates,
journals and calls the strategy. Counted is what stands in the strategy engine's journal: every row
must be there. The processor time of each process tells what limits the rate; the ingestor and the
strategy engine have a core of their own on a box that is large enough, so the dearer one of them
bounds the way between them, wherever the rows come from.

Then the link alone is measured (`feed_link.py`): only those two run, and a feeder sends bursts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from proto_schemas.control import Snapshot
from shared.bus.codec import decode
from shared.journal import walk_journal
from shared.kernel.clock import SECOND
from shared.runtime.bursts import market_rows
from shared.runtime.record import peek_record, unpack_record
from shared.runtime.run_folder import RunFolder

INSTRUMENT = "ESM30"
STRATEGY = "count_ticks"
SEED = 1
CREDIT_EVENTS = 1_024
PROGRESS_EVERY = 256
TARGET_PER_S = 50_000
WARM_UP_PERCENT = 10
ON_THE_WAY = ("venue", "market_data", "strategy_engine")
THE_LINK = ("market_data", "strategy_engine")
LINK_ROWS_TIMES = 5  # it is faster, and must be measured as long
EVENT_KINDS = ("trade", "quote", "depth", "market_burst")


@dataclass(slots=True)
class Seen:
    """What one journal says: each row, and when it was handled (boot clock)."""

    at_ns: dict[int, int] = field(default_factory=dict)
    repeats: int = 0

    def add(self, feed_seq: int, at_ns: int) -> None:
        """One row; a second time is a repeat."""
        self.repeats += feed_seq in self.at_ns
        self.at_ns.setdefault(feed_seq, at_ns)

    def rate_per_s(self, rows: int) -> float:
        """Rows a second, the warm-up left out."""
        first = rows * WARM_UP_PERCENT // 100
        times = [at_ns for feed_seq, at_ns in self.at_ns.items() if feed_seq > first]
        span_ns = max(times, default=0) - min(times, default=0)
        return (len(times) - 1) * SECOND / span_ns if span_ns else 0.0


@dataclass(slots=True)
class CpuMeter:
    """Processor time of each process while the feed runs: told of each look at the run."""

    first: dict[str, int] = field(default_factory=dict)
    last: dict[str, int] = field(default_factory=dict)
    first_seq: int = 0
    last_seq: int = 0

    def look(self, pids: Mapping[str, int], feed_seq: int, rows: int) -> None:
        """Between the first look in the middle of the rows and the last one before their end."""
        if not 0 < feed_seq < rows:
            return
        used = {name: cpu_us(pid) for name, pid in pids.items() if pid}
        if not self.first:
            self.first, self.first_seq = used, feed_seq
        self.last, self.last_seq = used, feed_seq

    def us_per_event(self) -> dict[str, float]:
        """Of each process on the way; empty if the run was too short to look twice."""
        rows = self.last_seq - self.first_seq
        if rows <= 0:
            return {}
        return {
            name: round((self.last[name] - self.first[name]) / rows, 1)
            for name in ON_THE_WAY
            if name in self.first and name in self.last
        }


def cpu_us(pid: int) -> int:
    """User and system time of a process so far; 0 if it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * 1_000_000 // os.sysconf("SC_CLK_TCK")


def follows_market(run: RunFolder) -> bool:
    """Whether the strategy engine has had the ingestor's snapshot: it misses nothing any more."""
    path, producers = run.journal("strategy_engine"), set[str]()

    def on_record(payload: bytes) -> None:
        envelope = peek_record(payload)[0]
        if envelope.kind == "snapshot":
            producers.add(envelope.producer)

    if path.exists():
        walk_journal(path, "strategy_engine", run.settings.run_id, on_record)
    return "market_data" in producers


def seen_by_strategy(run: RunFolder) -> Seen:
    """Every market event in the strategy engine's journal, those in a snapshot included."""
    seen = Seen()

    def on_record(payload: bytes) -> None:
        envelope, now = peek_record(payload)
        if envelope.kind not in (*EVENT_KINDS, "snapshot"):
            return
        body = unpack_record(payload)[0].body
        found = [decode(frame).body for frame in body.frames] if isinstance(body, Snapshot) else []
        for each in found or [body]:
            for row in market_rows(each):
                seen.add(row.feed_seq, now.boot_ns)

    walk_journal(run.journal("strategy_engine"), "strategy_engine", run.settings.run_id, on_record)
    return seen


def report(run: RunFolder, rows: int, meter: CpuMeter, load_before: float) -> dict[str, object]:
    """Plain values; ok if every row arrived."""
    seen, cost = seen_by_strategy(run), meter.us_per_event()
    gaps = rows - len(seen.at_ns)
    rate = seen.rate_per_s(rows)
    return {
        "ok": gaps == 0,
        "events": len(seen.at_ns),
        "gaps": gaps,
        "repeats": seen.repeats,
        "events_per_s": round(rate),
        "target_per_s": TARGET_PER_S,
        "reached": rate >= TARGET_PER_S,
        "cpu_us_per_event": cost,
        **limits(cost),
        "cores": os.cpu_count() or 1,
        "loadavg": [round(load_before, 2), round(os.getloadavg()[0], 2)],
    }


def limits(cost: Mapping[str, float]) -> dict[str, object]:
    """What the processor time allows: a core for each of the two, and for all on this box."""
    if not cost or not all(cost.values()):
        return {"limited_by": "unknown: too short a run to measure"}
    dearest = max(THE_LINK, key=lambda name: cost.get(name, 0.0))
    cores = min(os.cpu_count() or 1, len(cost))
    return {
        "link_bound_per_s": round(1e6 / cost[dearest]),
        "box_bound_per_s": round(1e6 * cores / sum(cost.values())),
        "limited_by": f"processor time: {dearest} needs {cost[dearest]:g} us for an event,"
        f" all {len(cost)} {sum(cost.values()):g} us on {cores} cores",
    }
