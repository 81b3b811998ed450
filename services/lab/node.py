"""One simulated process: a core in the real engine, with a journal that survives a kill.

The journal is a list of the inputs that were stepped, as the host would write them; `synced` says
how many of them an `fdatasync` has covered. A restart builds a new core and steps the journal
again, comparing digests exactly as the host does; a checkpoint spares it the older part.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from proto_schemas.base import Message
from proto_schemas.control import Started
from shared.kernel.check import check
from shared.kernel.clock import Now
from shared.kernel.outputs import Core, Event
from shared.kernel.pack import pack, unpack
from shared.runtime.effects import Step
from shared.runtime.engine import MEMORY, Engine

INSTALL_ID = "51ab51ab51ab"
UNJOURNALED = ("aux.", "heartbeat")
"""How the streams begin whose messages no journaled input has made."""


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
    checkpoint: tuple[int, bytes] | None = None

    def boot(self, boot_ns: int) -> tuple[Event, Now]:
        """Start or restart from checkpoint and journal; returns the `Started` to step next."""
        self.engine = self.recovered(use_checkpoint=True)
        self.up, self.life = True, self.life + 1
        now = Now(self.stream_ns, boot_ns)
        return self.engine.internal(Started(INSTALL_ID, "lab", "lab"), now), now

    def recovered(self, use_checkpoint: bool) -> Engine:
        """A new engine that has come to where the journal ends."""
        engine, start = Engine(self.make_core(), self.name, self.streams), 0
        if use_checkpoint and self.checkpoint is not None:
            start, memory = self.checkpoint
            engine.restore(unpack(memory))
        for event, now, digest in self.records[start:]:
            step = engine.step(event, now)
            check(step.digest == digest, f"{self.name} replays to the same outputs", event.envelope)
        return engine

    def image(self, use_checkpoint: bool) -> bytes:
        """What a recovery comes to, without what no input has made (when to repeat a command)."""
        engine = self.recovered(use_checkpoint)
        for item in engine.outbox.pending.values():
            item.resend_at_ns = item.wait_ns = 0
        memory = engine.memory()
        seqs = memory[MEMORY.index("_seqs")]
        made = {name: seq for name, seq in seqs.items() if not name.startswith(UNJOURNALED)}
        memory[MEMORY.index("_seqs")] = dict(sorted(made.items()))
        return pack(memory)

    def save(self) -> None:
        """Make a checkpoint of the present."""
        self.checkpoint = len(self.records), pack(self.engine.memory())

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
