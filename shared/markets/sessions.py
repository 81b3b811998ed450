"""New York civil time and the exchange trading day, from UTC nanoseconds, in integers only.

Why by hand: cores are pure and may not ask a time zone database, and a tick needs its day in about
a microsecond. The US rule since 2007 is one line: daylight time from the second Sunday of March
02:00 to the first Sunday of November 02:00, local time.
Promises: equal to the tz database for 2008 to 2035 (property test).
Limits: holidays and early closes come later: a trading day here may be a day without a session.
Before 2007, or if the law changes, the offset is wrong by an hour for some weeks a year.
"""

from __future__ import annotations

from functools import lru_cache

from shared.kernel.check import check

SECONDS_PER_DAY = 86_400
SESSION_OPEN_SECOND = 18 * 3_600  # New York: here Globex starts the next trading day
SESSION_CLOSE_SECOND = 17 * 3_600
NANOS_PER_SECOND = 1_000_000_000

_EDT_BEHIND_S = 4 * 3_600
_EST_BEHIND_S = 5 * 3_600
_FRIDAY, _SATURDAY, _SUNDAY = 4, 5, 6  # Monday is 0


def new_york_day_and_second(stream_ns: int) -> tuple[int, int]:
    """Return (day number since 1970-01-01, second of that day) on New York's wall clock.

    `stream_ns` is UTC, ns since 1970-01-01; parts of a second are cut off.
    """
    utc_s = stream_ns // NANOS_PER_SECOND
    return divmod(utc_s - _behind_utc_s(utc_s), SECONDS_PER_DAY)


def trading_day(stream_ns: int) -> int:
    """Return the day number of the exchange trading day: the date on which the session closes.

    From 18:00 New York on, an event belongs to the next calendar day; a Saturday or Sunday that
    comes out (Friday evening to Sunday evening) means Monday.
    """
    day, second = new_york_day_and_second(stream_ns)
    if second >= SESSION_OPEN_SECOND:
        day += 1
    return day + {_SATURDAY: 2, _SUNDAY: 1}.get(_weekday(day), 0)


def is_open(stream_ns: int) -> bool:
    """True within the week's hours: Sunday 18:00 to Friday 17:00 New York, but for 17:00 to 18:00.

    Source: CME Globex hours of equity index futures. Holidays and early closes are not known here.
    """
    day, second = new_york_day_and_second(stream_ns)
    if SESSION_CLOSE_SECOND <= second < SESSION_OPEN_SECOND:
        return False
    weekday, evening = _weekday(day), second >= SESSION_OPEN_SECOND
    if weekday == _SUNDAY:
        return evening
    return weekday < _FRIDAY or (weekday == _FRIDAY and not evening)


def next_trading_day_ns(stream_ns: int) -> int:
    """Return the first UTC ns that belongs to a later trading day: 18:00 New York on this one's."""
    return _utc_s(trading_day(stream_ns), SESSION_OPEN_SECOND) * NANOS_PER_SECOND


def next_open_ns(stream_ns: int) -> int:
    """Return the first moment at or after this one at which the market is open."""
    while not is_open(stream_ns):
        stream_ns = next_time_of_day_ns(stream_ns + 1, SESSION_OPEN_SECOND)
    return stream_ns


def next_time_of_day_ns(stream_ns: int, second_of_day: int) -> int:
    """Return the first UTC ns at or after `stream_ns` when New York's clock shows that second.

    Each New York day has exactly one such instant, so that a daily timer fires once a day: a time
    that comes twice (November) means its first, a time that is skipped (March, 02:00-03:00) means
    one hour later on the wall clock. `second_of_day` is 0 to 86,399, else `OurFault`.
    """
    check(0 <= second_of_day < SECONDS_PER_DAY, "second_of_day is within a day", second_of_day)
    day, _ = new_york_day_and_second(stream_ns)
    today_ns = _utc_s(day, second_of_day) * NANOS_PER_SECOND
    if today_ns >= stream_ns:
        return today_ns
    return _utc_s(day + 1, second_of_day) * NANOS_PER_SECOND


def utc_ns_of_new_york(day: int, second_of_day: int) -> int:
    """Return the UTC ns at which New York's clock shows this second of this day.

    A time that comes twice (November) means its first.
    """
    return _utc_s(day, second_of_day) * NANOS_PER_SECOND


def format_day(day: int) -> str:
    """Write a day number since 1970-01-01 as `2018-05-07`."""
    year, month, day_of_month = _civil_from_day(day)
    return f"{year:04d}-{month:02d}-{day_of_month:02d}"


def _utc_s(day: int, second_of_day: int) -> int:
    """Turn a New York wall time into UTC seconds: daylight time if that is true then."""
    wall_s = day * SECONDS_PER_DAY + second_of_day
    if _behind_utc_s(wall_s + _EDT_BEHIND_S) == _EDT_BEHIND_S:
        return wall_s + _EDT_BEHIND_S
    return wall_s + _EST_BEHIND_S


def _behind_utc_s(utc_s: int) -> int:
    start_s, end_s = _daylight_bounds_utc_s(_civil_from_day(utc_s // SECONDS_PER_DAY)[0])
    return _EDT_BEHIND_S if start_s <= utc_s < end_s else _EST_BEHIND_S


@lru_cache(maxsize=64)
def _daylight_bounds_utc_s(year: int) -> tuple[int, int]:
    """Return the UTC seconds at which daylight time starts and ends in this year."""
    second_sunday = _first_sunday(_day_from_civil(year, 3, 1)) + 7
    first_sunday = _first_sunday(_day_from_civil(year, 11, 1))
    start_s = second_sunday * SECONDS_PER_DAY + 2 * 3_600 + _EST_BEHIND_S
    return start_s, first_sunday * SECONDS_PER_DAY + 2 * 3_600 + _EDT_BEHIND_S


def _first_sunday(day: int) -> int:
    """Return the first Sunday at or after this day."""
    return day + _SUNDAY - _weekday(day)


def _weekday(day: int) -> int:
    """Monday is 0; day 0, 1970-01-01, was a Thursday."""
    return (day + 3) % 7


def _day_from_civil(year: int, month: int, day_of_month: int) -> int:
    """Count days since 1970-01-01; years start in March here, so the leap day comes last."""
    shifted_year = year - (month <= 2)
    era, year_of_era = divmod(shifted_year, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day_of_month - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * 146_097 + day_of_era - 719_468


@lru_cache(maxsize=1_024)
def _civil_from_day(day: int) -> tuple[int, int, int]:
    """Return (year, month, day of month): the inverse of `_day_from_civil`."""
    era, day_of_era = divmod(day + 719_468, 146_097)
    gone = day_of_era // 1_460 - day_of_era // 36_524 + day_of_era // 146_096
    year_of_era = (day_of_era - gone) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    day_of_month = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = (shifted_month + 2) % 12 + 1
    return era * 400 + year_of_era + (month <= 2), month, day_of_month
