"""Times of day come from the market's clock, on New York's wall, in summer and in winter."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from proto_schemas.enums import Mode
from tests.unit.watchdog.fake_account import Kennel, open_kennel

NEW_YORK = ZoneInfo("America/New_York")
DAYS = {"summer": (2018, 7, 11), "winter": (2018, 1, 10)}
WEEKS = pytest.mark.parametrize("day", list(DAYS.values()), ids=list(DAYS))
Day = tuple[int, int, int]


def clock(day: Day, wall: str, days: int = 0) -> int:
    """Nanoseconds since 1970 of this time on New York's wall, so many days later."""
    moment = datetime.fromisoformat("{:04d}-{:02d}-{:02d}T".format(*day) + wall)
    later = (moment + timedelta(days=days)).replace(tzinfo=NEW_YORK)
    return round(later.timestamp() * 1_000_000) * 1_000


def at_ten(day: Day) -> Kennel:
    kennel = open_kennel(clock(day, "10:00:00"))
    kennel.account.lots["ESM18"] = 2
    return kennel


@WEEKS
def test_entries_stop_at_ten_to_four(day: Day) -> None:
    kennel = at_ten(day)
    kennel.stream_to(clock(day, "15:50:00") - 1)
    assert kennel.ask_lease().mode is Mode.NORMAL
    kennel.stream_to(clock(day, "15:50:00"))
    assert kennel.phase == "ENTRIES_STOPPED"
    assert kennel.ask_lease().mode is Mode.REDUCE_ONLY
    assert kennel.controls[-1].reason == "SESSION_END"


@WEEKS
def test_flattening_starts_at_five_to_four(day: Day) -> None:
    kennel = at_ten(day)
    kennel.stream_to(clock(day, "15:55:00") - 1)
    assert kennel.phase == "ENTRIES_STOPPED"
    kennel.stream_to(clock(day, "15:55:00"))
    assert kennel.phase == "REVOKING"
    assert kennel.ask_lease().mode is Mode.HALT
    kennel.run_for(5_000)
    assert (kennel.phase, kennel.controls[-1].flat) == ("FLAT", True)
    assert kennel.account.lots == {"ESM18": 0}


@WEEKS
def test_the_next_session_opens_at_six_and_ends_like_the_first(day: Day) -> None:
    kennel = at_ten(day)
    kennel.stream_to(clock(day, "15:55:00"))
    kennel.run_for(5_000)
    kennel.stream_to(clock(day, "18:00:00") - 1)
    assert kennel.ask_lease().mode is Mode.HALT
    kennel.stream_to(clock(day, "18:00:00"))
    assert kennel.phase == "OPEN"
    assert kennel.ask_lease().mode is Mode.NORMAL
    assert kennel.controls[-1].reason == "SESSION_OPEN"
    kennel.stream_to(clock(day, "15:50:00", days=1) - 1)
    assert kennel.phase == "OPEN"
    kennel.stream_to(clock(day, "15:50:00", days=1))
    assert kennel.phase == "ENTRIES_STOPPED"
    kennel.stream_to(clock(day, "15:55:00", days=1))
    assert kennel.phase == "REVOKING"


def test_an_open_session_is_not_said_to_be_flat() -> None:
    day = DAYS["summer"]
    kennel = at_ten(day)
    kennel.stream_to(clock(day, "15:55:00"))
    kennel.run_for(5_000)
    assert kennel.controls[-1].flat
    kennel.stream_to(clock(day, "18:00:00"))
    assert (kennel.phase, kennel.controls[-1].flat) == ("OPEN", False)
    kennel.run_for(2_000)
    assert not kennel.controls[-1].flat


def test_the_nights_in_which_the_clocks_change_move_nothing() -> None:
    for friday in ((2018, 3, 9), (2018, 11, 2)):
        kennel = at_ten(friday)
        kennel.stream_to(clock(friday, "15:55:00"))
        kennel.run_for(5_000)
        kennel.stream_to(clock(friday, "18:00:00", days=2))
        assert kennel.phase == "OPEN"
        kennel.stream_to(clock(friday, "15:50:00", days=3) - 1)
        assert kennel.phase == "OPEN"
        kennel.stream_to(clock(friday, "15:50:00", days=3))
        assert kennel.phase == "ENTRIES_STOPPED"


def test_six_oclock_does_not_open_before_the_account_is_flat() -> None:
    day = DAYS["summer"]
    kennel = at_ten(day)
    kennel.account.fills_at_once = False
    kennel.stream_to(clock(day, "15:55:00"))
    kennel.run_for(5_000)
    (order,) = kennel.orders
    kennel.stream_to(clock(day, "18:00:00"))
    kennel.run_for(5_000)
    assert kennel.phase == "FLATTENING"
    assert kennel.ask_lease().mode is Mode.HALT
    kennel.account.fill(order.client_order_id)
    kennel.run_for(5_000)
    assert kennel.phase == "OPEN"
    assert kennel.ask_lease().mode is Mode.NORMAL


