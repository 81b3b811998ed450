"""When a row is awaited: so that a silent feed wakes a person in market hours and not at night."""

from __future__ import annotations

from proto_schemas.enums import Mode
from shared.kernel.clock import MINUTE, SECOND, Now
from shared.kernel.readings import Readings
from shared.markets import next_time_of_day_ns
from tests.unit.market_data.ingestor_desk import START_NS, Desk, desk

AWAITED, STALE = ("bulkhead_feed_awaited",), ("bulkhead_feed_stale",)
AGE, CREDIT = ("bulkhead_feed_age_seconds",), ("bulkhead_feed_credit_rows",)
DAY_NS = 24 * 60 * MINUTE


def shown(made: Desk, stream_ns: int = START_NS) -> Readings:
    return made.core.readings(Now(stream_ns, made.boot_ns))


def after_a_row(second: int) -> Desk:
    """The last row came `second` seconds ago."""
    made = desk()
    made.row(1)
    made.boot_ns += second * SECOND
    return made


def test_a_row_is_awaited_while_the_feed_may_send_and_the_market_is_open() -> None:
    seen = shown(after_a_row(20))
    assert (seen[AWAITED], seen[CREDIT], seen[AGE]) == (1, 7, 20 * SECOND)


def test_none_is_awaited_for_want_of_credit_and_after_the_end() -> None:
    made = desk(credit_events=2)
    made.rows(1, 2)
    assert shown(made)[AWAITED] == 0, "the strategy has not handled them yet"
    made.progress(2)
    assert shown(made)[AWAITED] == 1
    made.end(3)
    assert shown(made)[AWAITED] == 0


def test_none_is_awaited_before_the_first_permission() -> None:
    made = Desk()
    made.start()
    assert shown(made)[AWAITED] == 0 and shown(made)[STALE] == 1
    made.control(Mode.NORMAL)
    assert shown(made)[AWAITED] == 1


def test_the_markets_clock_goes_on_while_the_feed_is_silent() -> None:
    to_close_ns = _until_new_york(17 * 3_600)
    made = desk()
    made.row(1, after_ns=to_close_ns - SECOND)
    last_row_ns = START_NS + to_close_ns - SECOND
    assert shown(made, last_row_ns)[AWAITED] == 1
    made.boot_ns += 2 * SECOND
    assert shown(made, last_row_ns)[AWAITED] == 0, "the break has begun"
    made.boot_ns += 61 * MINUTE
    assert shown(made, last_row_ns)[AWAITED] == 1, "and it is over"


def test_a_weekend_is_no_outage() -> None:
    saturday_ns = START_NS + next(
        days * DAY_NS for days in range(7) if (START_NS // DAY_NS + days + 4) % 7 == 6
    )
    made = after_a_row(3_600)
    assert shown(made, saturday_ns)[AWAITED] == 0


def _until_new_york(second_of_day: int) -> int:
    return next_time_of_day_ns(START_NS, second_of_day) - START_NS
