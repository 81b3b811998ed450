"""Properties of the journal for any payloads: round trip, any cut, any growth, any flipped byte."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.journal import JournalTail, JournalWriter, read_journal
from shared.journal.frame import FRAME_MAGIC, Cursor, encode_frames, scan
from shared.journal.header import chain_seed
from shared.kernel.errors import Fault
from tests.unit.journal.journal_files import HEADER, RUN, SERVICE, journal_bytes, recover

# Payloads full of magic and of broken frames are the ones that could be misread.
PIECES = st.one_of(
    st.binary(max_size=40),
    st.just(FRAME_MAGIC),
    st.just(FRAME_MAGIC + b"\x03\0\0\0" + bytes(12)),
    st.just(HEADER),
)
PAYLOAD = st.lists(PIECES, max_size=4).map(b"".join)
PAYLOADS = st.lists(PAYLOAD, max_size=8)


@given(batches=st.lists(PAYLOADS, max_size=4))
@settings(max_examples=60)
def test_what_was_appended_is_read_back(batches: list[list[bytes]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.journal"
        for batch in batches:
            with JournalWriter.open(path, SERVICE, RUN) as writer:
                writer.append_many(batch)
        expected = [payload for batch in batches for payload in batch]
        writer, recovered = recover(path)
        with writer:
            assert (recovered, writer.count) == (expected, len(expected))
        assert read_journal(path, SERVICE, RUN).records == expected


@given(payloads=PAYLOADS, where=st.floats(0, 1))
@settings(max_examples=100)
def test_any_cut_leaves_the_longest_whole_prefix(payloads: list[bytes], where: float) -> None:
    data, ends = journal_bytes(payloads)
    size_bytes = ends[0] + int(where * (len(data) - ends[0]))
    whole = sum(end <= size_bytes for end in ends) - 1
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.journal"
        path.write_bytes(data[:size_bytes])
        contents = read_journal(path, SERVICE, RUN)
    assert contents.records == payloads[:whole]
    assert contents.torn_bytes == size_bytes - ends[whole]


@given(payloads=PAYLOADS, sizes=st.lists(st.integers(0, 60), max_size=30), asked=st.integers(1, 5))
@settings(max_examples=60)
def test_a_tail_of_a_file_that_grows_in_any_pieces_yields_each_record_once(
    payloads: list[bytes], sizes: list[int], asked: int
) -> None:
    data, ends = journal_bytes(payloads)
    got: list[bytes] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.journal"
        with path.open("ab", buffering=0) as file, JournalTail(path) as tail:
            written_bytes = 0
            for size in [*sizes, len(data)]:
                written_bytes += file.write(data[written_bytes : written_bytes + size])
                while records := tail.poll(asked):
                    assert len(records) <= asked
                    got += records
                whole = max(sum(end <= written_bytes for end in ends) - 1, 0)
                assert got == payloads[:whole]
            assert tail.count == len(payloads)


@given(payloads=PAYLOADS.filter(len), data=st.data())
@settings(max_examples=150)
def test_any_flipped_byte_is_refused_or_costs_only_the_last_record(
    payloads: list[bytes], data: st.DataObject
) -> None:
    whole, ends = journal_bytes(payloads)
    at = data.draw(st.integers(0, len(whole) - 1))
    flip = data.draw(st.integers(1, 255))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.journal"
        path.write_bytes(whole[:at] + bytes([whole[at] ^ flip]) + whole[at + 1 :])
        try:
            records = read_journal(path, SERVICE, RUN).records
        except Fault:
            return
    assert at >= ends[-2]
    assert records == payloads[:-1]


@given(payloads=PAYLOADS, cut=st.integers(0, 8))
def test_scanning_in_two_parts_equals_scanning_at_once(payloads: list[bytes], cut: int) -> None:
    start = Cursor(0, 100, chain_seed(HEADER))
    data, end = encode_frames(payloads, start)
    whole = scan(data, start)
    assert [record.payload for record in whole.records] == payloads
    assert whole.end == end
    places = [record.offset_bytes for record in whole.records] + [end.offset_bytes]
    first_bytes = places[min(cut, len(payloads))] - start.offset_bytes
    first = scan(data[:first_bytes], start)
    second = scan(data[first_bytes:], first.end)
    assert (first.records + second.records, second.end) == (whole.records, end)
