"""A whole run in one process and in virtual time: the same input gives the same bytes, every time.

Theory of operation. The cores and engines of the real processes, on links that take always the same
time, journal to ordinary files. The venue hands out its next row only when nothing is on its way
any more: what one row leads to is at its end before the next one comes. No clock is read: boot time
is the scheduler's. So two runs with the same data and settings write the same journals to the last
byte, and everything that reads a run (`trace`, `verify`, `status`) reads this one too.

What differs from a replay through real processes: no two things happen at once, no process dies,
and how long a step takes is no input (but a strategy's hook that never returns is cut off).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from structlog.typing import FilteringBoundLogger

from proto_schemas.base import Message
from proto_schemas.control import Started, StatusReport
from proto_schemas.enums import SessionPhase
from proto_schemas.registry import SERVICES, gapless_streams
from services.lab.faults import CALM, Faults
from services.lab.links import Arrival, Link
from services.lab.node import Node
from services.lab.run_cores import service_of
from services.lab.world import World
from services.monitor.core import MonitorCore
from shared.bus.codec import encode
from shared.journal import JournalWriter
from shared.kernel.clock import SECOND, Now
from shared.kernel.errors import OurFault
from shared.kernel.outputs import Event, Log, Store
from shared.runtime.effects import Effect, LogLine, Step, Stop, Sync, Transmit
from shared.runtime.host import Service
from shared.runtime.log import open_log
from shared.runtime.record import pack_record
from shared.runtime.run_folder import RunFolder, code_hash
from shared.runtime.twins import write_twins

LINK_NS = 100_000
LOOK_EVERY_NS = SECOND
FLUSH_RECORDS = 512
HEARTBEAT = b"heartbeat\0"  # the stream that a frame begins with

Look = Callable[[StatusReport], None]


@dataclass(slots=True)
class FileNode(Node):
    """A process whose journal is the file that the real one would write."""

    service: Service = field(kw_only=True)
    started: Started = field(kw_only=True)
    journal: JournalWriter = field(kw_only=True)
    log: FilteringBoundLogger = field(kw_only=True)
    unwritten: list[bytes] = field(default_factory=list)

    def boot(self, boot_ns: int) -> tuple[Event, Now]:
        """Start, once; returns the `Started` to step next."""
        self.engine = self.recovered(use_checkpoint=False)
        if isinstance(self.service.core, MonitorCore):
            self.service.core.peers = self.engine.peers
        self.service.went_live()
        self.up, self.life = True, 1
        now = Now(self.stream_ns, boot_ns)
        return self.engine.internal(self.started, now), now

    def step(self, event: Event, now: Now, forget: bool = False) -> Step:
        """Step one input and write it down, as the host does."""
        step = self.engine.step(event, now)
        verdict = self.service.verdict() if self.service.verdict is not None else None
        if verdict is not None:
            self._write(self.engine.internal(verdict, now), now, b"")
        if step.journal:
            self._write(event, now, step.digest)
        return step

    def _write(self, event: Event, now: Now, digest: bytes) -> None:
        self.unwritten.append(pack_record(encode(event.envelope, event.body), now, digest))
        if len(self.unwritten) >= FLUSH_RECORDS:
            self.flush()

    def flush(self) -> None:
        """Hand everything over to the system."""
        self.journal.append_many(self.unwritten)
        self.unwritten = []

    def close(self) -> None:
        """Everything is on the disk, and every file is let go."""
        if self.service.source is not None:
            self.service.source.close()
        self.flush()
        self.journal.sync()
        self.journal.close()


class SteadyLinks:
    """Carries every frame, once, in order, in the same time."""

    def carry(self, link: Link, out: Transmit, faults: Faults, boot_ns: int) -> list[Arrival]:
        """When the frame arrives."""
        return [(boot_ns + LINK_NS, out.frame)]


class Sources:
    """What comes from inside the processes; a row of the feed only when all is quiet."""

    def __init__(self, nodes: dict[str, FileNode]) -> None:
        self._nodes = nodes
        self.in_flight = 0

    def __call__(self, node: Node, boot_ns: int) -> tuple[Message, int] | None:
        """The next input of this process, if it is due."""
        source = self._source(node)
        return source.next_input(Now(node.stream_ns, boot_ns)) if source else None

    def due_ns(self, node: Node, boot_ns: int) -> int | None:
        """When to ask again; None while only a frame can help."""
        source = self._source(node)
        return source.next_due_ns(Now(node.stream_ns, boot_ns)) if source else None

    def _source(self, node: Node) -> Any:
        waits = node.name == "venue" and self.in_flight
        return None if waits else self._nodes[node.name].service.source


class _Nobody:
    """Judges nothing."""

    def watch(self, what: str, event: Event, effects: list[Effect], node: Node) -> None:
        """Nothing to say."""


class Lockstep(World):
    """The scheduler without faults, on files."""

    def __init__(self, run: RunFolder, nodes: dict[str, FileNode]) -> None:
        super().__init__(0, dict(nodes), CALM, _Nobody())
        self._run = run
        self._files = nodes
        self._links = SteadyLinks()
        self._sources = Sources(nodes)
        self.source = self._sources

    def _on_boot(self, name: str) -> None:
        super()._on_boot(name)
        self._internal(self.nodes[name], self._files[name].service.first_input())

    def _carry(self, source: str, target: str, out: Transmit) -> None:
        if out.kind != "heartbeat":
            self._sources.in_flight += 1
        super()._carry(source, target, out)

    def _on_frame(self, name: str, life: int, frame: bytes) -> None:
        if not frame.startswith(HEARTBEAT):
            self._sources.in_flight -= 1
        tap = self._files[name].service.tap
        if tap is not None:
            tap(frame)
        super()._on_frame(name, life, frame)
        if not self._sources.in_flight:
            self._wake(self.nodes["venue"])

    def _save_sometimes(self, node: Node) -> None:
        """No checkpoints: nobody restarts here."""

    def _do(self, node: Node, effect: Effect, now: Now) -> None:
        match effect:
            case Sync():
                pass  # the journals are synced at the end; nothing dies before
            case Store(name, data):
                write_twins(self._run.twins(name), data)
            case LogLine(log, correlation_id):
                self._say(self._files[node.name], log, correlation_id)
            case Stop(reason):
                raise OurFault("CORE_STOPPED", field=node.name, value=reason, fix="Read its log.")
            case _:
                super()._do(node, effect, now)

    def _say(self, node: FileNode, log: Log, correlation_id: str | None) -> None:
        if log.level != "debug":
            write = getattr(node.log, log.level)
            write(log.event, correlation_id=correlation_id, epoch=1, **log.fields)

    def report(self) -> StatusReport:
        """What the monitor would answer now."""
        node = self._files["monitor"]
        core = node.service.core
        if not isinstance(core, MonitorCore):
            raise OurFault("CHECK_FAILED", field="monitor", value=type(core).__name__, fix="")
        return core.report(Now(node.stream_ns, self.boot_ns))


def run_lockstep(run: RunFolder, look: Look) -> StatusReport:
    """From start to CLOSED; the last report. `look` is called every virtual second, and may raise
    to end a run that does not get on.
    """
    with ExitStack() as stack:
        nodes = {name: _node(run, name, stack) for name in SERVICES}
        world = Lockstep(run, nodes)
        world.start()
        while True:
            world.run_until(world.boot_ns + LOOK_EVERY_NS)
            report = world.report()
            look(report)
            if report.fields.get("phase") == SessionPhase.CLOSED:
                return report


def _node(run: RunFolder, name: str, stack: ExitStack) -> FileNode:
    settings = run.settings
    log = open_log(name, settings.run_id, stack.enter_context(run.log(name).open("a")))
    service = service_of(run, name, log)
    node = FileNode(
        name,
        lambda: service.core,
        gapless_streams(name, settings.instrument),
        service=service,
        started=Started(settings.install_id, run.config_hash, code_hash()),
        journal=JournalWriter.open(run.journal(name), name, settings.run_id),
        log=log,
    )
    stack.callback(node.close)
    return node
