"""A replica against a twin that knows everything, while the link loses, repeats and delays.

The owner publishes numbered trades and dies now and then, with or without the memory of what it
sent. The reader follows with a `Replica`. What its core was shown must at every moment be the
owner's whole history up to some point: nothing twice, nothing missing, nothing out of order.
"""

from __future__ import annotations

from collections import deque

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from proto_schemas.base import Envelope
from proto_schemas.control import Blind, Replace, Sighted, Snapshot, SnapshotRequest
from proto_schemas.market_data import Trade
from shared.bus.codec import decode, encode
from shared.bus.replica import Replica, StreamLog
from shared.kernel.outputs import Event

STREAM, OWNER, READER = "market.ESZ24", "market_data", "strategy_engine"
KEPT = 4  # a short memory, so that both kinds of answer happen often


def frame_of(epoch: int, seq: int, number: int) -> bytes:
    envelope = Envelope("trade", 1, OWNER, epoch, STREAM, seq, 0, 0, None, None)
    return encode(envelope, Trade(number, "ESZ24", 0, 0, 100, 1))


class Owner:
    """The publishing side as the engine runs it."""

    def __init__(self) -> None:
        self.epoch, self.seq, self.history = 1, 0, 0
        self.log = StreamLog(deque(maxlen=KEPT))

    def publish(self) -> bytes:
        self.seq += 1
        self.history += 1
        frame = frame_of(self.epoch, self.seq, self.history)
        self.log.add(self.epoch, self.seq, frame)
        return frame

    def restart(self, remembers: bool) -> None:
        self.epoch, self.seq = self.epoch + 1, 0
        if not remembers:
            self.log = StreamLog(deque(maxlen=KEPT))

    def answer(self, ask: SnapshotRequest) -> Snapshot:
        missed = self.log.after(ask.after_epoch, ask.after_seq)
        epoch, seq = self.log.last() if self.log.kept else (self.epoch, 0)
        whole = (frame_of(epoch, seq, number) for number in range(1, self.history + 1))
        return Snapshot(
            STREAM, epoch, seq, missed is not None, tuple(whole) if missed is None else missed
        )


class Reader:
    """The following side: a replica, one open question, and what the core was shown."""

    def __init__(self) -> None:
        self.replica = Replica(STREAM, OWNER)
        self.shown: list[int] = []
        self.sees = False
        self.filling = False
        self.asked = 0
        self.ask = self.replica.request()

    def question(self) -> tuple[int, SnapshotRequest]:
        return self.asked, self.ask

    def ask_again(self) -> None:
        self.asked += 1
        self.ask = self.replica.request()

    def restart(self) -> None:
        self.replica.lose_sight()
        self.sees = self.filling = False
        self.ask_again()

    def hear(self, frame: bytes) -> None:
        self._show(*self.replica.take(decode(frame)), answering=False)

    def hear_answer(self, number: int, snapshot: Snapshot) -> None:
        if number != self.asked:
            return
        self.asked += 1  # settled: a second copy of this answer means nothing
        envelope = Envelope("snapshot", 1, OWNER, 1, "aux", 1, 0, 0, None, None)
        self._show(*self.replica.apply(snapshot, envelope), answering=True)

    def _show(self, events: list[Event], ask: bool, answering: bool) -> None:
        for event in events:
            self._show_one(event, answering)
        if ask:
            self.ask_again()

    def _show_one(self, event: Event, answering: bool) -> None:
        match event.body:
            case Blind():
                assert self.sees, "blind twice"
                self.sees = False
            case Replace():
                assert not self.sees
                self.shown, self.filling = [], True
            case Sighted():
                assert not self.sees, "sighted twice"
                self.sees, self.filling = True, False
            case Trade(feed_seq=number):
                assert self.sees or answering, "a live message was shown to a blind core"
                self.shown.append(number)


class ReplicaTwin(RuleBasedStateMachine):
    """Random histories; hypothesis shortens the one that breaks a promise."""

    def __init__(self) -> None:
        super().__init__()
        self.owner, self.reader = Owner(), Reader()
        self.link: deque[bytes] = deque()
        self.answers: deque[tuple[int, Snapshot]] = deque()

    @rule(copies=st.integers(0, 2))
    def publish(self, copies: int) -> None:
        """0: lost on the way."""
        self.link.extend([self.owner.publish()] * copies)

    @precondition(lambda self: self.link)
    @rule(place=st.integers(0, 3))
    def deliver(self, place: int) -> None:
        """Mostly the oldest, sometimes one that overtook it."""
        self.link.rotate(-min(place, len(self.link) - 1))
        self.reader.hear(self.link.popleft())

    @rule(copies=st.integers(0, 2))
    def ask(self, copies: int) -> None:
        """The question arrives, is answered, and the answers travel (or are lost)."""
        number, ask = self.reader.question()
        self.answers.extend([(number, self.owner.answer(ask))] * copies)

    @precondition(lambda self: self.answers)
    @rule()
    def deliver_answer(self) -> None:
        self.reader.hear_answer(*self.answers.popleft())

    @rule(remembers=st.booleans())
    def kill_owner(self, remembers: bool) -> None:
        self.owner.restart(remembers)

    @rule()
    def kill_reader(self) -> None:
        """What waits in its sockets dies with it."""
        self.link.clear()
        self.answers.clear()
        self.reader.restart()

    @invariant()
    def the_core_saw_history_up_to_some_point(self) -> None:
        shown = self.reader.shown
        assert shown == list(range(1, len(shown) + 1))
        assert len(shown) <= self.owner.history
        assert self.reader.sees == self.reader.replica.sighted

    def teardown(self) -> None:
        """When the link heals, a few messages later everything has been seen."""
        for _ in range(3):
            self.link.append(self.owner.publish())
            while self.link:
                self.reader.hear(self.link.popleft())
            self.reader.hear_answer(*self._answered())
        assert self.reader.sees
        assert self.reader.shown == list(range(1, self.owner.history + 1))

    def _answered(self) -> tuple[int, Snapshot]:
        number, ask = self.reader.question()
        return number, self.owner.answer(ask)


TestReplicaTwin = ReplicaTwin.TestCase
TestReplicaTwin.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
