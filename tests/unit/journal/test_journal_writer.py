"""The writer: lock, durability of new files, poison after a failure, recovery of what was left."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from shared.journal import MAX_PAYLOAD_BYTES, JournalWriter, read_journal
from shared.kernel.errors import Fault, OperatorFault, OurFault
from tests.unit.journal.journal_files import HEADER, RUN, SERVICE, journal_bytes, recover


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.journal"


def fail_with(number: int, calls: list[int]) -> Callable[..., int]:
    def fail(fd: int, *_: object) -> int:
        calls.append(fd)
        raise OSError(number, os.strerror(number))

    return fail


def calls_of(writer: JournalWriter) -> list[Callable[[], None]]:
    return [partial(writer.append, b"x"), partial(writer.append_many, []), writer.sync]


def test_a_new_journal_is_private_and_holds_its_header_only(path: Path) -> None:
    with JournalWriter.open(path, SERVICE, RUN) as writer:
        assert (writer.count, writer.size_bytes, writer.cut_bytes) == (0, len(HEADER), 0)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_bytes() == HEADER


def test_opening_syncs_header_and_directory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr(os, "fdatasync", lambda _fd: synced.append("file"))
    monkeypatch.setattr(os, "fsync", lambda _fd: synced.append("directory"))
    JournalWriter.open(path, SERVICE, RUN).close()
    assert synced == ["file", "directory"]


def test_records_come_back_in_order_after_reopening(path: Path) -> None:
    with JournalWriter.open(path, SERVICE, RUN) as writer:
        writer.append(b"a")
        writer.append_many([b"b", b"", b"c"])
        writer.append_many([])
        writer.sync()
        size_bytes = writer.size_bytes
    writer, recovered = recover(path)
    with writer:
        assert recovered == [b"a", b"b", b"", b"c"]
        assert (writer.count, writer.size_bytes, writer.cut_bytes) == (4, size_bytes, 0)


def test_many_records_are_one_write(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with JournalWriter.open(path, SERVICE, RUN) as writer:
        sizes: list[int] = []
        real = os.write

        def count_writes(fd: int, data: memoryview) -> int:
            sizes.append(len(data))
            return real(fd, data)

        monkeypatch.setattr(os, "write", count_writes)
        writer.append_many([b"x" * 100] * 1000)
        assert sizes == [writer.size_bytes - len(HEADER)]


def test_writes_that_take_only_part_are_continued(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:7]))
    with JournalWriter.open(path, SERVICE, RUN) as writer:
        writer.append_many([b"one" * 10, b"two" * 10])
    assert read_journal(path, SERVICE, RUN).records == [b"one" * 10, b"two" * 10]


def test_a_second_opener_is_refused_until_the_first_closes(path: Path) -> None:
    first = JournalWriter.open(path, SERVICE, RUN)
    with pytest.raises(OperatorFault) as caught:
        JournalWriter.open(path, SERVICE, RUN)
    assert caught.value.code == "JOURNAL_LOCKED"
    assert caught.value.field == str(path)
    assert "Another process of this service runs" in caught.value.fix
    first.append(b"still mine")
    first.close()
    JournalWriter.open(path, SERVICE, RUN).close()


def test_a_refused_file_is_unlocked_again(path: Path) -> None:
    path.write_bytes(b"no journal")
    for _ in range(2):
        with pytest.raises(OperatorFault, match="JOURNAL_FOREIGN"):
            JournalWriter.open(path, SERVICE, RUN)


def test_an_error_of_the_record_callback_passes_and_unlocks(path: Path) -> None:
    path.write_bytes(journal_bytes([b"record"])[0])

    def refuse(payload: bytes) -> None:
        raise ValueError(payload)

    with pytest.raises(ValueError, match="record"):
        JournalWriter.open(path, SERVICE, RUN, refuse)
    JournalWriter.open(path, SERVICE, RUN).close()


def test_a_full_disk_poisons_the_writer_and_the_partial_frame_is_cut_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = JournalWriter.open(path, SERVICE, RUN)
    writer.append(b"kept")
    real, calls = os.write, 0

    def fill_up(fd: int, data: memoryview) -> int:
        nonlocal calls
        calls += 1
        if calls == 1:
            return real(fd, data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fill_up)
        with pytest.raises(OurFault) as first:
            writer.append(b"lost")
    assert first.value.code == "JOURNAL_WRITE_FAILED"
    assert first.value.field == str(path)
    assert "ENOSPC" in str(first.value.value)
    for call in calls_of(writer):
        with pytest.raises(OurFault) as again:
            call()
        assert again.value is first.value
    assert (calls, writer.count) == (2, 1)
    writer.close()
    reopened, recovered = recover(path)
    with reopened:
        assert (recovered, reopened.cut_bytes) == ([b"kept"], 10)


def test_a_write_that_takes_nothing_fails_instead_of_spinning(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with JournalWriter.open(path, SERVICE, RUN) as writer:
        monkeypatch.setattr(os, "write", lambda _fd, _data: 0)
        with pytest.raises(OurFault, match="JOURNAL_WRITE_FAILED"):
            writer.append(b"x")


def test_a_failed_sync_poisons_the_writer_and_is_never_retried(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with JournalWriter.open(path, SERVICE, RUN) as writer:
        writer.append(b"x")
        size_bytes, calls = path.stat().st_size, list[int]()
        monkeypatch.setattr(os, "fdatasync", fail_with(errno.EIO, calls))
        for call in (writer.sync, *calls_of(writer)):
            with pytest.raises(OurFault, match=r"JOURNAL_SYNC_FAILED.*EIO"):
                call()
        assert len(calls) == 1
        assert path.stat().st_size == size_bytes


def test_an_interrupted_write_poisons_the_writer(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_fd: int, _data: object) -> int:
        raise KeyboardInterrupt

    with JournalWriter.open(path, SERVICE, RUN) as writer:
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", interrupt)
            with pytest.raises(KeyboardInterrupt):
                writer.append(b"x")
        with pytest.raises(OurFault, match="interrupted by KeyboardInterrupt"):
            writer.append(b"y")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("write", "JOURNAL_WRITE_FAILED"),
        ("fdatasync", "JOURNAL_SYNC_FAILED"),
        ("fsync", "JOURNAL_SYNC_FAILED"),
    ],
)
def test_a_disk_failure_while_opening_is_reported_and_unlocks(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: str
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(os, name, fail_with(errno.EDQUOT, []))
        with pytest.raises(OurFault, match=f"{code}.*EDQUOT"):
            JournalWriter.open(path, SERVICE, RUN)
    JournalWriter.open(path, SERVICE, RUN).close()


def test_a_failed_cut_is_reported(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(journal_bytes([b"a"])[0] + b"\xb5")
    monkeypatch.setattr(os, "ftruncate", fail_with(errno.EIO, []))
    with pytest.raises(OurFault, match="JOURNAL_WRITE_FAILED"):
        recover(path)


def test_a_payload_over_the_limit_writes_nothing_and_does_no_harm(path: Path) -> None:
    with JournalWriter.open(path, SERVICE, RUN) as writer:
        with pytest.raises(OurFault, match="JOURNAL_PAYLOAD_TOO_BIG"):
            writer.append_many([b"fine", bytes(MAX_PAYLOAD_BYTES + 1)])
        assert (writer.count, writer.size_bytes) == (0, len(HEADER))
        writer.append(bytes(MAX_PAYLOAD_BYTES))
    assert read_journal(path, SERVICE, RUN).records == [bytes(MAX_PAYLOAD_BYTES)]


def test_a_closed_writer_says_so(path: Path) -> None:
    writer = JournalWriter.open(path, SERVICE, RUN)
    writer.close()
    writer.close()
    for call in calls_of(writer):
        with pytest.raises(OurFault, match="JOURNAL_CLOSED"):
            call()


def test_a_missing_directory_is_the_operators_fault(tmp_path: Path) -> None:
    with pytest.raises(OperatorFault, match="JOURNAL_UNOPENABLE"):
        JournalWriter.open(tmp_path / "none" / "events.journal", SERVICE, RUN)


@pytest.mark.parametrize("name", ["", "x" * 256])
def test_a_name_that_does_not_fit_the_header_is_refused(path: Path, name: str) -> None:
    with pytest.raises(Fault, match="JOURNAL_BAD_NAME"):
        JournalWriter.open(path, name, RUN)
    assert not path.exists()
