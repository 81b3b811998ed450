"""One simulated process: a core in the real engine, with a journal that survives a kill.

The journal is a list of the inputs that were stepped, as the host would write them; `synced` says
how many of them an `fdatasync` has covered. A restart builds a new core and steps the journal
again, comparing digests exactly as the host does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from proto_schemas.base import Message
from proto_schemas.control import Started
from shared.kernel.check import check
from shared.kernel.clock import Now
from shared.kernel.outputs import Core, Event
from shared.runtime.effects import Step
from shared.runtime.engine import Engine

INSTALL_ID = "51ab51ab51ab"


@dataclass(slots=True)
class Node:
    """A process that can die and come back. `life` counts its incarnations."""

    name: str
    make_core: Callable[[], Core]
    streams: dict[str, str]
    engine: Engine = field(init=False)
    records: list[tuple[Event, Now, bytes]] = field(default_factory=list)
    synced: int = 0
    stored: dict[str, bytes] = field(default_factory=dict)
    stream_ns: int = 0
    up: bool = False
    paused_until_ns: int = 0
    now_ns: int = 0
    life: int = 0

    def boot(self, boot_ns: int) -> tuple[Event, Now]:
        """Start or restart: step the journal again; returns the `Started` input to step next."""
        self.engine = Engine(self.make_core(), self.name, self.streams)
        for event, now, digest in self.records:
            step = self.engine.step(event, now)
            check(step.digest == digest, f"{self.name} replays to the same outputs", event.envelope)
        self.up, self.life = True, self.life + 1
        now = Now(self.stream_ns, boot_ns)
        return self.engine.internal(Started(INSTALL_ID, "lab", "lab"), now), now

    def advance(self, stream_ns: int, boot_ns: int) -> Now:
        """The moment of an input that carries this stream time."""
        self.stream_ns = max(self.stream_ns, stream_ns)
        return Now(self.stream_ns, boot_ns)

    def step(self, event: Event, now: Now, forget: bool = False) -> Step:
        """Step one input and journal it; `forget`: the kill comes before the write."""
        self.now_ns = now.boot_ns
        step = self.engine.step(event, now)
        if step.journal and not forget:
            self.records.append((event, now, step.digest))
        return step

    def internal(self, body: Message, now: Now) -> Event:
        """An input of the process's own."""
        return self.engine.internal(body, now)
