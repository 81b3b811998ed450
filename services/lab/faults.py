"""What can go wrong in a simulated run: each seed first draws which faults exist, then their rates.

Links follow what ZeroMQ really does: a connection keeps its order, loses what was queued when
either end dies, and loses runs of messages rather than single ones; a second, evil mode
(`reorder`) lets messages overtake each other, which real links never do. A process may also be
paused (a SIGSTOP): it keeps its memory, hears nothing, and finds the whole backlog when it wakes.
An order on its way to the broker may be lost or delayed but is never doubled: nothing in software
that we own could tell the second copy from the first, and a TCP connection makes none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from shared.kernel.clock import MS, SECOND

NEVER_DOUBLED = frozenset({"new_order"})
TO_BROKER = frozenset({"new_order"})
BROKER_DELAY_MAX_NS = 250 * MS
"""An order may be on its way for long, but for less than the `wire_delay_ns` of the sessions."""


@dataclass(frozen=True, slots=True)
class Faults:
    """Rates are per message in 1/10,000; times in nanoseconds of virtual boot time."""

    lose_rate: int
    lose_run: int
    double_rate: int
    delay_rate: int
    delay_max_ns: int
    broker_delay_rate: int
    reorder: bool
    kills: tuple[str, ...]
    kill_every_ns: int
    kill_in_step: bool
    down_max_ns: int
    kill_after_order_rate: int
    pause_rate: int
    pause_max_ns: int
    kill_switch_ns: int | None
    report_cut_rate: int = 0

    @classmethod
    def draw(cls, rng: Random, victims: tuple[str, ...]) -> Faults:
        """Draw the set of faults of one seed."""
        kills = tuple(name for name in victims if rng.random() < 0.6)
        return cls(
            lose_rate=rng.choice((0, 20, 100, 300)),
            lose_run=rng.choice((1, 1, 5, 20)),
            double_rate=rng.choice((0, 100, 500)),
            delay_rate=rng.choice((0, 100, 1000)),
            delay_max_ns=rng.choice((2 * MS, 20 * MS, 200 * MS)),
            broker_delay_rate=rng.choice((0, 0, 1_000, 4_000)),
            reorder=rng.random() < 0.25,
            kills=kills,
            kill_every_ns=rng.choice((300 * MS, SECOND, 3 * SECOND)),
            kill_in_step=rng.random() < 0.7,
            down_max_ns=rng.choice((50 * MS, 600 * MS, 2 * SECOND)),
            kill_after_order_rate=rng.choice((0, 300, 1_500)),
            pause_rate=rng.choice((0, 0, 3_000, 7_000)),
            pause_max_ns=rng.choice((100 * MS, SECOND, 3 * SECOND)),
            kill_switch_ns=rng.randrange(SECOND, 6 * SECOND) if rng.random() < 0.5 else None,
        )

    def with_cut_reports(self, rng: Random) -> Faults:
        """In half of the seeds the broker's reports sometimes come without their end."""
        return replace(self, report_cut_rate=rng.choice((0, 0, 500, 2_000)))

    def without_kill_switch(self) -> Faults:
        """The same storm; somebody else pulls the switch."""
        return replace(self, kill_switch_ns=None)

    def calm(self) -> Faults:
        """The same world after the storm: nothing fails any more."""
        return CALM


CALM = Faults(0, 1, 0, 0, MS, 0, False, (), SECOND, False, MS, 0, 0, MS, None)
"""Nothing fails."""
