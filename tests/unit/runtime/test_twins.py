"""A record in two copies: what is read back when one is missing, flipped, older or torn."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from shared.runtime.twins import read_twins, write_twins

RECORD = b'{"kill_id": "kill-1-1"}'
Pair = tuple[Path, Path]


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return tmp_path / "latch" / "latch", tmp_path / "journals" / "latch"


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("record", [RECORD, b"", b"\x00\xff" * 300])
def test_what_was_written_is_read_back_whole(pair: Pair, record: bytes) -> None:
    write_twins(pair, b"an older one")
    write_twins(pair, record)
    assert read_twins(pair) == (record, False)


def test_both_copies_are_private_and_nothing_else_is_left(pair: Pair) -> None:
    write_twins(pair, RECORD)
    for path in pair:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert list(path.parent.iterdir()) == [path]
    assert pair[0].read_bytes() == pair[1].read_bytes()


def test_nothing_anywhere_is_nothing_and_not_damage(pair: Pair) -> None:
    assert read_twins(pair) == (None, False)


@pytest.mark.parametrize("victim", [0, 1])
def test_a_missing_copy_is_damage_and_the_other_one_counts(pair: Pair, victim: int) -> None:
    write_twins(pair, RECORD)
    pair[victim].unlink()
    assert read_twins(pair) == (RECORD, True)


@pytest.mark.parametrize("victim", [0, 1])
def test_any_flipped_byte_is_damage_and_the_other_copy_counts(pair: Pair, victim: int) -> None:
    write_twins(pair, RECORD)
    for at in range(len(pair[victim].read_bytes())):
        flip(pair[victim], at)
        assert read_twins(pair) == (RECORD, True), at
        flip(pair[victim], at)
    assert read_twins(pair) == (RECORD, False)


@pytest.mark.parametrize("length", [0, 1, 15, 16, 20])
def test_a_torn_copy_is_damage_and_the_other_one_counts(pair: Pair, length: int) -> None:
    write_twins(pair, RECORD)
    pair[0].write_bytes(pair[0].read_bytes()[:length])
    assert read_twins(pair) == (RECORD, True)


def test_two_broken_copies_say_nothing_but_that_they_are_broken(pair: Pair) -> None:
    write_twins(pair, RECORD)
    for path in pair:
        flip(path, 20)
    assert read_twins(pair) == (None, True)
    pair[0].unlink()
    assert read_twins(pair) == (None, True)


def test_a_kill_between_the_two_writes_shows_the_newer_first_copy_as_damaged(pair: Pair) -> None:
    write_twins(pair, b"older")
    older = pair[1].read_bytes()
    write_twins(pair, RECORD)
    pair[1].write_bytes(older)
    assert read_twins(pair) == (RECORD, True)


def test_a_torn_new_file_beside_a_copy_is_never_looked_at(pair: Pair) -> None:
    write_twins(pair, RECORD)
    pair[0].with_name("latch.new").write_bytes(b"torn")
    assert read_twins(pair) == (RECORD, False)
    write_twins(pair, b"next")
    assert read_twins(pair) == (b"next", False)
