"""How the ingestor paces a recorded feed by the watchdog's word, and what it never does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from proto_schemas.enums import FeedState, Mode
from proto_schemas.market_data import FeedCredit, FeedOpen
from services.market_data.core import (
    SECOND_TIMER,
    STALE_TIMER,
    TRICKLE_EVERY_NS,
    TRICKLE_ROWS,
    TRICKLE_TIMER,
    MarketDataCore,
)
from shared.kernel.clock import SECOND
from shared.kernel.outputs import Output
from shared.kernel.state import state_hash
from tests.unit.market_data.ingestor_desk import Desk, credits_in, desk, sent, state_of, timers

ALLOWED = (Mode.NORMAL, Mode.REDUCE_ONLY)


def waiting() -> Desk:
    """Started; nobody has permitted anything yet."""
    made = Desk()
    made.start()
    return made


def halted(credit_events: int = 100) -> Desk:
    """Ten rows were handled, then the session began to end."""
    made = desk(credit_events=credit_events)
    made.rows(1, 10)
    made.control(Mode.HALT)
    return made


# --- the start of a run -------------------------------------------------------------------------


def test_before_the_first_permission_nothing_gives_credit() -> None:
    made = waiting()
    outputs = made.venue_up() + made.progress(0) + made.control(Mode.HALT)
    for name in (SECOND_TIMER, TRICKLE_TIMER, STALE_TIMER):
        outputs += made.take(name)
    assert set(credits_in(outputs)) == {0}
    assert state_of(outputs) == [FeedState.STALE], "only the repeated status"


def test_the_watchdogs_first_word_may_be_halt_and_changes_nothing() -> None:
    made = waiting()
    assert made.control(Mode.HALT) == []
    assert made.control(Mode.HALT) == []
    assert sent(made.control(Mode.NORMAL)) == [FeedOpen(0, 8)]


@pytest.mark.parametrize("mode", ALLOWED)
def test_the_first_permission_opens_the_feed_with_the_whole_window(mode: Mode) -> None:
    made = waiting()
    assert sent(made.control(mode)) == [FeedOpen(0, 8)]
    assert made.control(mode) == [], "the word is repeated every second and heard once"


def test_a_wait_at_the_start_is_not_held_against_the_feed() -> None:
    made = waiting()
    made.boot_ns += 60 * SECOND
    assert state_of(made.take(STALE_TIMER)) == []
    made.control()
    made.boot_ns += SECOND
    made.row(1)
    made.boot_ns += 5 * SECOND - 1
    assert state_of(made.take(STALE_TIMER)) == []
    made.boot_ns += 1
    assert state_of(made.take(STALE_TIMER)) == [FeedState.STALE]


# --- a session ends -----------------------------------------------------------------------------


def test_halt_takes_no_credit_back_and_starts_the_trickle() -> None:
    made = desk(credit_events=100)
    made.rows(1, 10)
    outputs = made.control(Mode.HALT)
    assert sent(outputs) == []
    assert timers(outputs) == {TRICKLE_TIMER: made.boot_ns + TRICKLE_EVERY_NS}
    assert sent(made.take(SECOND_TIMER)) == [FeedCredit(100)]
    assert sent(made.take(TRICKLE_TIMER)) == [FeedCredit(100)]


def test_a_halted_feed_goes_on_by_five_rows_in_each_twentieth_of_a_second() -> None:
    made = halted(credit_events=10)
    made.progress(10)
    for last in (10, 15, 20):
        outputs = made.take(TRICKLE_TIMER)
        assert sent(outputs) == [FeedCredit(last + TRICKLE_ROWS)]
        assert timers(outputs) == {TRICKLE_TIMER: made.boot_ns + TRICKLE_EVERY_NS}
        made.rows(last + 1, last + TRICKLE_ROWS)
        made.progress(last + TRICKLE_ROWS)
        made.boot_ns += TRICKLE_EVERY_NS


def test_rows_that_were_not_used_do_not_add_up() -> None:
    made = halted(credit_events=10)
    made.progress(10)
    assert [credits_in(made.take(TRICKLE_TIMER)) for _ in range(20)] == [[15]] * 20


def test_while_halted_progress_alone_gives_no_credit() -> None:
    made = halted(credit_events=10)
    assert sent(made.progress(10)) == []
    assert sent(made.take(SECOND_TIMER)) == [FeedCredit(10)]
    assert sent(made.take(SECOND_TIMER) + made.venue_up(2)) == [FeedOpen(10, 10)] * 2


def test_the_trickle_stops_at_the_window_of_a_consumer_that_stands_still() -> None:
    made = halted(credit_events=12)
    assert sent(made.take(TRICKLE_TIMER)) == [FeedCredit(12)]
    made.rows(11, 12)
    assert sent(made.take(TRICKLE_TIMER)) == [FeedCredit(12)]
    made.progress(3)
    assert sent(made.take(TRICKLE_TIMER)) == [FeedCredit(15)]


def test_waiting_for_the_trickle_is_not_held_against_the_feed() -> None:
    """At the end of the window nothing could come; the time counts from the credit that lets it."""
    made = halted(credit_events=10)
    made.boot_ns += 60 * SECOND
    assert state_of(made.take(STALE_TIMER)) == []
    made.progress(10)
    made.boot_ns += 60 * SECOND
    assert sent(made.take(TRICKLE_TIMER)) == [FeedCredit(15)]
    assert state_of(made.take(STALE_TIMER)) == [], "the row is allowed since this moment only"
    made.boot_ns += 5 * SECOND - 1
    assert state_of(made.take(STALE_TIMER)) == []
    made.boot_ns += 1
    assert state_of(made.take(STALE_TIMER)) == [FeedState.STALE]


def test_a_trickle_that_gives_nothing_new_does_not_hide_a_stale_feed() -> None:
    made = halted(credit_events=12)
    for _ in range(200):
        made.boot_ns += TRICKLE_EVERY_NS
        made.take(TRICKLE_TIMER)
    assert state_of(made.take(STALE_TIMER)) == [FeedState.STALE]


def test_a_lost_row_is_asked_for_again_while_halted_too() -> None:
    made = halted(credit_events=12)
    assert sent(made.row(12)) == [FeedOpen(10, 12)]


@pytest.mark.parametrize("mode", ALLOWED)
def test_permission_brings_back_full_speed_and_ends_the_trickle(mode: Mode) -> None:
    made = halted(credit_events=12)
    made.progress(10)
    made.take(TRICKLE_TIMER)
    assert sent(made.control(mode)) == [FeedOpen(10, 22)]
    assert made.take(TRICKLE_TIMER) == []
    made.rows(11, 15)
    assert sent(made.progress(13)) == [FeedCredit(25)]


def test_a_second_session_end_trickles_like_the_first() -> None:
    made = halted(credit_events=10)
    made.control(Mode.NORMAL)
    made.control(Mode.HALT)
    made.progress(10)
    assert sent(made.take(TRICKLE_TIMER)) == [FeedCredit(15)]


def test_a_halted_feed_that_trickles_out_ends_like_any_other() -> None:
    made = halted(credit_events=12)
    assert state_of(made.end(11)) == [FeedState.ENDED]
    outputs = made.take(TRICKLE_TIMER) + made.control(Mode.NORMAL) + made.control(Mode.HALT)
    assert outputs == []


# --- a restart in each state --------------------------------------------------------------------


def test_a_restart_before_the_first_permission_goes_on_waiting() -> None:
    made = waiting()
    outputs = made.start(epoch=2)
    assert sent(outputs) == [FeedOpen(0, 0)]
    assert set(timers(outputs)) == {SECOND_TIMER, STALE_TIMER, TRICKLE_TIMER}
    assert made.take(TRICKLE_TIMER) == []
    assert sent(made.control()) == [FeedOpen(0, 8)]
    assert timers(made.control(Mode.HALT)) == {TRICKLE_TIMER: made.boot_ns + TRICKLE_EVERY_NS}


def test_a_restart_at_full_speed_goes_on_at_full_speed_and_can_still_be_halted() -> None:
    made = desk(credit_events=10)
    made.rows(1, 10)
    made.progress(10)
    outputs = made.start(epoch=2)
    assert sent(outputs) == [FeedOpen(10, 20)]
    assert set(timers(outputs)) == {SECOND_TIMER, STALE_TIMER, TRICKLE_TIMER}
    assert made.take(TRICKLE_TIMER) == []
    assert timers(made.control(Mode.HALT)) == {TRICKLE_TIMER: made.boot_ns + TRICKLE_EVERY_NS}


def test_a_restart_while_halted_goes_on_trickling() -> None:
    made = halted(credit_events=10)
    made.progress(10)
    outputs = made.start(epoch=2)
    assert sent(outputs) == [FeedOpen(10, 10)]
    assert set(timers(outputs)) == {SECOND_TIMER, STALE_TIMER, TRICKLE_TIMER}
    trickled = made.take(TRICKLE_TIMER)
    assert sent(trickled) == [FeedCredit(15)]
    assert timers(trickled) == {TRICKLE_TIMER: made.boot_ns + TRICKLE_EVERY_NS}
    assert made.control(Mode.HALT) == [], "the word is no news after a restart either"


# --- whatever happens ---------------------------------------------------------------------------


class AnyOrder(RuleBasedStateMachine):
    """Permissions, progress, rows, timers and restarts in any order, beside a naive venue."""

    WINDOW = 12

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk(self.WINDOW)
        self.told: list[int] = []
        self.served = 0
        self.progressed = 0
        self.epoch = 0
        self.permitted = False
        self.allowed = False
        self.restart()

    def hear(self, outputs: list[Output]) -> None:
        """Note what the venue is told."""
        self.told += credits_in(outputs)

    @rule()
    def restart(self) -> None:
        self.epoch += 1
        outputs = self.desk.start(self.epoch)
        assert set(timers(outputs)) == {SECOND_TIMER, STALE_TIMER, TRICKLE_TIMER}
        self.hear(outputs)

    @rule(mode=st.sampled_from(Mode))
    def control(self, mode: Mode) -> None:
        self.allowed = mode is not Mode.HALT
        self.permitted |= self.allowed
        self.hear(self.desk.control(mode))

    @rule(rows=st.integers(1, 20))
    def serve(self, rows: int) -> None:
        """The venue serves up to the credit, like the real one."""
        for _ in range(min(rows, max(self.told) - self.served)):
            self.served += 1
            self.hear(self.desk.row(self.served))

    @rule(behind=st.integers(0, 15))
    def progress(self, behind: int) -> None:
        seen = max(0, self.served - behind)
        self.progressed = max(self.progressed, seen)
        self.hear(self.desk.progress(seen))

    @rule(name=st.sampled_from((SECOND_TIMER, STALE_TIMER, TRICKLE_TIMER)))
    def timer(self, name: str) -> None:
        before = max(self.told)
        self.hear(self.desk.take(name))
        if not self.allowed and name == TRICKLE_TIMER:
            assert max(self.told) <= max(before, self.served + TRICKLE_ROWS)

    @rule()
    def venue_comes_back(self) -> None:
        self.hear(self.desk.venue_up(self.epoch))

    @rule()
    def permitted_rows_always_come_again(self) -> None:
        """However it stands: with permission and a consumer that keeps up, the feed runs."""
        self.control(Mode.NORMAL)
        self.progress(0)
        self.timer(SECOND_TIMER)
        assert max(self.told) == self.served + self.WINDOW

    @invariant()
    def credit_never_falls(self) -> None:
        assert self.told == sorted(self.told)

    @invariant()
    def credit_is_never_more_than_the_window(self) -> None:
        assert self.told[-1] <= self.progressed + self.WINDOW

    @invariant()
    def nothing_runs_before_the_first_permission(self) -> None:
        assert self.permitted or self.told[-1] == 0

    def teardown(self) -> None:
        twin: Any = MarketDataCore(self.desk.core.config)
        for made, moment in self.desk.inputs:
            twin.handle(made, moment)
        assert state_hash(twin.state()) == state_hash(self.desk.core.state())


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
