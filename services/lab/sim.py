"""The fault simulator: `bulkhead sim`. One seed is one run of the whole box.

What happens in a run is in `scenarios.py`; here seeds are drawn, counted, and told as stories.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from random import Random

from services.lab.checkers import Checkers
from services.lab.faults import Faults
from services.lab.fleet import make_feed, make_fleet
from services.lab.scenarios import Drill, storm_then_calm
from services.lab.violation import Violation
from services.lab.world import START_NS, World
from shared.kernel.clock import SECOND
from shared.kernel.errors import Fault

ROWS = 1_500
ROWS_A_KILL = 800
WITH_BURSTS = 2  # of four seeds this one's feed has bursts, so that old seeds keep their stories
VICTIMS = (
    "venue",
    "market_data",
    "strategy_engine",
    "risk_engine",
    "order_router",
    "order_state",
    "watchdog",
)


@dataclass(frozen=True, slots=True)
class Failure:
    """One seed that broke an invariant, and how to see it again."""

    seed: int
    invariant: str
    detail: str
    kills: int = 0

    @property
    def replay(self) -> str:
        """The command that tells this seed's story."""
        kills = f" --kills {self.kills}" if self.kills else ""
        return f"bulkhead sim --replay {self.seed}{kills}"


@dataclass(slots=True)
class SimReport:
    """What a batch of seeds came to."""

    first_seed: int
    seeds: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    failures: list[Failure] = field(default_factory=list)
    virtual_s: int = 0
    wall_ms: int = 0

    @property
    def ok(self) -> bool:
        """No seed broke anything, and something was traded at all."""
        return not self.failures and self.counts["orders_at_venue"] > 0

    def add(self, part: SimReport) -> None:
        """Take in the report of some of the seeds."""
        self.seeds += part.seeds
        self.counts.update(part.counts)
        self.failures += part.failures
        self.virtual_s += part.virtual_s

    def to_json(self) -> dict[str, object]:
        """Plain values for `--json`."""
        return {
            "ok": self.ok,
            "first_seed": self.first_seed,
            "seeds": self.seeds,
            "virtual_s": self.virtual_s,
            "wall_ms": self.wall_ms,
            "counts": dict(sorted(self.counts.items())),
            "failures": [
                {
                    "seed": each.seed,
                    "invariant": each.invariant,
                    "detail": each.detail,
                    "replay": each.replay,
                }
                for each in self.failures
            ],
        }


def run_seeds(
    first_seed: int,
    seeds: int,
    progress: Callable[[int, int], None] | None = None,
    kills: int = 0,
    jobs: int = 1,
) -> SimReport:
    """Run seeds, in `jobs` processes; failures are collected, not raised. `kills`: see `Drill`."""
    report = SimReport(first_seed)
    began = time.monotonic_ns()
    for part in _in_parts(first_seed, seeds, kills, jobs):
        report.add(part)
        if progress is not None:
            progress(report.seeds, len(report.failures))
    report.wall_ms = (time.monotonic_ns() - began) // 1_000_000
    return report


def _in_parts(first_seed: int, seeds: int, kills: int, jobs: int) -> Iterator[SimReport]:
    """One report for each seed, in order of the seeds."""
    wanted = range(first_seed, first_seed + seeds)
    if jobs == 1:
        yield from (report_seed(seed, kills) for seed in wanted)
        return
    with ProcessPoolExecutor(jobs) as pool:
        yield from pool.map(partial(report_seed, kills=kills), wanted, chunksize=2)


def report_seed(seed: int, kills: int = 0) -> SimReport:
    """One seed as a report of its own."""
    report = SimReport(seed, seeds=1)
    failure = run_seed(seed, report, kills=kills)
    if failure is not None:
        report.failures.append(failure)
    return report


def replay_seed(seed: int, kills: int = 0) -> Iterator[str]:
    """The story of one seed, line by line, and how it ended."""
    lines: list[str] = []
    failure = run_seed(seed, SimReport(seed), lines.append, kills)
    yield from lines
    yield f"seed {seed}: " + (f"{failure.invariant}: {failure.detail}" if failure else "ok")


def run_seed(
    seed: int, report: SimReport, story: Callable[[str], None] | None = None, kills: int = 0
) -> Failure | None:
    """One run of the box; its counts are added to the report."""
    rng = Random(seed)
    faults = Faults.draw(rng, VICTIMS).with_cut_reports(Random(f"cuts {seed}"))
    nodes = make_fleet(every=rng.choice((3, 7, 20)))
    checkers = Checkers()
    world = World(seed, nodes, faults if kills == 0 else faults.without_kill_switch(), checkers)
    world.story = story
    world.source = make_feed(rng, ROWS + ROWS_A_KILL * kills, bursts=seed % 4 == WITH_BURSTS)
    if story is not None:
        story(f"seed {seed}: {faults}")
    try:
        if kills:
            Drill(world, checkers, rng).run(kills)
        else:
            storm_then_calm(world, checkers)
    except Violation as broken:
        return Failure(seed, broken.invariant, broken.detail, kills)
    except Fault as fault:
        return Failure(seed, "I-07", str(fault), kills)
    finally:
        report.counts.update(world.counts)
        report.counts["orders_at_venue"] += len(checkers.at_venue)
        report.counts["kill_switches"] += checkers.kill.kills
        report.counts["fills"] += len(checkers.venue_fills)
        report.counts["checks"] += checkers.checked
        report.virtual_s += (world.boot_ns - START_NS) // SECOND
    return None
