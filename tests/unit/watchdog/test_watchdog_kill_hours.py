"""A resume looks at the clock: the hours that passed while killed count again."""

from __future__ import annotations

from pathlib import Path

import pytest

from proto_schemas.control import KillRequest, KillSeen, ResumeRequest
from proto_schemas.enums import Mode
from services.watchdog.ways_in import WaysIn
from shared.kernel.clock import SECOND, Now
from shared.runtime.run_folder import RunFolder, RunSettings
from tests.unit.watchdog.fake_account import Kennel
from tests.unit.watchdog.test_watchdog_hours import DAYS, at_ten, clock

DAY = DAYS["summer"]


def killed_and_resumed(kill_at: str, resume_at: str) -> Kennel:
    kennel = at_ten(DAY)
    kennel.stream_to(clock(DAY, kill_at))
    kennel.give(KillRequest("cli", "x"), producer="cli-1")
    kennel.run_for(6_000)
    kennel.stream_to(clock(DAY, resume_at))
    kennel.run_for(3_000)
    latch = kennel.core.state().latch
    assert latch is not None
    kennel.give(ResumeRequest(latch.kill_id, "ada", "found it"), producer="cli-1")
    kennel.stream_to(kennel.stream_ns + SECOND)
    return kennel


def test_a_resume_after_the_entries_stop_allows_exits_only() -> None:
    kennel = killed_and_resumed("15:51:00", "15:52:00")
    assert kennel.ask_lease().mode is Mode.REDUCE_ONLY


@pytest.mark.parametrize("resume_at", ["16:30:00", "19:00:00"])
def test_after_a_resume_the_next_session_end_comes_as_ever(resume_at: str) -> None:
    kennel = killed_and_resumed("15:40:00", resume_at)
    kennel.run_for(6_000)
    closed = resume_at < "18"
    assert kennel.ask_lease().mode is (Mode.HALT if closed else Mode.NORMAL)
    kennel.stream_to(clock(DAY, "15:51:00", 1))
    assert kennel.ask_lease().mode is Mode.REDUCE_ONLY
    kennel.stream_to(clock(DAY, "15:56:00", 1))
    assert kennel.ask_lease().mode is Mode.HALT


def test_each_file_kill_is_seen_once_and_the_next_one_too(tmp_path: Path) -> None:
    settings = RunSettings("demo", "r", "0" * 12, "ESM30", "ema_cross", str(tmp_path))
    run = RunFolder(tmp_path, settings)
    ways = WaysIn(run, lambda: False)
    moments = iter(range(10**12, 10**13, SECOND))

    def look() -> object:
        found = ways.next_input(Now(1, next(moments)))
        return found[0] if found else None

    look()  # the latch files come first
    assert look() is None
    for _ in range(2):
        run.kill_file.touch()
        assert isinstance(look(), KillSeen)
        assert look() is None
        run.kill_file.unlink()
        assert look() is None
