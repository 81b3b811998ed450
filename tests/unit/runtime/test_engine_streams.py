"""The engine around streams: blind at first, whole after the answer, blind again at a gap."""

from __future__ import annotations

from dataclasses import dataclass, field

from proto_schemas.base import Message
from proto_schemas.control import Blind, PeerStatus, Sighted, SnapshotRequest
from proto_schemas.ledger import PositionUpdate
from proto_schemas.market_data import Mark
from shared.bus.codec import decode, encode
from shared.bus.replica import KEPT_MAX
from shared.kernel.clock import Now
from shared.kernel.outputs import Event, Output, Publish
from shared.runtime.effects import Transmit
from tests.support import event
from tests.unit.runtime.small_world import Node, fingerprint

OWNER, READER = "order_state", "risk_engine"


def position(lots: int) -> PositionUpdate:
    return PositionUpdate("ema_cross", "ESZ24", lots, 0, 0, 0, 0, None)


@dataclass
class OwningCore:
    """Publishes one more lot on every change of a peer."""

    lots: int = 0

    def handle(self, event: Event, now: Now) -> list[Output]:
        if not isinstance(event.body, PeerStatus):
            return []
        self.lots += 1
        return [Publish(position(self.lots))]

    def current(self, stream: str) -> list[Message]:
        return [position(self.lots)]

    def state_word(self) -> str:
        return "READY"

    def state(self) -> object:
        return [self.lots]


@dataclass
class ReadingCore:
    """Notes what it is shown."""

    shown: list[str] = field(default_factory=list)

    def handle(self, event: Event, now: Now) -> list[Output]:
        body = event.body
        is_lots = isinstance(body, PositionUpdate)
        self.shown.append(str(body.position_lots) if is_lots else type(body).__name__)
        return []

    def current(self, stream: str) -> list[Message]:
        return []

    def state_word(self) -> str:
        return "READY"

    def state(self) -> object:
        return self.shown


def owner() -> Node:
    node = Node(OWNER, OwningCore)
    node.start()
    return node


def reader() -> Node:
    return Node(READER, ReadingCore, {"ledger": OWNER})


def publish(node: Node) -> bytes:
    (out,) = [e for e in node.own(PeerStatus("venue", True, 1)).effects if isinstance(e, Transmit)]
    assert out.route == "pub"
    return out.frame


def carry(asker: Node, answerer: Node) -> None:
    """Take every snapshot request across, and its answer back."""
    for out in asker.drain():
        if out.kind == "snapshot_request":
            assert out.peer == answerer.name
            (answer,) = answerer.take(out.frame).effects
            assert isinstance(answer, Transmit) and answer.peer == asker.name
            asker.take(answer.frame)


def shown(node: Node) -> list[str]:
    core = node.engine.core
    assert isinstance(core, ReadingCore)
    return core.shown


def joined() -> tuple[Node, Node]:
    """An owner that published twice and a reader that has seen it."""
    source, node = owner(), reader()
    for _ in range(2):
        publish(source)
    node.start()
    carry(node, source)
    return source, node


def test_a_reader_that_starts_late_is_shown_all_that_was_said_while_all_is_kept() -> None:
    source, node = owner(), reader()
    publish(source)
    publish(source)
    node.start()
    carry(node, source)
    assert shown(node) == ["Started", "1", "2", "Sighted"]


def test_a_reader_asks_when_it_starts_and_is_shown_the_whole_state() -> None:
    source, node = owner(), reader()
    for _ in range(KEPT_MAX + 1):
        publish(source)
    step = node.start()
    asks = [e for e in step.effects if isinstance(e, Transmit)]
    assert [decode(a.frame).body for a in asks] == [SnapshotRequest("ledger", 0, 0)]
    carry(node, source)
    assert shown(node) == ["Started", "Replace", str(KEPT_MAX + 1), "Sighted"]


