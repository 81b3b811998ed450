"""The one shell around every core: sockets, journal, clocks, in one loop and one thread.

Theory of operation. Each turn: wait on the sockets, decode what came, step the engine with it, then
write all records of the turn with one append, then do the effects. A core's `Barrier` becomes one
`fdatasync` before anything behind it leaves, shared by the whole turn (group commit). Nothing
leaves the process before the input that caused it stands in the journal: so a kill at any point
leaves either an input that never happened (its sender repeats it) or one that the restart steps
again.

Starting and recovering are the same (`recovery.py`); then comes `Started`.

`Source` is how a service feeds in what no socket brings (the venue's recorded feed): the loop
asks it, it never calls in. A thread would have to hand its events over the same way.
"""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import CLOCK_BOOTTIME, clock_gettime_ns
from types import FrameType
from typing import Protocol

from proto_schemas.base import Message
from proto_schemas.control import Fenced, Garbled, Heartbeat, PeerStatus, Started
from proto_schemas.registry import execution_peers, gapless_streams
from shared.bus.codec import BadFrame, decode, encode
from shared.kernel.clock import MS, SECOND, Now
from shared.kernel.errors import OurFault
from shared.kernel.outputs import Core, Event, Fence, Log, Store
from shared.runtime.beat import Beat, BeatFile
from shared.runtime.bursts import row_count
from shared.runtime.counts import Counts
from shared.runtime.deadman import Deadman
from shared.runtime.effects import Effect, LogLine, Stop, Sync, Transmit
from shared.runtime.engine import Engine
from shared.runtime.engine_readings import engine_readings
from shared.runtime.fence import fence
from shared.runtime.log import open_log
from shared.runtime.metrics import LOOPBACK, Board, HostCollector, serve
from shared.runtime.parcels import Parcels
from shared.runtime.paths import Paths
from shared.runtime.record import pack_record
from shared.runtime.recovery import Recovery
from shared.runtime.refusals import Refusals, described, refuse_other_sender
from shared.runtime.run_folder import RunFolder, code_hash
from shared.runtime.twins import write_twins
from shared.runtime.wires import Arrived, Wires

HEARTBEAT_EVERY_NS = 250 * MS
IDLE_POLL_MS = 100
DEADMAN_S = 5
ROWS_A_TURN = 64  # of the source and of each socket; the last burst may go beyond it


class Source(Protocol):
    """Inputs that come from inside the process."""

    def next_input(self, now: Now) -> tuple[Message, int] | None:
        """The next input with its stream time, or None if there is none yet."""

    def next_due_ns(self, now: Now) -> int | None:
        """Boot time at which to ask again; None: ask when something else has happened."""

    def close(self) -> None:
        """The process ends: finish what is open."""


@dataclass(frozen=True, slots=True)
class Service:
    """What makes one process: its name, its core and, if it has one, its source."""

    name: str
    core: Core
    source: Source | None = None
    tap: Callable[[bytes], None] | None = None
    """Called with every frame that arrives, before anything looks at it."""
    verdict: Callable[[], Message | None] | None = None
    """Asked after each step: what must stand in the journal before that input."""
    went_live: Callable[[], None] = lambda: None
    """Called once, when the journal has been stepped and new inputs are about to come."""
    first_input: Callable[[], Message | None] = lambda: None
    """Asked once, right after `Started`: an input that must come before any other."""
    linger_ms: Mapping[str, int] = field(default_factory=dict)
    """By route, how long messages wait for company; see `Wires.poll`."""
    metrics_port: int = 0
    metrics_address: str = LOOPBACK
    paths: Paths | None = None
    """Where the service times stages by itself; else the host makes an empty one."""


def boot_ns() -> int:
    """The boot clock: one for all processes of the host, never set back."""
    return clock_gettime_ns(CLOCK_BOOTTIME)


