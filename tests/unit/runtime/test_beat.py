"""The file of the last sign of life: what is written is read, and what is old or odd is seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.runtime.beat import FUTURE_NS, LINE_BYTES, Beat, BeatFile, beat_path, read_beat

BEAT = Beat(7_000_000_000, 42, 3, "TRADING", 123_456)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read_beat(tmp_path, "venue") is None
    file = BeatFile(tmp_path, "venue")
    file.write(BEAT)
    assert read_beat(tmp_path, "venue") == BEAT
    shorter = Beat(8_000_000_000, 1, 1, "READY", 1)
    file.write(shorter)
    assert read_beat(tmp_path, "venue") == shorter, "nothing of the longer line is left"
    file.close()
    assert read_beat(tmp_path, "venue") == shorter, "it stays and grows old"
    assert beat_path(tmp_path, "venue").stat().st_size == LINE_BYTES


def test_the_longest_line_fits() -> None:
    longest = Beat(2**63, 2**22, 2**63, "RECONCILING", 2**63)
    assert len(longest.line()) == LINE_BYTES


def test_a_new_life_writes_over_the_old_one(tmp_path: Path) -> None:
    for epoch in (1, 2):
        file = BeatFile(tmp_path, "venue")
        file.write(Beat(epoch, 1, epoch, "READY", 0))
        file.close()
    found = read_beat(tmp_path, "venue")
    assert found is not None and found.epoch == 2


@pytest.mark.parametrize("text", ["", "nonsense", "1 2 3", "a b c READY d", "1 2 3 READY 4 5"])
def test_a_file_with_something_else_is_no_beat(tmp_path: Path, text: str) -> None:
    beat_path(tmp_path, "venue").write_text(text)
    assert read_beat(tmp_path, "venue") is None


def test_age_and_a_boot_clock_that_was_set_back() -> None:
    assert BEAT.age_ns(BEAT.boot_ns + 5) == 5
    assert BEAT.age_ns(BEAT.boot_ns - FUTURE_NS) == 0, "a moment ahead is now"
    assert BEAT.age_ns(BEAT.boot_ns - FUTURE_NS - 1) is None, "from before the machine started"
