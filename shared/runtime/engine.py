"""The pure half of a process: a core, plus what every core needs around it.

Theory of operation. `step(event, now)` takes one decoded input, drops repeats, turns gaps into
`Blind`, answers repeated commands from the cache, lets the core handle the rest, and turns the
core's outputs into effects: frames to send, a sync to wait for, log lines. It does no I/O and reads
no clock, so the real host and the lab's scheduler run the very same code, and a restart is nothing
but the journal's inputs stepped again with the effects thrown away.

What must be rebuilt exactly by such a replay (sequence numbers of commands and streams, outbox,
reply cache, replicas, timers) changes only with journaled inputs. What is not journaled (snapshot
and status requests, heartbeats) touches none of it and answers in a stream of its own (`aux.*`).

An epoch is one life of the process. `Started` opens it: sequences begin at 1, timers are forgotten
(the core sets them again), replicas ask for what they missed, unanswered commands are repeated.
"""

from __future__ import annotations

from typing import Any

from proto_schemas.base import Envelope, Message
from proto_schemas.control import (
    Heartbeat,
    PeerStatus,
    RequestExpired,
    Snapshot,
    SnapshotRequest,
    Started,
    TimerFired,
    Undelivered,
)
from proto_schemas.enums import ServiceState
from proto_schemas.registry import BY_MODEL, Row
from proto_schemas.signals import Nack
from shared.bus.codec import FRAME_MAX_BYTES, BadFrame, encode, id_of, stream_of
from shared.bus.commands import RESEND_FIRST_NS, Outbox, Pending, ReplyCache
from shared.bus.peers import Peers
from shared.bus.replica import Replica, StreamLog
from shared.bus.timers import Timers
from shared.kernel.check import check
from shared.kernel.clock import Now
from shared.kernel.outputs import (
    Barrier,
    CancelTimer,
    Core,
    Event,
    Exit,
    Fence,
    Log,
    Output,
    Publish,
    Push,
    Reply,
    Request,
    Send,
    SetTimer,
    Store,
)
from shared.kernel.pack import Unpackable
from shared.runtime import admission
from shared.runtime.bursts import BURSTS, play, row_count
from shared.runtime.effects import NO_ORIGIN, Effect, LogLine, Origin, Step, Stop, Sync, Transmit
from shared.runtime.snapshots import Place, snapshot

OWN_STREAM = "internal"
TEXT_MAX = 200
MEMORY = (
    *("epoch", "outbox", "replies", "replicas", "timers"),
    *("_clock_ns", "_seqs", "_latest", "_logs"),
)
"""What a replay rebuilds, besides the core. Who lives (`peers`) and counters are no part of it."""


