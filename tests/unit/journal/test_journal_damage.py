"""What a broken file turns into: cut at every byte, flipped at every byte, records moved about."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.journal import JournalTail, read_journal, walk_journal
from shared.journal.frame import FRAME_HEAD_BYTES, FRAME_MAGIC, MAX_FRAME_BYTES, MAX_PAYLOAD_BYTES
from shared.journal.header import encode_header
from shared.journal.reader import WINDOW_BYTES
from shared.kernel.errors import Fault, OperatorFault, OurFault
from tests.unit.journal.journal_files import HEADER, RUN, SERVICE, journal_bytes, recover

PAYLOADS = [b"first", b"", FRAME_MAGIC * 3, b"fourth record", b"last"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.journal"


def test_a_file_cut_at_any_byte_recovers_its_whole_records_and_takes_new_ones(path: Path) -> None:
    data, ends = journal_bytes(PAYLOADS)
    for size_bytes in range(len(data) + 1):
        path.write_bytes(data[:size_bytes])
        whole = max(sum(end <= size_bytes for end in ends) - 1, 0)
        good_bytes = ends[whole] if size_bytes >= ends[0] else 0
        contents = read_journal(path, SERVICE, RUN)
        assert contents.records == PAYLOADS[:whole]
        assert (contents.good_bytes, contents.torn_bytes) == (good_bytes, size_bytes - good_bytes)
        writer, recovered = recover(path)
        with writer:
            assert recovered == PAYLOADS[:whole]
            assert writer.cut_bytes == size_bytes - good_bytes
            writer.append(b"after the cut")
            assert writer.count == whole + 1
        assert path.stat().st_size == writer.size_bytes
        assert read_journal(path, SERVICE, RUN).records == [*PAYLOADS[:whole], b"after the cut"]


@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_a_flipped_byte_never_gives_a_wrong_or_missing_earlier_record(
    path: Path, flip: int
) -> None:
    data, ends = journal_bytes(PAYLOADS)
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :])
        try:
            records = read_journal(path, SERVICE, RUN).records
        except Fault as fault:
            assert fault.code in {"JOURNAL_DAMAGED", "JOURNAL_FOREIGN"}
            assert fault.code == "JOURNAL_DAMAGED" or at < len(HEADER)
            continue
        assert at >= ends[-2], "damage before the last record must be refused"
        assert records == PAYLOADS[:-1]


def test_a_tail_never_yields_a_record_from_a_flipped_byte_on(path: Path) -> None:
    data, ends = journal_bytes(PAYLOADS)
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x80]) + data[at + 1 :])
        before = max(sum(end <= at for end in ends) - 1, 0)
        with JournalTail(path) as tail:
            if before:
                assert tail.poll(99) == PAYLOADS[:before]
            try:
                assert tail.poll(99) == []
            except Fault as fault:
                assert fault.code in {"JOURNAL_DAMAGED", "JOURNAL_FOREIGN"}
                continue
            assert at < len(HEADER) or at >= ends[-2], "damage before the last record is refused"


def test_damage_names_file_record_and_offset_and_leaves_the_file_alone(path: Path) -> None:
    data, ends = journal_bytes(PAYLOADS)
    broken = bytearray(data)
    broken[ends[1] - 1] ^= 1
    path.write_bytes(broken)
    for opens in (recover, lambda file: read_journal(file, SERVICE, RUN)):
        with pytest.raises(OurFault) as caught:
            opens(path)
        assert caught.value.code == "JOURNAL_DAMAGED"
        assert caught.value.field == f"{path} record 0 at byte {ends[0]}"
        assert path.read_bytes() == broken


@pytest.mark.parametrize(
    "order",
    [
        [1, 2, 3, 4],
        [0, 2, 3, 4],
        [0, 1, 2, 4],
        [0, 2, 1, 3, 4],
        [0, 1, 2, 4, 3],
        [0, 1, 1, 2, 3, 4],
    ],
)
def test_removed_swapped_or_repeated_records_are_refused(path: Path, order: list[int]) -> None:
    data, ends = journal_bytes(PAYLOADS)
    frames = [data[ends[n] : ends[n + 1]] for n in range(len(PAYLOADS))]
    path.write_bytes(HEADER + b"".join(frames[n] for n in order))
    with pytest.raises(OurFault, match="JOURNAL_DAMAGED"):
        read_journal(path, SERVICE, RUN)
    with pytest.raises(OurFault, match="JOURNAL_DAMAGED"), JournalTail(path) as tail:
        for _ in range(3):
            tail.poll(99)


def test_a_replaced_last_record_is_refused(path: Path) -> None:
    data, ends = journal_bytes(PAYLOADS)
    other, other_ends = journal_bytes([b"another", b"story"])
    path.write_bytes(data[: ends[-2]] + other[other_ends[1] :])
    with pytest.raises(OurFault, match="does not follow the record before it"):
        read_journal(path, SERVICE, RUN)


@pytest.mark.parametrize(("service", "run_id"), [("feed_handler", RUN), (SERVICE, "run-8")])
def test_the_journal_of_another_service_or_run_is_refused(
    path: Path, service: str, run_id: str
) -> None:
    path.write_bytes(encode_header(service, run_id))
    for opens in (recover, lambda file: read_journal(file, SERVICE, RUN)):
        with pytest.raises(OperatorFault) as caught:
            opens(path)
        assert caught.value.code == "JOURNAL_FOREIGN"
        assert caught.value.field == str(path)
        assert caught.value.value == f"service {service} run {run_id}"
        assert f"service {SERVICE} run {RUN}" in caught.value.fix


@pytest.mark.parametrize("text", [b"price,size\n1,2\n", b"x", b"BULKJRNX", bytes(4096)])
def test_a_file_that_is_no_journal_is_refused_and_not_cut(path: Path, text: bytes) -> None:
    path.write_bytes(text)
    with pytest.raises(Fault, match="JOURNAL_FOREIGN|JOURNAL_DAMAGED"):
        recover(path)
    assert path.read_bytes() == text


def test_another_format_version_is_refused(path: Path) -> None:
    data = bytearray(HEADER)
    data[8] = 2
    path.write_bytes(data)
    with pytest.raises(OperatorFault, match="journal format 2"):
        read_journal(path, SERVICE, RUN)


def test_zeros_that_a_crash_left_behind_are_a_torn_tail(path: Path) -> None:
    data, _ = journal_bytes(PAYLOADS)
    path.write_bytes(data + bytes(8192))
    writer, recovered = recover(path)
    with writer:
        assert (recovered, writer.cut_bytes) == (PAYLOADS, 8192)
    path.write_bytes(bytes(len(HEADER) - 1))
    writer, recovered = recover(path)
    with writer:
        assert (recovered, writer.count) == ([], 0)


def test_damage_far_before_the_next_whole_record_is_found(path: Path) -> None:
    big = [bytes(MAX_PAYLOAD_BYTES)] * 12
    data, ends = journal_bytes([b"one", *big, b"end"])
    hole = len(data) - ends[1] - FRAME_HEAD_BYTES - 3
    assert hole > 2 * WINDOW_BYTES
    path.write_bytes(data[: ends[1]] + bytes(hole) + data[ends[1] + hole :])
    seen: list[bytes] = []
    with pytest.raises(OurFault, match=f"one starts at byte {ends[-2]}"):
        walk_journal(path, SERVICE, RUN, seen.append)
    assert seen == [b"one"]


def test_the_later_record_is_found_at_the_edge_of_a_search_step(path: Path) -> None:
    step_bytes = WINDOW_BYTES - MAX_FRAME_BYTES
    data, ends = journal_bytes([b"one", b"two"])
    for gap_bytes in range(step_bytes - 2, step_bytes + 3):
        path.write_bytes(data[: ends[1]] + bytes(gap_bytes) + data[ends[1] :])
        with pytest.raises(OurFault, match="JOURNAL_DAMAGED"):
            read_journal(path, SERVICE, RUN)
