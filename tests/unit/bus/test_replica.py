"""A replica's answers to single things: repeats, gaps, late snapshots, a full buffer."""

from __future__ import annotations

from proto_schemas.base import Envelope
from proto_schemas.control import Blind, Replace, Sighted, Snapshot, SnapshotRequest
from proto_schemas.market_data import Trade
from shared.bus.codec import encode
from shared.bus.replica import BUFFER_MAX, KEPT_BYTES_MAX, KEPT_MAX, Replica, StreamLog
from shared.kernel.outputs import Event

STREAM = "market.ESZ24"


def live(epoch: int, seq: int) -> Event:
    envelope = Envelope("trade", 1, "market_data", epoch, STREAM, seq, 0, 0, None, None)
    return Event(envelope, Trade(seq, "ESZ24", 0, 0, 100, 1))


def frames(epoch: int, *seqs: int) -> tuple[bytes, ...]:
    return tuple(encode(live(epoch, seq).envelope, live(epoch, seq).body) for seq in seqs)


ANSWER = Envelope("snapshot", 1, "market_data", 1, "aux", 1, 0, 0, None, None)


def sighted(epoch: int, seq: int) -> Replica:
    replica = Replica(STREAM, "market_data")
    replica.apply(Snapshot(STREAM, epoch, seq, False, ()), ANSWER)
    return replica


def bodies(events: list[Event]) -> list[type]:
    return [type(event.body) for event in events]


def test_it_is_born_blind_and_asks_from_the_beginning() -> None:
    replica = Replica(STREAM, "market_data")
    assert replica.request() == SnapshotRequest(STREAM, 0, 0)
    assert replica.take(live(1, 1)) == ([], False)
    assert not replica.sighted


def test_what_came_while_it_was_blind_is_shown_once_after_the_snapshot() -> None:
    replica = Replica(STREAM, "market_data")
    for seq in (2, 3, 4):
        replica.take(live(1, seq))
    events, ask = replica.apply(Snapshot(STREAM, 1, 3, False, frames(1, 1, 2, 3)), ANSWER)
    assert bodies(events) == [Replace, Trade, Trade, Trade, Sighted, Trade]
    assert (events[-1], ask) == (live(1, 4), False)
    assert (replica.epoch, replica.seq) == (1, 4)


def test_a_repeat_is_dropped_also_one_of_an_older_epoch() -> None:
    replica = sighted(2, 5)
    for event in (live(2, 5), live(2, 1), live(1, 99)):
        assert replica.knows(event.envelope)
        assert replica.take(event) == ([], False)


def test_a_hole_blinds_and_asks_for_what_is_missing() -> None:
    replica = sighted(1, 5)
    events, ask = replica.take(live(1, 7))
    assert (bodies(events), ask, replica.gaps) == ([Blind], True, 1)
    assert replica.request() == SnapshotRequest(STREAM, 1, 5)
    assert replica.take(live(1, 8)) == ([], False)
    events, ask = replica.apply(Snapshot(STREAM, 1, 6, True, frames(1, 6)), ANSWER)
    assert bodies(events) == [Trade, Sighted, Trade, Trade]
    assert [e.envelope.seq for e in events if type(e.body) is Trade] == [6, 7, 8]
    assert not ask


def test_a_new_epoch_of_the_owner_is_a_hole_too() -> None:
    for seq in (1, 5, 6):
        events, ask = sighted(1, 5).take(live(2, seq))
        assert (bodies(events), ask) == ([Blind], True)


def test_an_answer_older_than_what_was_seen_is_not_applied_but_asked_for_again() -> None:
    replica = sighted(1, 5)
    replica.lose_sight()
    assert replica.apply(Snapshot(STREAM, 1, 4, False, ()), ANSWER) == ([], True)
    assert not replica.sighted


def test_an_answer_that_nobody_needs_any_more_changes_nothing() -> None:
    replica = sighted(1, 5)
    assert replica.apply(Snapshot(STREAM, 1, 9, False, ()), ANSWER) == ([], False)
    assert (replica.epoch, replica.seq) == (1, 5)


def test_a_second_hole_behind_the_first_blinds_again() -> None:
    replica = sighted(1, 1)
    replica.take(live(1, 3))
    replica.take(live(1, 9))
    events, ask = replica.apply(Snapshot(STREAM, 1, 2, True, frames(1, 2)), ANSWER)
    assert bodies(events) == [Trade, Sighted, Trade, Blind]
    assert ask and not replica.sighted
    assert replica.request() == SnapshotRequest(STREAM, 1, 3)


def test_the_buffer_is_bounded_and_what_it_dropped_is_asked_for() -> None:
    replica = Replica(STREAM, "market_data")
    for seq in range(1, BUFFER_MAX + 3):
        replica.take(live(1, seq))
    assert len(replica.waiting) == BUFFER_MAX
    events, ask = replica.apply(Snapshot(STREAM, 1, 0, False, ()), ANSWER)
    assert bodies(events) == [Replace, Sighted, Blind]
    assert ask


def test_the_owner_remembers_what_it_sent_across_its_own_epochs() -> None:
    log = StreamLog()
    assert log.last() == (0, 0) and log.after(0, 0) is None
    for epoch, seq in ((1, 1), (1, 2), (2, 1)):
        log.add(epoch, seq, b"%d/%d" % (epoch, seq))
    assert log.last() == (2, 1)
    assert log.after(1, 1) == (b"1/2", b"2/1")
    assert log.after(2, 1) == ()
    assert log.after(1, 3) is None


def test_a_reader_that_has_heard_nothing_gets_all_while_all_is_kept() -> None:
    """It came too late for the first messages; to a replay it must not make a difference."""
    log = StreamLog()
    log.add(1, 1, b"1/1")
    log.add(2, 1, b"2/1")
    assert log.after(0, 0) == (b"1/1", b"2/1")
    for seq in range(2, KEPT_MAX + 1):
        log.add(2, seq, b"")
    assert log.after(0, 0) is None


def test_the_owner_forgets_the_oldest() -> None:
    log = StreamLog()
    for seq in range(1, 1027):
        log.add(1, seq, b"")
    assert log.after(1, 2) is None
    assert len(log.after(1, 3) or ()) == 1023


def test_what_the_owner_keeps_fits_into_one_answer() -> None:
    log, large = StreamLog(), bytes(KEPT_BYTES_MAX // 4 + 1)
    for seq in range(1, 11):
        log.add(1, seq, large)
    assert log.last() == (1, 10)
    assert log.after(1, 8) == (large, large) and log.after(1, 7) is None
    for seq in range(11, 11 + 2 * KEPT_MAX):
        log.add(1, seq, b"small")
    assert (len(log.kept), log.kept_bytes) == (KEPT_MAX, 5 * KEPT_MAX)
    log.add(1, 9_999, bytes(2 * KEPT_BYTES_MAX))
    assert log.after(1, 9_999) == (), "the newest is kept whatever its size"