def test_a_gap_blinds_asks_and_is_filled_with_what_was_missed() -> None:
    source, node = joined()
    node.take(publish(source))
    publish(source)
    publish(source)
    node.take(publish(source))
    assert shown(node)[4:] == ["3", "Blind"]
    assert node.engine.replicas["ledger"].gaps == 1
    node.take(publish(source))
    carry(node, source)
    assert shown(node)[4:] == ["3", "Blind", "4", "5", "6", "7", "Sighted"]
    node.take(publish(source))
    assert shown(node)[-1] == "8"


def test_a_repeat_in_a_stream_is_dropped_and_not_journaled() -> None:
    source, node = joined()
    frame = publish(source)
    assert node.take(frame).journal
    journal = len(node.journal)
    assert not node.take(frame).journal
    assert (len(node.journal), node.engine.dropped, shown(node)[-1]) == (journal, 1, "3")


def test_a_stream_that_nobody_follows_here_is_dropped() -> None:
    source, node = joined()
    node.engine.replicas.clear()
    assert not node.take(publish(source)).journal


def test_a_lost_question_is_asked_again_by_the_outbox() -> None:
    source, node = owner(), reader()
    publish(source)
    node.start()
    node.drain()
    node.pass_time(10**9)
    carry(node, source)
    assert shown(node)[-1] == "Sighted"
    node.pass_time(10**12)
    assert node.drain() == []


def test_a_second_copy_of_an_answer_changes_nothing() -> None:
    source, node = owner(), reader()
    node.start()
    (ask,) = node.drain()
    (answer,) = source.take(ask.frame).effects
    assert isinstance(answer, Transmit)
    assert node.take(answer.frame).journal
    assert not node.take(answer.frame).journal
    assert shown(node) == ["Started", "Replace", "0", "Sighted"]


def test_a_reader_that_was_away_gets_only_what_it_missed() -> None:
    source, node = joined()
    publish(source)
    before = fingerprint(node.engine)
    assert fingerprint(node.replayed()) == before
    node.start()
    carry(node, source)
    assert shown(node)[4:] == ["Started", "3", "Sighted"]


def test_an_owner_that_restarted_still_knows_what_it_sent() -> None:
    source, node = joined()
    missed = publish(source)
    source.start()
    assert decode(missed).envelope.epoch == 1
    node.take(publish(source))
    assert shown(node)[-1] == "Blind"
    carry(node, source)
    assert shown(node)[4:] == ["Blind", "3", "4", "Sighted"]
    position_now = node.engine.replicas["ledger"]
    assert (position_now.epoch, position_now.seq) == (2, 1)


def test_answering_a_snapshot_request_leaves_the_owner_as_it_was() -> None:
    source, node = owner(), reader()
    publish(source)
    before, journal = source.fingerprint(), list(source.journal)
    node.start()
    carry(node, source)
    assert source.fingerprint() == before and source.journal == journal
    next_frame = decode(publish(source)).envelope
    assert (next_frame.stream, next_frame.seq) == ("ledger", 2)


def test_only_the_newest_of_a_conflated_kind_counts_for_each_instrument() -> None:
    _, node = joined()

    def mark(seq: int, instrument: str = "ESZ24", epoch: int = 1) -> bytes:
        made = event(Mark(instrument, 0, 0, 100), seq=seq, epoch=epoch)
        return encode(made.envelope, made.body)

    taken = [
        node.take(frame).journal
        for frame in (
            *(mark(5), mark(4), mark(5), mark(6)),
            *(mark(1, "NQZ24"), mark(1, epoch=2), mark(99)),
        )
    ]
    assert taken == [True, False, False, True, True, True, False]


def test_the_words_for_sight_name_stream_and_owner() -> None:
    source, node = joined()
    seen: list[Message] = []
    handle = node.engine.core.handle

    def watch(each: Event, moment: Now) -> list[Output]:
        seen.append(each.body)
        return handle(each, moment)

    node.engine.core.handle = watch  # type: ignore[method-assign]
    publish(source)
    node.take(publish(source))
    carry(node, source)
    assert seen[0] == Blind("ledger", OWNER) and seen[-1] == Sighted("ledger", OWNER)
