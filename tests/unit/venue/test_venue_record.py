"""The record of received bytes: whole, only added to, tolerant of a torn last line, independent."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from services.venue import record
from services.venue.record import Record, read_record


def frames(path: Path) -> list[bytes]:
    return [received.frame for received in read_record(path)]


def test_every_byte_comes_back_in_order_with_a_rising_clock(tmp_path: Path) -> None:
    path = tmp_path / "venue" / "received.log"
    log = Record(path)
    sent = [b"", b"\x00\n\xff text", bytes(range(256))]
    for frame in sent:
        log.write(frame)
    assert frames(path) == sent
    stamps = [received.boot_ns for received in read_record(path)]
    assert stamps == sorted(stamps)
    assert stamps[0] > 0
    log.close()


def test_a_new_start_adds_and_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "received.log"
    for frame in (b"one", b"two"):
        log = Record(path)
        log.write(frame)
        log.close()
    assert frames(path) == [b"one", b"two"]


@pytest.mark.parametrize("cut", range(1, 9))
def test_a_torn_last_line_is_passed_over_and_stays_so_after_a_restart(
    tmp_path: Path, cut: int
) -> None:
    path = tmp_path / "received.log"
    log = Record(path)
    log.write(b"whole")
    log.write(b"torn")
    log.close()
    path.write_bytes(path.read_bytes()[:-cut])
    assert frames(path) == [b"whole"]
    log = Record(path)
    log.write(b"next")
    log.close()
    assert frames(path) == [b"whole", b"next"]


def test_damage_in_the_middle_is_named_by_line(tmp_path: Path) -> None:
    path = tmp_path / "received.log"
    path.write_bytes(b"1 6f\nrubbish\n2 6f\n")
    with pytest.raises(ValueError, match=r"received\.log:2"):
        frames(path)


def test_a_frame_that_does_not_fit_on_disk_raises(tmp_path: Path) -> None:
    log = Record(tmp_path / "received.log")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record.os, "write", lambda _handle, line: len(line) - 1)
        with pytest.raises(OSError, match="disk full"):
            log.write(b"frame")


def test_it_imports_nothing_of_ours() -> None:
    tree = ast.parse(Path(record.__file__).read_text())
    modules = {
        name.split(".")[0]
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or "."]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert modules <= {"__future__", "collections", "os", "pathlib", "time", "typing"}
