"""Properties of `shared.markets`: exact prices, and New York time equal to the tz database."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.markets import (
    MONTH_LETTERS,
    PRODUCTS,
    PriceError,
    PriceReason,
    Product,
    format_day,
    new_york_day_and_second,
    next_time_of_day_ns,
    parse_contract,
    text_from_ticks,
    ticks_from_nanos,
    ticks_from_text,
    trading_day,
)

NEW_YORK = ZoneInfo("America/New_York")
EPOCH = date(1970, 1, 1)
FIRST_S = int(datetime(2008, 1, 1, tzinfo=UTC).timestamp())
LAST_S = int(datetime(2036, 1, 1, tzinfo=UTC).timestamp()) - 1

products = st.sampled_from(sorted(PRODUCTS.values(), key=lambda product: product.root))
stream_times_ns = st.integers(FIRST_S * 10**9, LAST_S * 10**9 + 999_999_999)


def wall(stream_ns: int) -> datetime:
    return datetime.fromtimestamp(stream_ns // 10**9, tz=UTC).astimezone(NEW_YORK)


def day_and_second(moment: datetime) -> tuple[int, int]:
    second = moment.hour * 3_600 + moment.minute * 60 + moment.second
    return (moment.date() - EPOCH).days, second


@given(products, st.integers(-(10**7), 10**7))
def test_price_text_round_trip(product: Product, price_ticks: int) -> None:
    text = text_from_ticks(product, price_ticks)
    assert ticks_from_text(product, text) == price_ticks
    assert ticks_from_nanos(product, price_ticks * product.tick_nanos) == price_ticks


@given(products, st.integers(-(10**7), 10**7), st.data())
def test_between_two_ticks_is_refused(
    product: Product, price_ticks: int, data: st.DataObject
) -> None:
    off_nanos = data.draw(st.integers(1, product.tick_nanos - 1))
    with pytest.raises(PriceError) as caught:
        ticks_from_nanos(product, price_ticks * product.tick_nanos + off_nanos)
    assert caught.value.reason is PriceReason.OFF_TICK


@given(products, st.text(max_size=12))
def test_any_text_is_exact_or_refused(product: Product, text: str) -> None:
    try:
        price_ticks = ticks_from_text(product, text)
    except PriceError:
        return
    assert ticks_from_text(product, text_from_ticks(product, price_ticks)) == price_ticks


@given(products, st.integers(0, 99), st.data())
def test_contract_code_round_trip(product: Product, year: int, data: st.DataObject) -> None:
    letter = data.draw(st.sampled_from(product.months))
    contract = parse_contract(f"{product.root}{letter}{year:02d}")
    assert contract.product is product
    assert (contract.month, contract.year) == (MONTH_LETTERS.index(letter) + 1, 2000 + year)


@settings(max_examples=500)
@given(stream_times_ns)
def test_new_york_time_is_that_of_the_tz_database(stream_ns: int) -> None:
    assert new_york_day_and_second(stream_ns) == day_and_second(wall(stream_ns))


@settings(max_examples=500)
@given(stream_times_ns)
def test_trading_day_is_the_close_date(stream_ns: int) -> None:
    moment = wall(stream_ns)
    day = moment.date() + timedelta(days=1 if moment.hour >= 18 else 0)
    while day.weekday() >= 5:
        day += timedelta(days=1)
    assert format_day(trading_day(stream_ns)) == day.isoformat()


@settings(max_examples=500)
@given(stream_times_ns, st.integers(0, 86_399))
def test_next_time_of_day_is_the_first_at_or_after(stream_ns: int, second: int) -> None:
    found_ns = next_time_of_day_ns(stream_ns, second)
    clock = timedelta(seconds=second)
    starts = [
        datetime.combine(wall(stream_ns).date(), datetime.min.time()) + timedelta(days=d)
        for d in (0, 1)
    ]
    wanted = [int((start + clock).replace(tzinfo=NEW_YORK).timestamp()) * 10**9 for start in starts]
    assert found_ns == min(ns for ns in wanted if ns >= stream_ns)
    assert next_time_of_day_ns(found_ns, second) == found_ns


def daylight_changes_s() -> list[int]:
    """Every UTC second in the span at which New York's offset changes, found by the hour."""
    hours = range(FIRST_S, LAST_S, 3_600)
    offsets = [wall(hour_s * 10**9).utcoffset() for hour_s in hours]
    return [hours[n] for n in range(1, len(offsets)) if offsets[n] != offsets[n - 1]]


def test_days_of_change_second_by_second() -> None:
    changes = daylight_changes_s()
    assert len(changes) == 2 * 28
    for change_s in changes:
        around = range(change_s - 86_400, change_s + 86_400, 97)
        for utc_s in (*range(change_s - 3, change_s + 4), *around):
            assert new_york_day_and_second(utc_s * 10**9) == day_and_second(wall(utc_s * 10**9))


def test_daily_timer_fires_once_a_day_across_changes() -> None:
    for second in (0, 5_400, 9_000, 57_000, 64_800):
        now_ns = FIRST_S * 10**9
        days = []
        for _ in range(800):
            now_ns = next_time_of_day_ns(now_ns, second)
            days.append(new_york_day_and_second(now_ns)[0])
            now_ns += 1
        assert all(later - day == 1 for day, later in itertools.pairwise(days))


@given(st.integers(0, 60_000))
def test_format_day_is_iso(day: int) -> None:
    assert format_day(day) == (EPOCH + timedelta(days=day)).isoformat()
