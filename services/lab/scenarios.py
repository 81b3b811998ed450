"""What happens in a simulated run: a storm and then calm, or one kill after another.

Storm, then calm: first everything goes wrong that the seed drew, and only safety is judged, after
every step; then faults stop, the feed runs to its end, and everything must settle: flat,
reconciled, nothing lost, nothing doubled.

The drill pulls the kill switch again and again, at random moments of a storm that goes on for a
while after it. Each time the box must end flat and proven once the storm is over, nothing of the
router may leave behind its lease, and after a person's resume it must trade again.
"""

from __future__ import annotations

from random import Random

from proto_schemas.control import ResumeRequest
from proto_schemas.enums import Mode, SessionPhase
from services.lab.checkers import Checkers
from services.lab.violation import Violation
from services.lab.world import START_NS, World
from services.watchdog.core import WatchdogCore
from shared.kernel.clock import MS, SECOND

STORM_NS = 6 * SECOND
SETTLE_NS = 60 * SECOND
FLAT_WITHIN_NS = 20 * SECOND
OPEN_WITHIN_NS = 20 * SECOND
BEFORE_KILL_MAX_NS = 2 * SECOND
STORM_AFTER_KILL_NS = (0, 100 * MS, SECOND, 3 * SECOND)


def storm_then_calm(world: World, checkers: Checkers) -> None:
    """The ordinary run; the seed may have drawn one kill."""
    world.start()
    world.run_until(START_NS + STORM_NS)
    world.faults = world.faults.calm()
    if checkers.kill.held is not None:
        _until_flat(world)
        _resume(world, checkers)
    settle(world, checkers)


def settle(world: World, checkers: Checkers) -> None:
    """No faults any more: the run must come to its end, and the books must be right."""
    if not world.run_until(world.boot_ns + SETTLE_NS, lambda: _closed(world)):
        raise Violation("L-1", f"not settled in {SETTLE_NS // SECOND} s of calm: {where(world)}")
    world.run_until(world.boot_ns + SECOND)
    checkers.judge_quiet(world.nodes["order_state"])


class Drill:
    """Kill after kill in one run."""

    def __init__(self, world: World, checkers: Checkers, rng: Random) -> None:
        self._world, self._checkers, self._rng = world, checkers, rng
        self._storm = world.faults

    def run(self, kills: int) -> None:
        """So many kills, each resumed; then the run ends as every other."""
        self._world.start()
        for number in range(kills):
            self._kill(f"drill {number + 1}")
            _until_flat(self._world)
            _resume(self._world, self._checkers)
            self._until_open()
        settle(self._world, self._checkers)

    def _kill(self, reason: str) -> None:
        world, rng = self._world, self._rng
        world.faults = self._storm
        world.run_until(world.boot_ns + rng.randrange(50 * MS, BEFORE_KILL_MAX_NS))
        world.pull_kill_switch(reason)
        world.run_until(world.boot_ns + rng.choice(STORM_AFTER_KILL_NS))
        world.faults = world.faults.calm()

    def _until_open(self) -> None:
        world = self._world
        within_ns = world.boot_ns + OPEN_WITHIN_NS
        if not world.run_until(within_ns, lambda: _open(world)):
            raise Violation("L-2", f"resumed and not open in {OPEN_WITHIN_NS // SECOND} s")


def _until_flat(world: World) -> None:
    """The kill must end flat and proven, whatever the storm did to it."""
    if not world.run_until(world.boot_ns + FLAT_WITHIN_NS, lambda: _proven_flat(world)):
        raise Violation(
            "L-3", f"killed and not flat in {FLAT_WITHIN_NS // SECOND} s of calm: {where(world)}"
        )


def _resume(world: World, checkers: Checkers) -> None:
    """A person ends the kill, unless the feed ended meanwhile: then nothing is left to resume."""
    watchdog = _watchdog(world)
    latch = watchdog.state().latch if watchdog else None
    if watchdog is None or latch is None or watchdog.state().phase is SessionPhase.CLOSED:
        return
    checkers.kill.resume(latch.kill_id)
    world.wish(ResumeRequest(latch.kill_id, "the lab", "the storm is over"))


def _proven_flat(world: World) -> bool:
    core = _watchdog(world)
    if core is None:
        return False
    state = core.state()
    return state.latch is not None and state.flat and state.reconciled


def _open(world: World) -> bool:
    core = _watchdog(world)
    return core is not None and (core.mode() is Mode.NORMAL or core.state().stream_ended)


def _closed(world: World) -> bool:
    core = _watchdog(world)
    return core is not None and core.state().phase is SessionPhase.CLOSED


def _watchdog(world: World) -> WatchdogCore | None:
    node = world.nodes["watchdog"]
    core = node.engine.core if node.up else None
    return core if isinstance(core, WatchdogCore) else None


def where(world: World) -> str:
    """Phase and state words, for a person who asks why nothing moves."""
    words = {
        name: node.engine.core.state_word() if node.up else "DOWN"
        for name, node in world.nodes.items()
    }
    core = world.nodes["watchdog"].engine.core
    phase = core.state().phase if isinstance(core, WatchdogCore) else ""
    return f"{phase} " + " ".join(f"{name}={word!s}" for name, word in words.items())
