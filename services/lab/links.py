"""What the lab's links do to a frame: carry it, late, twice, out of order, cut short, or never.

Every draw comes from the seed's own generators, in the order of the frames; so the story of a seed
stays the same when nothing about its links changes.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Protocol

from proto_schemas.broker import BrokerSnapshot
from services.lab.faults import BROKER_DELAY_MAX_NS, NEVER_DOUBLED, TO_BROKER, Faults
from shared.bus.codec import decode, encode
from shared.kernel.clock import MS
from shared.runtime.effects import Transmit

LINK_MIN_NS = 50_000
LINK_MAX_NS = 400_000
CUT_MAX_NS = 1_500 * MS

Link = tuple[str, str, str]
"""Source, target and kind of socket: frames on one link keep their order."""
Arrival = tuple[int, bytes]
"""When a frame arrives, and what is left of it."""


class Carrier(Protocol):
    """What a world needs of its links."""

    def carry(self, link: Link, out: Transmit, faults: Faults, boot_ns: int) -> list[Arrival]:
        """When this frame arrives, and how often; an empty list if it is lost."""


class Links:
    """All links of a world, and what was done to the frames on them."""

    def __init__(self, random: Random, cuts: Random, counts: Counter[str]) -> None:
        self._random = random
        self._cuts = cuts
        self._counts = counts
        self._cut_until_ns = 0
        self._lost_run = 0
        self._free: dict[Link, int] = {}

    def carry(self, link: Link, out: Transmit, faults: Faults, boot_ns: int) -> list[Arrival]:
        """When this frame arrives, and how often; an empty list if it is lost."""
        rng = self._random
        if self._lost_run > 0 or rng.randrange(10_000) < faults.lose_rate:
            self._lost_run = (
                self._lost_run - 1 if self._lost_run else rng.randrange(faults.lose_run)
            )
            self._counts["lost"] += 1
            return []
        copies = 1
        if out.kind not in NEVER_DOUBLED and rng.randrange(10_000) < faults.double_rate:
            copies = 2
            self._counts["doubled"] += 1
        return [
            (self._arrival_ns(link, out, faults, boot_ns), self._maybe_cut(out, faults, boot_ns))
            for _ in range(copies)
        ]

    def _arrival_ns(self, link: Link, out: Transmit, faults: Faults, boot_ns: int) -> int:
        rng = self._random
        at_ns = boot_ns + rng.randrange(LINK_MIN_NS, LINK_MAX_NS)
        if rng.randrange(10_000) < faults.delay_rate:
            at_ns += rng.randrange(1, faults.delay_max_ns)
            self._counts["delayed"] += 1
        if out.kind in TO_BROKER and rng.randrange(10_000) < faults.broker_delay_rate:
            at_ns += rng.randrange(1, BROKER_DELAY_MAX_NS)
            self._counts["orders_delayed"] += 1
        if not faults.reorder:
            at_ns = max(at_ns, self._free.get(link, 0) + 1)
            self._free[link] = at_ns
        return at_ns

    def _maybe_cut(self, out: Transmit, faults: Faults, boot_ns: int) -> bytes:
        """Reports of the broker may come without their end, for a while: empty, not complete."""
        rate = faults.report_cut_rate if out.kind == "broker_snapshot" else 0
        if not rate:
            return out.frame
        if self._cuts.randrange(10_000) < rate:
            self._cut_until_ns = boot_ns + self._cuts.randrange(CUT_MAX_NS)
        if boot_ns > self._cut_until_ns:
            return out.frame
        event = decode(out.frame)
        if not isinstance(event.body, BrokerSnapshot):
            return out.frame
        self._counts["reports_cut"] += 1
        return encode(event.envelope, replace(event.body, orders=(), positions=(), complete=False))