def test_six_oclock_does_not_open_before_the_reconcile_is_clean() -> None:
    day = DAYS["summer"]
    kennel = at_ten(day)
    kennel.reconcile_clean = False
    kennel.stream_to(clock(day, "15:55:00"))
    kennel.run_for(5_000)
    kennel.stream_to(clock(day, "18:00:00"))
    assert (kennel.phase, kennel.ask_lease().mode) == ("FLAT", Mode.HALT)
    kennel.reconcile_clean = True
    kennel.run_for(1_000)
    assert kennel.phase == "OPEN"


def test_a_restart_does_not_forget_that_the_next_session_is_due() -> None:
    day = DAYS["winter"]
    kennel = at_ten(day)
    kennel.account.fills_at_once = False
    kennel.stream_to(clock(day, "15:55:00"))
    kennel.run_for(5_000)
    kennel.stream_to(clock(day, "18:00:00"))
    kennel.start()
    kennel.account.fill(kennel.orders[0].client_order_id)
    kennel.run_for(5_000)
    assert kennel.phase == "OPEN"


@pytest.mark.parametrize(
    ("wall", "phase"),
    [
        ("09:30:00", "OPEN"),
        ("15:49:59", "OPEN"),
        ("15:50:00", "ENTRIES_STOPPED"),
        ("15:54:59", "ENTRIES_STOPPED"),
        ("15:55:00", "REVOKING"),
        ("17:59:59", "REVOKING"),
        ("18:00:00", "OPEN"),
        ("23:00:00", "OPEN"),
    ],
)
def test_a_clock_that_starts_late_catches_up_with_the_time_of_day(wall: str, phase: str) -> None:
    kennel = open_kennel(clock(DAYS["summer"], wall))
    kennel.stream_to(kennel.stream_ns)
    assert kennel.phase == phase


def test_a_restart_between_entries_stop_and_flatten_keeps_both() -> None:
    day = DAYS["summer"]
    kennel = at_ten(day)
    kennel.stream_to(clock(day, "15:52:00"))
    kennel.start()
    kennel.stream_to(clock(day, "15:52:01"))
    assert kennel.ask_lease().mode is Mode.REDUCE_ONLY
    kennel.stream_to(clock(day, "15:55:00"))
    assert kennel.phase == "REVOKING"


def test_a_hole_in_the_data_over_the_whole_afternoon_still_flattens_first() -> None:
    day = DAYS["summer"]
    kennel = at_ten(day)
    kennel.stream_to(clock(day, "09:30:00", days=1))
    assert kennel.ask_lease().mode is Mode.HALT
    kennel.run_for(5_000)
    assert kennel.account.lots == {"ESM18": 0}
    assert kennel.phase == "OPEN"


def test_before_the_first_market_event_no_time_of_day_is_known() -> None:
    kennel = open_kennel(0)
    assert all(timer.clock == "boot" for timer in kennel.timers.values())
    kennel.stream_to(clock(DAYS["summer"], "10:00:00"))
    assert {name for name, timer in kennel.timers.items() if timer.clock == "stream"} == {
        "entries_stop", "flatten_start", "reopen",
    }  # fmt: skip


def test_the_end_of_the_stream_in_the_night_closes_for_good() -> None:
    day = DAYS["winter"]
    kennel = at_ten(day)
    kennel.stream_to(clock(day, "15:55:00"))
    kennel.run_for(5_000)
    kennel.end_stream()
    kennel.run_for(5_000)
    assert kennel.phase == "CLOSED"
    kennel.stream_to(clock(day, "18:30:00"))
    assert (kennel.phase, kennel.ask_lease().mode) == ("CLOSED", Mode.HALT)


def test_a_second_end_trusts_nothing_that_the_first_one_proved() -> None:
    """Flat since 15:55; then the stream ends: the account is looked at twice again."""
    day = DAYS["winter"]
    kennel = at_ten(day)
    kennel.stream_to(clock(day, "15:55:00"))
    kennel.run_for(5_000)
    assert kennel.controls[-1].flat
    kennel.end_stream()
    assert (kennel.controls[-1].flat, kennel.controls[-1].reconciled) == (False, False)
    kennel.run_for(1_500 + 300)
    assert kennel.phase == "VERIFYING"
    kennel.run_for(1_000)
    assert kennel.phase == "CLOSED"


def test_after_the_end_of_the_stream_no_time_of_day_counts() -> None:
    day = DAYS["summer"]
    kennel = at_ten(day)
    kennel.end_stream()
    kennel.run_for(5_000)
    kennel.stream_to(clock(day, "15:55:00"))
    assert kennel.phase == "CLOSED"
    kennel.stream_to(clock(day, "18:00:00"))
    assert (kennel.phase, kennel.ask_lease().mode) == ("CLOSED", Mode.HALT)
