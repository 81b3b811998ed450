"""Sessions by example: the trading day around 18:00, week ends and the stream timers."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from shared.kernel.errors import OurFault
from shared.markets import (
    format_day,
    is_open,
    next_open_ns,
    next_time_of_day_ns,
    trading_day,
)

FLATTEN_SECOND = 15 * 3_600 + 55 * 60


def utc_ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


@pytest.mark.parametrize(("utc", "day"), [
    ("2018-05-07T13:30:00", "2018-05-07"),  # Monday 09:30
    ("2018-05-07T21:59:59", "2018-05-07"),  # 17:59:59
    ("2018-05-07T22:00:00", "2018-05-08"),  # 18:00:00
    ("2018-05-11T22:00:00", "2018-05-14"),  # Friday evening
    ("2018-05-12T16:00:00", "2018-05-14"),  # Saturday
    ("2018-05-13T22:00:00", "2018-05-14"),  # Sunday evening
    ("2018-01-08T22:30:00", "2018-01-08"),  # winter: 17:30
    ("2018-01-08T23:00:00", "2018-01-09"),
])  # fmt: skip
def test_trading_day(utc: str, day: str) -> None:
    assert format_day(trading_day(utc_ns(utc))) == day


@pytest.mark.parametrize(("now", "due"), [
    ("2018-05-07T13:30:00", "2018-05-07T19:55:00"),
    ("2018-05-07T19:55:00", "2018-05-07T19:55:00"),
    ("2018-05-07T19:55:01", "2018-05-08T19:55:00"),
    ("2018-03-10T21:00:00", "2018-03-11T19:55:00"),  # over the change to daylight time
    ("2018-11-03T20:00:00", "2018-11-04T20:55:00"),  # and back
])  # fmt: skip
def test_next_time_of_day(now: str, due: str) -> None:
    assert next_time_of_day_ns(utc_ns(now), FLATTEN_SECOND) == utc_ns(due)


def test_one_nanosecond_late_is_the_next_day() -> None:
    late_ns = utc_ns("2018-05-07T19:55:00") + 1
    assert next_time_of_day_ns(late_ns, FLATTEN_SECOND) == utc_ns("2018-05-08T19:55:00")


@pytest.mark.parametrize("second", [-1, 86_400])
def test_impossible_second_of_day(second: int) -> None:
    with pytest.raises(OurFault):
        next_time_of_day_ns(0, second)


@pytest.mark.parametrize(
    ("utc", "open_now", "opens"),
    [
        ("2018-05-07T13:30:00", True, "2018-05-07T13:30:00"),  # Monday, 09:30 in New York
        ("2018-05-07T20:59:59", True, "2018-05-07T20:59:59"),  # 16:59:59
        ("2018-05-07T21:00:00", False, "2018-05-07T22:00:00"),  # 17:00
        ("2018-05-07T22:00:00", True, "2018-05-07T22:00:00"),  # 18:00
        ("2018-05-11T21:00:00", False, "2018-05-13T22:00:00"),  # Friday 17:00
        ("2018-05-11T22:30:00", False, "2018-05-13T22:00:00"),  # Friday 18:30
        ("2018-05-12T12:00:00", False, "2018-05-13T22:00:00"),  # Saturday
        ("2018-05-13T21:59:59", False, "2018-05-13T22:00:00"),  # Sunday 17:59:59
        ("2018-05-13T22:00:00", True, "2018-05-13T22:00:00"),  # Sunday 18:00
        ("2018-11-04T12:00:00", False, "2018-11-04T23:00:00"),  # the Sunday of the change
    ],
)
def test_the_hours_of_a_week(utc: str, open_now: bool, opens: str) -> None:
    assert is_open(utc_ns(utc)) is open_now
    assert next_open_ns(utc_ns(utc)) == utc_ns(opens)
