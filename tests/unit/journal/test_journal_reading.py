"""Reading and following: bounded memory, a file that is not there yet, a writer that restarts."""

from __future__ import annotations

import os
import struct
import tracemalloc
from pathlib import Path

import pytest

from shared.journal import JournalTail, JournalWriter, read_journal, walk_journal
from shared.journal.frame import FRAME_MAGIC, MAX_PAYLOAD_BYTES, Stop, frame_at
from shared.journal.reader import WINDOW_BYTES
from shared.kernel.errors import OperatorFault, OurFault
from tests.unit.journal.journal_files import HEADER, RUN, SERVICE, journal_bytes, recover


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.journal"


def test_an_empty_file_is_an_empty_journal(path: Path) -> None:
    path.touch()
    contents = read_journal(path, SERVICE, RUN)
    assert (contents.records, contents.count, contents.good_bytes) == ([], 0, 0)


def test_a_missing_file_is_the_operators_fault(path: Path) -> None:
    with pytest.raises(OperatorFault, match="JOURNAL_UNREADABLE"):
        read_journal(path, SERVICE, RUN)


def test_a_long_journal_is_walked_in_bounded_memory(path: Path) -> None:
    payload = bytes(4096)
    with JournalWriter.open(path, SERVICE, RUN) as writer:
        for _ in range(8):
            writer.append_many([payload] * 2000)
    assert path.stat().st_size > 8 * WINDOW_BYTES / 2
    tracemalloc.start()
    end = walk_journal(path, SERVICE, RUN, lambda _payload: None)
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (end.count, end.torn_bytes) == (16_000, 0)
    assert peak_bytes < 4 * WINDOW_BYTES


def test_records_of_every_size_cross_the_windows(path: Path) -> None:
    payloads = [bytes([n % 251]) * (n * 6151 % MAX_PAYLOAD_BYTES) for n in range(40)]
    payloads.append(bytes(MAX_PAYLOAD_BYTES))
    with JournalWriter.open(path, SERVICE, RUN) as writer:
        writer.append_many(payloads)
    assert path.stat().st_size > WINDOW_BYTES
    assert read_journal(path, SERVICE, RUN).records == payloads


def test_short_reads_do_not_end_the_journal_early(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(journal_bytes([b"a" * 50, b"b" * 50])[0])
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, size, at: real(fd, min(size, 11), at))
    assert read_journal(path, SERVICE, RUN).count == 2


def test_a_file_that_shrinks_while_it_is_read_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_bytes(journal_bytes([b"a" * 50])[0])
    monkeypatch.setattr(os, "pread", lambda _fd, _size, _at: b"")
    with pytest.raises(OurFault, match="JOURNAL_SHRANK"):
        read_journal(path, SERVICE, RUN)


def test_a_tail_waits_for_the_file_and_its_header(path: Path) -> None:
    with JournalTail(path) as tail:
        assert tail.poll(10) == []
        path.touch()
        assert (tail.poll(10), tail.service, tail.run_id) == ([], None, None)
        path.write_bytes(HEADER[:-1])
        assert (tail.poll(10), tail.service) == ([], None)
        path.write_bytes(HEADER)
        assert (tail.poll(10), tail.service, tail.run_id) == ([], SERVICE, RUN)


def test_a_tail_gives_at_most_what_is_asked_for(path: Path) -> None:
    path.write_bytes(journal_bytes([b"a", b"b", b"c"])[0])
    with JournalTail(path) as tail:
        assert (tail.poll(0), tail.count) == ([], 0)
        assert (tail.poll(2), tail.count) == ([b"a", b"b"], 2)
        assert (tail.poll(2), tail.count) == ([b"c"], 3)
        assert tail.poll(2) == []


def test_a_tail_goes_on_after_the_writer_cut_its_torn_tail(path: Path) -> None:
    whole, ends = journal_bytes([b"a", b"torn" * 9])
    path.write_bytes(whole[: ends[1] + 30])
    with JournalTail(path) as tail:
        assert tail.poll(10) == [b"a"]
        assert tail.poll(10) == []
        writer, _ = recover(path)
        assert tail.poll(10) == []
        with writer:
            writer.append_many([b"b", b"c"])
        assert tail.poll(10) == [b"b", b"c"]


def test_a_tail_does_not_take_a_frame_inside_an_unfinished_record_for_damage(path: Path) -> None:
    inner = journal_bytes([b"x", b"y"])[0]
    whole, ends = journal_bytes([b"a", inner])
    with JournalTail(path) as tail:
        for size_bytes in range(ends[1], len(whole)):
            path.write_bytes(whole[:size_bytes])
            tail.poll(10)
        path.write_bytes(whole)
        assert tail.poll(10) == [inner]


def test_a_tail_sees_a_damaged_length_once_the_next_record_is_there(path: Path) -> None:
    data, ends = journal_bytes([b"a", b"b", b"c"])
    broken = bytearray(data)
    broken[ends[1] + len(FRAME_MAGIC) + 1] ^= 0x40
    path.write_bytes(broken[: ends[2]])
    with JournalTail(path) as tail:
        assert tail.poll(10) == [b"a"]
        assert tail.poll(10) == []
        path.write_bytes(broken)
        with pytest.raises(OurFault, match=f"record 1 at byte {ends[1]}"):
            tail.poll(10)


def test_only_a_length_within_the_limit_is_waited_for() -> None:
    data = journal_bytes([b"a"])[0][len(HEADER) :]
    too_long = struct.pack("<I", MAX_PAYLOAD_BYTES + 1)
    assert frame_at(FRAME_MAGIC + too_long + data[6:], 0) is Stop.BAD
    longest = struct.pack("<I", MAX_PAYLOAD_BYTES)
    assert frame_at(FRAME_MAGIC + longest + data[6:], 0) is Stop.INCOMPLETE


def test_a_tail_refuses_a_file_that_lost_records(path: Path) -> None:
    data, ends = journal_bytes([b"a", b"b"])
    path.write_bytes(data)
    with JournalTail(path) as tail:
        assert tail.poll(10) == [b"a", b"b"]
        os.truncate(path, ends[1])
        with pytest.raises(OurFault, match="JOURNAL_SHRANK"):
            tail.poll(10)


def test_a_tail_refuses_what_is_no_journal(path: Path) -> None:
    path.write_bytes(b"price,size\n")
    with pytest.raises(OperatorFault, match="JOURNAL_FOREIGN"), JournalTail(path) as tail:
        tail.poll(10)


def test_a_closed_tail_says_so(path: Path) -> None:
    path.write_bytes(HEADER)
    tail = JournalTail(path)
    tail.poll(1)
    tail.close()
    tail.close()
    with pytest.raises(OurFault, match="JOURNAL_CLOSED"):
        tail.poll(1)
