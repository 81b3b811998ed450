"""A replica of someone else's stream that knows when it is blind (the Clone pattern).

Subscribe first, then ask for a snapshot, drop what is not newer, apply the rest. Positions are
(epoch, seq): an epoch is one life of the producer, seq counts from 1 within it. Any hole makes the
replica BLIND; its owner decides nothing that needs the stream until it is SIGHTED again. Messages
that arrive meanwhile wait in a bounded buffer; if that overflows they are dropped and the next
snapshot covers them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from proto_schemas.base import Envelope
from proto_schemas.control import Blind, Replace, Sighted, Snapshot, SnapshotRequest
from shared.bus.codec import FRAME_MAX_BYTES, decode
from shared.kernel.outputs import Event

BUFFER_MAX = 10_000
FIRST = (1, 1)
"""Epoch and sequence of the first message that a stream ever has."""
KEPT_MAX = 1_024
KEPT_BYTES_MAX = 9 * FRAME_MAX_BYTES // 10  # all of it goes into one frame, with its envelope


@dataclass(slots=True)
class Replica:
    """Position in one stream of one producer. `gaps` counts holes seen while running."""

    stream: str
    producer: str
    epoch: int = 0
    seq: int = 0
    sighted: bool = False
    gaps: int = 0
    waiting: deque[Event] = field(default_factory=lambda: deque(maxlen=BUFFER_MAX))

    def request(self) -> SnapshotRequest:
        """What to ask the owner: everything after our position."""
        return SnapshotRequest(self.stream, self.epoch, self.seq)

    def lose_sight(self) -> None:
        """Start (again) blind, with an empty buffer; the position stays for the next request."""
        self.sighted = False
        self.waiting.clear()

    def knows(self, envelope: Envelope) -> bool:
        """True for a repeat: we are already past this position."""
        return (envelope.epoch, envelope.seq) <= (self.epoch, self.seq)

    def take(self, event: Event) -> tuple[list[Event], bool]:
        """Take a live message: (events for the core, whether a snapshot must be asked for)."""
        envelope = event.envelope
        position = (envelope.epoch, envelope.seq)
        if self.knows(envelope):
            return [], False
        if not self.sighted:
            self.waiting.append(event)
            return [], False
        if position == (self.epoch, self.seq + 1):
            self.seq += 1
            return [event], False
        self.gaps += 1
        self.lose_sight()
        self.waiting.append(event)
        return [Event(envelope, Blind(self.stream, self.producer))], True

    def apply(self, snapshot: Snapshot, envelope: Envelope) -> tuple[list[Event], bool]:
        """Apply the owner's answer, then what waited; same result as `take`."""
        if self.sighted or (snapshot.epoch, snapshot.seq) < (self.epoch, self.seq):
            return [], not self.sighted
        events = [decode(frame) for frame in snapshot.frames]
        if not snapshot.continues:
            events.insert(0, Event(envelope, Replace(self.stream, self.producer)))
        self.epoch, self.seq, self.sighted = snapshot.epoch, snapshot.seq, True
        events.append(Event(envelope, Sighted(self.stream, self.producer)))
        backlog, self.waiting = self.waiting, deque(maxlen=BUFFER_MAX)
        ask = False
        for event in backlog:
            more, gap = self.take(event)
            events += more
            ask = ask or gap
        return events, ask


@dataclass(slots=True)
class StreamLog:
    """The owner's side: the last frames of one stream, so that a short absence costs nothing.

    At most `KEPT_MAX` of them, and no more bytes than a snapshot can carry.
    """

    kept: deque[tuple[int, int, bytes]] = field(default_factory=lambda: deque(maxlen=KEPT_MAX))
    kept_bytes: int = 0

    def add(self, epoch: int, seq: int, frame: bytes) -> None:
        """Remember a published frame."""
        kept = self.kept
        if len(kept) == KEPT_MAX:
            self.kept_bytes -= len(kept[0][2])
        kept.append((epoch, seq, frame))
        self.kept_bytes += len(frame)
        while self.kept_bytes > KEPT_BYTES_MAX and len(kept) > 1:
            self.kept_bytes -= len(kept.popleft()[2])

    def after(self, epoch: int, seq: int) -> tuple[bytes, ...] | None:
        """Frames after that position; None if we no longer know that position.

        Position (0, 0) is a reader's that has heard nothing yet: it gets all, if all is kept.
        """
        if (epoch, seq) == (0, 0) and self.kept and self.kept[0][:2] == FIRST:
            return tuple(frame for _, _, frame in self.kept)
        for index, (kept_epoch, kept_seq, _) in enumerate(self.kept):
            if (kept_epoch, kept_seq) == (epoch, seq):
                return tuple(frame for _, _, frame in list(self.kept)[index + 1 :])
        return None

    def last(self) -> tuple[int, int]:
        """Position of the newest frame, (0, 0) if there is none."""
        return self.kept[-1][:2] if self.kept else (0, 0)