class Engine:
    """One core with its sequences, outbox, reply cache, replicas and timers."""

    def __init__(self, core: Core, service: str, streams: dict[str, str]) -> None:
        """`streams`: concrete stream name -> producer, for every gapless stream consumed."""
        self.core = core
        self.service = service
        self.epoch = 0
        self.outbox = Outbox()
        self.replies = ReplyCache()
        self.peers = Peers()
        self.replicas = {name: Replica(name, producer) for name, producer in streams.items()}
        self.timers = Timers()
        self.progress = 0
        self.dropped = 0
        self._clock_ns = 0
        self._seqs: dict[str, int] = {}
        self._own_seq = 0
        self._latest: dict[tuple[str, str], tuple[int, int]] = {}
        self._logs: dict[str, StreamLog] = {}
        self._effects: list[Effect] = []
        self._journaled = True

    # --- inputs ---------------------------------------------------------------------------------

    def step(self, event: Event, now: Now) -> Step:
        """Take one input. `refuse_foreign` must have passed it if it came over a wire."""
        row = BY_MODEL[type(event.body)]
        self._effects = []
        self._journaled = row.journaled
        inner = self._admit(event, row, now)
        clock_ns = self._clock_ns
        for each in inner or ():
            if type(each.body) in BURSTS:
                clock_ns = play(self.core, each, clock_ns, now, self._emit)
                continue
            clock_ns = now.stream_ns
            for output in self.core.handle(each, now):
                self._emit(output, each.envelope, now)
        self.progress += row_count(event.body)
        journal = row.journaled and inner is not None
        if journal:
            self._clock_ns = max(self._clock_ns, now.stream_ns)
        return Step(journal, self._effects)

    def refuse_foreign(self, event: Event) -> None:
        """Raise `BadFrame` if the sender may not say this kind, or not to us."""
        admission.refuse_foreign(event, self.service)

    def internal(self, body: Message, now: Now) -> Event:
        """Make an input of our own: a timer, a peer's change, the start of an epoch."""
        self._own_seq += 1
        epoch = self.epoch + 1 if type(body) is Started else self.epoch
        row = BY_MODEL[type(body)]
        envelope = Envelope(
            row.kind, row.version, self.service, epoch, OWN_STREAM, self._own_seq,
            now.boot_ns, now.stream_ns, None, None,
        )  # fmt: skip
        return Event(envelope, body)

    def due(self, now: Now) -> Message | None:
        """The next internal input that is due: a timer or a command's end; None if none is."""
        ready = self.timers.due(now)
        if ready is not None:
            return TimerFired(ready)
        late = self.outbox.expired(now.boot_ns)
        return RequestExpired(late.request_id, late.kind) if late else None

    def next_due_ns(self) -> int | None:
        """Boot time of the next thing to do without an input."""
        times = (self.timers.next_boot_ns(), self.outbox.next_due_ns())
        return min((t for t in times if t is not None), default=None)

    def resends(self, now: Now) -> list[Transmit]:
        """Commands to repeat now, the same bytes as before."""
        return [self._transmit(item) for item in self.outbox.due(now.boot_ns)]

    def hear(self, event: Event, now: Now) -> PeerStatus | None:
        """Take a heartbeat; return the change to step, if any."""
        body = event.body
        if not isinstance(body, Heartbeat):
            raise BadFrame("KIND_UNEXPECTED", field="kind", value=event.envelope.kind, fix="")
        return self.peers.hear(body, event.envelope.epoch, now.boot_ns)

    def heartbeat(self, pid: int, code_hash: str, metrics_port: int, now: Now) -> Transmit:
        """Our own heartbeat, ready to publish."""
        body = Heartbeat(
            self.service,
            pid,
            ServiceState(self.core.state_word()),
            self.progress,
            code_hash,
            metrics_port,
        )
        return Transmit("pub", "", *self._frame(body, "heartbeat", NO_ORIGIN, now))

    def refusal(self, peer: str, frame: bytes, error: BadFrame, now: Now) -> Transmit:
        """The Nack for a frame that nothing was done with; touches no journaled state."""
        body = Nack(error.code, error.field[:TEXT_MAX], str(error.value)[:TEXT_MAX])
        origin = Origin(None, id_of(frame))
        return Transmit("router", peer, *self._frame(body, f"aux.{peer}"[:TEXT_MAX], origin, now))

    # --- admission ------------------------------------------------------------------------------

    def _admit(self, event: Event, row: Row, now: Now) -> list[Event] | None:
        """Events for the core; [] if only our own state changed; None for a repeat: nothing did."""
        match row.delivery:
            case "stream":
                return self._follow(event, now)
            case "conflate" | "latch":
                return self._latest_only(event)
            case "command":
                return self._command(event, now)
            case "reply":
                return self._reply(event, now)
            case "internal":
                return self._internal(event, now)
            case _:
                return [event]

    def _follow(self, event: Event, now: Now) -> list[Event] | None:
        replica = self.replicas.get(event.envelope.stream)
        if replica is None or replica.producer != event.envelope.producer:
            self.dropped += 1
            return None
        if replica.knows(event.envelope):
            self.dropped += 1
            return None
        events, ask = replica.take(event)
        if ask:
            self._ask(replica, now)
        return events

    def _latest_only(self, event: Event) -> list[Event] | None:
        envelope = event.envelope
        key = (envelope.producer, f"{envelope.kind}:{getattr(event.body, 'instrument', '')}")
        position = (envelope.epoch, envelope.seq)
        if position <= self._latest.get(key, (0, 0)):
            self.dropped += 1
            return None
        self._latest[key] = position
        return [event]

    def _command(self, event: Event, now: Now) -> list[Event] | None:
        envelope = event.envelope
        if isinstance(event.body, SnapshotRequest):
            self._answer_snapshot(envelope, event.body, now)
            return None
        if not self._journaled:
            return [event]
        if not self.replies.seen(envelope.id):
            self.replies.take(envelope.id)
            return [event]
        self.dropped += 1
        answer = self.replies.replies[envelope.id]
        if answer is not None:
            self._effects.append(Transmit("router", envelope.producer, answer, "", "reply"))
        return None

    def _reply(self, event: Event, now: Now) -> list[Event] | None:
        settled = self.outbox.pending.get(event.envelope.cause or "")
        if settled is None or not admission.answers(event, settled):
            self.dropped += 1
            return None
        self.outbox.settle(settled.request_id)
        if not isinstance(event.body, Snapshot):
            return [Event(event.envelope, event.body, settled.subject)]
        replica = self.replicas[event.body.stream]
        events, ask = replica.apply(event.body, event.envelope)
        if ask:
            self._ask(replica, now)
        return events

    def _internal(self, event: Event, now: Now) -> list[Event] | None:
        match event.body:
            case TimerFired(name=name):
                return [event] if self.timers.cancel(name) else None
            case RequestExpired(request_id=request_id):
                return [event] if self.outbox.settle(request_id) else None
            case Started():
                self._open_epoch(event.envelope.epoch, now)
        return [event]

    def _open_epoch(self, epoch: int, now: Now) -> None:
        """Repeat every unanswered command of earlier lives; ask again for every stream."""
        self.epoch = epoch
        self._seqs.clear()
        self.timers.clear()
        for item in list(self.outbox.pending.values()):
            if item.kind == "snapshot_request":
                self.outbox.settle(item.request_id)
            else:
                item.resend_at_ns = now.boot_ns + RESEND_FIRST_NS
                self._effects.append(self._transmit(item))
        for replica in self.replicas.values():
            replica.lose_sight()
            self._ask(replica, now)

    # --- outputs --------------------------------------------------------------------------------

    def _emit(self, output: Output, cause: Envelope, now: Now) -> None:
        match output:
            case Publish():
                self._publish(output, cause, now)
            case Request():
                self._request(
                    output, Origin(output.correlation_id or cause.correlation_id, cause.id), now
                )
            case Reply():
                self._answer(output, now)
            case Send() | Push():
                self._one_shot(output, cause, now)
            case Barrier():
                self._effects.append(Sync())
            case Store() | Fence():
                self._effects.append(output)
            case SetTimer():
                self.timers.set(output)
            case CancelTimer(name):
                self.timers.cancel(name)
            case Log():
                self._effects.append(LogLine(output, cause.correlation_id))
            case Exit(reason):
                self._effects.append(Stop(reason))

    def _frame(
        self, body: Message, stream: str, origin: Origin, now: Now
    ) -> tuple[bytes, str, str]:
        """Number and encode a message: (frame, message id, kind)."""
        seq = self._seqs.get(stream, 0) + 1
        self._seqs[stream] = seq
        row = BY_MODEL[type(body)]
        envelope = Envelope(
            row.kind,
            row.version,
            self.service,
            self.epoch,
            stream,
            seq,
            now.boot_ns,
            now.stream_ns,
            origin.correlation_id,
            origin.cause,
        )
        frame = encode(envelope, body)
        check(len(frame) <= FRAME_MAX_BYTES, f"a {row.kind} fits into a frame", len(frame))
        return frame, envelope.id, row.kind

    def _publish(self, output: Publish, cause: Envelope, now: Now) -> None:
        message = output.message
        stream = stream_of(message)
        origin = Origin(output.correlation_id or cause.correlation_id, cause.id)
        frame, message_id, kind = self._frame(message, stream, origin, now)
        if BY_MODEL[type(message)].delivery == "stream":
            log = self._logs.setdefault(stream, StreamLog())
            log.add(self.epoch, self._seqs[stream], frame)
        self._effects.append(Transmit("pub", "", frame, message_id, kind))

    def _request(self, output: Request, origin: Origin, now: Now) -> None:
        to = output.to
        frame, message_id, kind = self._frame(output.message, f"to.{to}", origin, now)
        first_repeat_ns = now.boot_ns + RESEND_FIRST_NS
        self.outbox.add(
            Pending(message_id, kind, to, frame, output.expires_ns, first_repeat_ns, output.subject)
        )
        out = Transmit("dealer", to, frame, message_id, kind, may_wait_ns=output.may_wait_ns)
        self._effects.append(out)

    def _answer(self, output: Reply, now: Now) -> None:
        request = output.request
        stream = f"re.{request.producer}" if self._journaled else f"aux.{request.producer}"
        origin = Origin(request.correlation_id, request.id)
        frame, message_id, kind = self._frame(output.message, stream, origin, now)
        if self._journaled:
            self.replies.answer(request.id, frame)
        to, wait_ns = request.producer, output.may_wait_ns
        self._effects.append(Transmit("router", to, frame, message_id, kind, may_wait_ns=wait_ns))

    def _one_shot(self, output: Send | Push, cause: Envelope, now: Now) -> None:
        to, origin = output.to, Origin(output.correlation_id or cause.correlation_id, cause.id)
        if isinstance(output, Send):
            frame, message_id, kind = self._frame(output.message, f"send.{to}", origin, now)
            limits = (output.subject, output.not_after_ns)
            out = Transmit("dealer", to, frame, message_id, kind, True, *limits)
        else:
            frame, message_id, kind = self._frame(output.message, f"push.{to}", origin, now)
            out = Transmit("router", to, frame, message_id, kind, True)
        self._effects.append(out)

    def _transmit(self, item: Pending) -> Transmit:
        return Transmit("dealer", item.to, item.frame, item.request_id, item.kind)

    def undelivered(self, out: Transmit, now: Now) -> Event:
        """The input for a one-shot message that did not leave."""
        return self.internal(Undelivered(out.message_id, out.kind, out.subject), now)

    # --- snapshots ------------------------------------------------------------------------------

    def _ask(self, replica: Replica, now: Now) -> None:
        self._request(Request(replica.producer, replica.request()), NO_ORIGIN, now)

    def _answer_snapshot(self, request: Envelope, ask: SnapshotRequest, now: Now) -> None:
        log = self._logs.get(ask.stream, StreamLog())
        place = Place(self.service, ask.stream, *(log.last() if log.kept else (self.epoch, 0)))
        body = snapshot(self.core, log, ask, place, now)
        stream = f"aux.{request.producer}"
        frame, message_id, kind = self._frame(body, stream, Origin(None, request.id), now)
        self._effects.append(Transmit("router", request.producer, frame, message_id, kind))

    # --- checkpoints ----------------------------------------------------------------------------

    def memory(self) -> list[Any]:
        """Everything that stepping the journal would rebuild: for `pack`, at once."""
        return [*(getattr(self, name) for name in MEMORY), self.core.state()]

    def restore(self, memory: list[Any]) -> None:
        """Take back what `memory` once gave; streams are those that are followed today.

        The core first: if it cannot, nothing has changed, and the journal is stepped instead.
        """
        if len(memory) != len(MEMORY) + 1:
            raise Unpackable("another release made it")
        self.core.restore(memory[-1])
        followed = self.replicas
        for name, value in zip(MEMORY, memory, strict=False):
            setattr(self, name, value)
        self.replicas = {name: self.replicas.get(name, fresh) for name, fresh in followed.items()}
