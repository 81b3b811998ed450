"""The fault simulator: `bulkhead sim`. One seed is one run of the whole box.

Storm, then calm: first everything goes wrong that the seed drew, and only safety is judged, after
every step; then faults stop, the feed runs to its end, and everything must settle: flat,
reconciled, nothing lost, nothing doubled.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random

from proto_schemas.control import ResumeRequest
from proto_schemas.enums import SessionPhase
from services.lab.checkers import Checkers
from services.lab.faults import Faults
from services.lab.fleet import make_feed, make_fleet
from services.lab.violation import Violation
from services.lab.world import START_NS, World
from services.watchdog.core import WatchdogCore
from shared.kernel.clock import SECOND
from shared.kernel.errors import Fault

STORM_NS = 6 * SECOND
SETTLE_NS = 60 * SECOND
FLAT_WITHIN_NS = 20 * SECOND
ROWS = 1_500
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

    @property
    def replay(self) -> str:
        """The command that tells this seed's story."""
        return f"bulkhead sim --replay {self.seed}"


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
    first_seed: int, seeds: int, progress: Callable[[int, int], None] | None = None
) -> SimReport:
    """Run seeds one after another; failures are collected, not raised."""
    report = SimReport(first_seed)
    began = time.monotonic_ns()
    for seed in range(first_seed, first_seed + seeds):
        failure = run_seed(seed, report)
        if failure is not None:
            report.failures.append(failure)
        report.seeds += 1
        if progress is not None:
            progress(report.seeds, len(report.failures))
    report.wall_ms = (time.monotonic_ns() - began) // 1_000_000
    return report


def replay_seed(seed: int) -> Iterator[str]:
    """The story of one seed, line by line, and how it ended."""
    lines: list[str] = []
    failure = run_seed(seed, SimReport(seed), lines.append)
    yield from lines
    yield f"seed {seed}: " + (f"{failure.invariant}: {failure.detail}" if failure else "ok")


def run_seed(
    seed: int, report: SimReport, story: Callable[[str], None] | None = None
) -> Failure | None:
    """One run of the box; its counts are added to the report."""
    rng = Random(seed)
    faults = Faults.draw(rng, VICTIMS)
    nodes = make_fleet(every=rng.choice((3, 7, 20)))
    checkers = Checkers()
    world = World(seed, nodes, faults, checkers.watch)
    world.story = story
    world.source = make_feed(rng, ROWS)
    if story is not None:
        story(f"seed {seed}: {faults}")
    try:
        _storm_then_calm(world, checkers)
    except Violation as broken:
        return Failure(seed, broken.invariant, broken.detail)
    except Fault as fault:
        return Failure(seed, "I-07", str(fault))
    finally:
        report.counts.update(world.counts)
        report.counts["orders_at_venue"] += len(checkers.at_venue)
        report.counts["kill_switches"] += checkers.kill.latched_ns is not None
        report.counts["fills"] += len(checkers.venue_fills)
        report.counts["checks"] += checkers.checked
        report.virtual_s += (world.boot_ns - START_NS) // SECOND
    return None


def _storm_then_calm(world: World, checkers: Checkers) -> None:
    world.start()
    world.run_until(START_NS + STORM_NS)
    world.faults = world.faults.calm()
    _resume_if_killed(world, checkers)
    if not world.run_until(START_NS + STORM_NS + SETTLE_NS, lambda: _closed(world)):
        raise Violation(
            "L-1", f"not settled {SETTLE_NS // SECOND} s after the storm: {_where(world)}"
        )
    world.run_until(world.boot_ns + SECOND)
    checkers.judge_quiet(world.nodes["order_state"])


def _resume_if_killed(world: World, checkers: Checkers) -> None:
    """The kill must end flat and proven, whatever the storm did to it; then a person resumes."""
    if checkers.kill.latched_ns is None:
        return
    if not world.run_until(world.boot_ns + FLAT_WITHIN_NS, lambda: _proven_flat(world)):
        raise Violation("L-3", f"killed and not flat {FLAT_WITHIN_NS // SECOND} s after the storm")
    watchdog = _watchdog(world)
    latch = watchdog.state().latch if watchdog else None
    if watchdog is None or latch is None or watchdog.state().phase is SessionPhase.CLOSED:
        return
    checkers.kill.resumed, checkers.kill.closing = True, False
    world.wish(ResumeRequest(latch.kill_id, "the lab", "the storm is over"))


def _proven_flat(world: World) -> bool:
    core = _watchdog(world)
    return core is not None and core.state().flat and core.state().reconciled


def _watchdog(world: World) -> WatchdogCore | None:
    node = world.nodes["watchdog"]
    core = node.engine.core if node.up else None
    return core if isinstance(core, WatchdogCore) else None


def _closed(world: World) -> bool:
    core = _watchdog(world)
    return core is not None and core.state().phase is SessionPhase.CLOSED


def _where(world: World) -> str:
    words = {
        name: node.engine.core.state_word() if node.up else "DOWN"
        for name, node in world.nodes.items()
    }
    core = world.nodes["watchdog"].engine.core
    phase = core.state().phase if isinstance(core, WatchdogCore) else ""
    return f"{phase} " + " ".join(f"{name}={word!s}" for name, word in words.items())