class Host:
    """Runs one service until it is told to stop."""

    def __init__(self, run: RunFolder, service: Service) -> None:
        self.run_folder = run
        self.service = service
        self.log = open_log(service.name, run.settings.run_id)
        self.counts = Counts()
        self.paths = service.paths or Paths(service.name)
        streams = gapless_streams(service.name, run.settings.instrument)
        self.engine = Engine(service.core, service.name, streams)
        if hasattr(service.core, "peers"):  # the monitor's core reads the liveness table
            service.core.peers = self.engine.peers
        self.wires = Wires(run, service.name, service.linger_ms)
        self._stream_ns = 0
        self._records: list[bytes] = []
        self._effects: list[Effect] = []
        self._parcels = Parcels()
        self._stopping = ""
        self._refusals = Refusals()
        self._recovery = self._recover()
        self.journal = self._recovery.journal
        self._metrics_port = self._serve_metrics()
        self._beat = BeatFile(Path(run.settings.sock_dir), service.name)

    # --- start ----------------------------------------------------------------------------------

    def _recover(self) -> Recovery:
        """Come back to where the journal ends."""
        recovery = Recovery(self.run_folder, self.engine, self.log)
        found = recovery.found
        self.log.info(
            "recovered",
            records=found.records,
            stepped=found.stepped,
            cut_bytes=found.cut_bytes,
            checkpoint=found.checkpoint,
        )
        self._stream_ns = recovery.stream_ns
        return recovery

    def _start_epoch(self) -> None:
        self.service.went_live()
        now = self._now()
        settings = self.run_folder.settings
        started = Started(settings.install_id, self.run_folder.config_hash, code_hash())
        self._step(self.engine.internal(started, now), None, now)
        first = self.service.first_input()
        if first is not None:
            self._step(self.engine.internal(first, now), None, now)
        self._effects.insert(0, Sync())
        self._flush()
        if self._recovery.was_long():
            self._recovery.save(self._stream_ns)
        self.log.info("started", epoch=self.engine.epoch, metrics_port=self._metrics_port)

    def _serve_metrics(self) -> int:
        self.board = Board(self.service.name, self.counts, self.paths)
        self._build = (code_hash(), self.run_folder.config_hash)
        self._show_readings(self._now())
        collector = HostCollector(self.board, boot_ns)
        return serve(collector, self.service.metrics_port, self.service.metrics_address)

    def _show_readings(self, now: Now) -> None:
        self.board.show(engine_readings(self.engine, self._build, now), now.boot_ns)

    # --- the loop -------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT; raises on anything that must stop the process."""
        signal.signal(signal.SIGTERM, self._on_signal)
        signal.signal(signal.SIGINT, self._on_signal)
        self._start_epoch()
        gc.collect()
        gc.freeze()
        deadman = Deadman(DEADMAN_S)
        heartbeat_at = 0
        while not self._stopping:
            self._turn()
            now = self._now()
            if now.boot_ns >= heartbeat_at:
                heartbeat_at = now.boot_ns + HEARTBEAT_EVERY_NS
                self._housekeeping(now)
            deadman.alive()
        deadman.disarm()
        self._close()

    def _turn(self) -> None:
        for arrivals in self.wires.poll(self._timeout_ms()):
            self._take_some(arrivals)
        now = self._now()
        self._timers(now)
        self._drain_source()
        repeats = self.engine.resends(now)
        self.counts.resent += len(repeats)
        self._effects += repeats
        self._flush()

    def _timeout_ms(self) -> int:
        now = self._now()
        times = [self.engine.next_due_ns(), self._parcels.next_due_ns()]
        if self.service.source is not None:
            times.append(self.service.source.next_due_ns(now))
        due = min((t for t in times if t is not None), default=now.boot_ns + IDLE_POLL_MS * MS)
        return max(0, min(IDLE_POLL_MS, -(-(due - now.boot_ns) // MS)))

    def _take_some(self, parcels: Iterator[list[Arrived]]) -> None:
        """As much work from each socket as so many single rows are; the rest waits its turn."""
        tap, rows = self.service.tap, 0
        for parcel in parcels:
            for arrived in parcel:
                if tap is not None:
                    tap(arrived.frame)
                rows += self._take(arrived)
            if rows >= ROWS_A_TURN:
                return

    def _take(self, arrived: Arrived) -> int:
        """Handle one frame; how many rows it was."""
        try:
            event = decode(arrived.frame)
            self.engine.refuse_foreign(event)
            refuse_other_sender(event, arrived)
        except BadFrame as error:
            self._refuse(arrived, error)
            return 1
        if isinstance(event.body, Heartbeat):
            self._step_internal(self.engine.hear(event, self._now()))
            return 1
        now = self._advance(event.envelope.stream_ns)
        self._timers(now)
        self._step(event, arrived.frame, now)
        return row_count(event.body)

    def _refuse(self, arrived: Arrived, error: BadFrame) -> None:
        """Nothing changes but a counter; who waits gets an answer; a broker session asks again."""
        self.counts.refused.add(error.code)
        now = self._now()
        if self._refusals.may_tell(error.code, now.boot_ns):
            self.log.warning("frame_refused", **described(arrived, error))
        if arrived.route == "router":
            self.wires.send([self.engine.refusal(arrived.peer, arrived.frame, error, now)])
        elif arrived.peer in execution_peers(self.service.name):
            garbled = Garbled(arrived.peer, error.code)
            self._step(self.engine.internal(garbled, now), None, now)

    def _drain_source(self) -> None:
        source, rows = self.service.source, 0
        while source is not None and rows < ROWS_A_TURN:
            found = source.next_input(self._now())
            if found is None:
                return
            body, stream_ns = found
            rows += row_count(body)
            now = self._advance(stream_ns)
            self._timers(now)
            self._step(self.engine.internal(body, now), None, now)

    def _timers(self, now: Now) -> None:
        while (due := self.engine.due(now)) is not None:
            self._step(self.engine.internal(due, now), None, now)

    def _housekeeping(self, now: Now) -> None:
        for change in self.engine.peers.silent(now.boot_ns):
            self._step_internal(change)
        self._flush()
        if self._recovery.due():
            self._recovery.save(self._stream_ns)
        engine, pid = self.engine, os.getpid()
        self.wires.send([engine.heartbeat(pid, code_hash(), self._metrics_port, now)])
        word = engine.core.state_word()
        self._beat.write(Beat(now.boot_ns, pid, engine.epoch, word, engine.progress))
        self._show_readings(now)

    def _step_internal(self, change: PeerStatus | None) -> None:
        if change is not None:
            now = self._now()
            self._step(self.engine.internal(change, now), None, now)

    def _step(self, event: Event, frame: bytes | None, now: Now) -> None:
        began = boot_ns()
        step = self.engine.step(event, now)
        self.counts.handle.observe(boot_ns() - began)
        self.counts.took(self.service.name, event, now)
        self.paths.took(event, step.effects, now)
        verdict = self.service.verdict() if self.service.verdict is not None else None
        if verdict is not None:
            note = self.engine.internal(verdict, now)
            self._records.append(pack_record(encode(note.envelope, note.body), now, b""))
        if step.journal:
            raw = frame if frame is not None else encode(event.envelope, event.body)
            self._records.append(pack_record(raw, now, step.digest))
        self._effects += step.effects

    # --- effects --------------------------------------------------------------------------------

    def _flush(self) -> None:
        """Journal first, then let go. Effects may lead to new inputs (a send refused): again."""
        while True:
            if self._records:
                self.journal.append_many(self._records)
                self.counts.journal_bytes = self.journal.size_bytes
                self._records = []
            effects, self._effects = self._effects, []
            self._do(effects)
            if not (self._records or self._effects):
                return

    def _do(self, effects: list[Effect]) -> None:
        """In order, but for frames: they wait for their turn's one sync, and for company."""
        synced, now_ns = False, boot_ns()
        for effect in effects:
            match effect:
                case Transmit():
                    self._parcels.add(effect, now_ns)
                case Sync():
                    if not synced:
                        self._sync()
                    synced = True
                case LogLine(log, correlation_id):
                    self._log_line(log, correlation_id)
                case _:
                    self._let_go(now_ns)
                    self._act(effect)
        self._let_go(now_ns)

    def _act(self, effect: Store | Fence | Stop) -> None:
        match effect:
            case Store(name, data):
                write_twins(self.run_folder.twins(name), data)
            case Fence(peer):
                self._fence(peer)
            case Stop(reason):
                raise OurFault("CORE_STOPPED", field=self.service.name, value=reason, fix="")

    def _fence(self, peer: str) -> None:
        known = self.engine.peers.table.get(peer)
        outcome = fence(self.run_folder, peer, known.heartbeat.pid) if known else "NEVER_HEARD_OF"
        now = self._now()
        self._step(self.engine.internal(Fenced(peer, outcome), now), None, now)

    def _log_line(self, log: Log, correlation_id: str | None) -> None:
        if log.level == "debug":
            return
        if log.level != "info":
            self.counts.alarms.add(log.event)
        write = getattr(self.log, log.level)
        write(log.event, correlation_id=correlation_id, epoch=self.engine.epoch, **log.fields)

    def _sync(self) -> None:
        began = boot_ns()
        self.journal.sync()
        self.counts.sync.observe(boot_ns() - began)

    def _let_go(self, now_ns: int) -> None:
        for parcel in self._parcels.take(now_ns):
            leaves_ns = boot_ns()
            late = [out.is_late(leaves_ns) for out in parcel]
            in_time = [out for out, is_late in zip(parcel, late, strict=True) if not is_late]
            sent = bool(in_time) and self.wires.send(in_time)
            for out, is_late in zip(parcel, late, strict=True):
                self._gone(out, sent and not is_late)

    def _gone(self, out: Transmit, sent: bool) -> None:
        """A frame has left, or could not: who sent it must learn that."""
        self.paths.left(out, sent, boot_ns)
        if sent:
            self.counts.sent[out.kind] += 1
            return
        self.counts.unsent[out.kind] += 1
        now = self._now()
        if not out.one_shot:
            self.engine.outbox.peer_away(out.message_id, now.boot_ns)
        elif out.route == "dealer":
            self._step(self.engine.undelivered(out, now), None, now)

    # --- clocks and end -------------------------------------------------------------------------

    def _now(self) -> Now:
        return Now(self._stream_ns, boot_ns())

    def _advance(self, stream_ns: int) -> Now:
        self._stream_ns = max(self._stream_ns, stream_ns)
        return self._now()

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._stopping = signal.Signals(number).name

    def _close(self) -> None:
        self.log.info("stopped", signal=self._stopping, progress=self.engine.progress)
        self._let_go(boot_ns() + SECOND)
        if self.service.source is not None:
            self.service.source.close()
        self._recovery.save(self._stream_ns)
        self.journal.sync()
        self.journal.close()
        self.wires.close()
        self._beat.close()
