"""The lease as the router holds it: pulled with a nonce, counted from the question."""

from __future__ import annotations

from proto_schemas.control import Lease, LeaseRequest, TimerFired
from proto_schemas.enums import Mode
from services.order_router.core import LEASE_TIMER, NAME, NONCES_MAX
from shared.kernel.clock import MS
from shared.kernel.outputs import Send, SetTimer
from tests.support import started
from tests.unit.order_router.router_inputs import (
    BOOT,
    CONFIG,
    TTL,
    account,
    approval,
    at,
    control,
    give,
    grant,
    hear,
    nonces,
    open_core,
    passed,
    refused,
    started_core,
)


def test_a_new_life_asks_at_once_and_again_every_quarter_second() -> None:
    core, first = started_core()
    outputs = give(core, TimerFired(LEASE_TIMER), 250)
    (nonce,) = nonces(outputs)
    assert nonce > first
    assert outputs == [
        Send("watchdog", LeaseRequest(nonce)),
        SetTimer(LEASE_TIMER, at(250).boot_ns + CONFIG.lease_ask_every_ns),
    ]


def test_without_an_answer_nothing_leaves() -> None:
    core, _ = started_core()
    hear(core, account())
    assert refused(core, approval()).code == "LEASE_EXPIRED"
    assert core.state_word() == "PAUSED"


def test_the_lease_counts_from_the_question_not_from_the_answer() -> None:
    core, nonce = started_core()
    hear(core, account())
    grant(core, nonce, milliseconds=900)
    passed(core, approval(1), 999)
    assert refused(core, approval(2), 1_000).code == "LEASE_EXPIRED"


def test_an_answer_counts_once() -> None:
    core, nonce = started_core()
    hear(core, account())
    grant(core, nonce, Mode.HALT)
    grant(core, nonce, Mode.NORMAL)
    assert refused(core, approval()).code == "MODE_HALT"


def test_an_older_answer_does_not_undo_a_newer_one() -> None:
    core = open_core()
    (older,) = nonces(give(core, TimerFired(LEASE_TIMER), 250))
    (newer,) = nonces(give(core, TimerFired(LEASE_TIMER), 500))
    grant(core, newer, Mode.HALT, 510)
    grant(core, older, Mode.NORMAL, 511)
    assert refused(core, approval(), 512).code == "MODE_HALT"


def test_an_answer_leaves_the_questions_after_it_open() -> None:
    core = open_core()
    (older,) = nonces(give(core, TimerFired(LEASE_TIMER), 250))
    (newer,) = nonces(give(core, TimerFired(LEASE_TIMER), 500))
    grant(core, older, Mode.NORMAL, 510)
    grant(core, newer, Mode.REDUCE_ONLY, 511)
    assert refused(core, approval(), 512).code == "MODE_REDUCE_ONLY"


def test_an_answer_to_no_question_counts_nothing() -> None:
    core, nonce = started_core()
    hear(core, account())
    grant(core, nonce + 1)
    assert refused(core, approval()).code == "LEASE_EXPIRED"


def test_an_answer_of_an_older_watchdog_is_ignored() -> None:
    core, first = started_core()
    hear(core, account())
    grant(core, first, Mode.HALT, epoch=3)
    (second,) = nonces(give(core, TimerFired(LEASE_TIMER), 1))
    grant(core, second, Mode.NORMAL, epoch=2, milliseconds=1)
    assert refused(core, approval(), 2).code == "MODE_HALT"
    (third,) = nonces(give(core, TimerFired(LEASE_TIMER), 3))
    grant(core, third, Mode.NORMAL, epoch=3, milliseconds=3)
    passed(core, approval(), 4)


def test_a_new_life_starts_without_lease_and_ignores_answers_to_the_old_one() -> None:
    core = open_core()
    (asked_before,) = nonces(give(core, TimerFired(LEASE_TIMER), 1))
    (fresh,) = nonces(core.handle(started(NAME, epoch=2), at(2)))
    hear(core, account(), 3)
    assert fresh > asked_before
    grant(core, asked_before, milliseconds=4)
    assert refused(core, approval(), 5).code == "LEASE_EXPIRED"
    grant(core, fresh, milliseconds=6)
    passed(core, approval(), 7)


def test_questions_without_answer_are_bounded_and_the_oldest_forgotten() -> None:
    core, first = started_core()
    hear(core, account())
    for _ in range(NONCES_MAX):
        give(core, TimerFired(LEASE_TIMER), 1)
    assert len(core.state().gate.lease.asked_ns) == NONCES_MAX
    grant(core, first)
    assert refused(core, approval(), 2).code == "LEASE_EXPIRED"


def test_a_halt_by_broadcast_shuts_at_once() -> None:
    core = open_core()
    assert give(core, control(Mode.HALT), 1) == []
    assert refused(core, approval(), 2).code == "MODE_HALT"
    assert core.state_word() == "PAUSED"


def test_a_broadcast_can_take_away_and_not_give() -> None:
    core = open_core(Mode.REDUCE_ONLY)
    give(core, control(Mode.NORMAL), 1)
    assert refused(core, approval(1), 2).code == "MODE_REDUCE_ONLY"
    passed(core, approval(2, reduce_only=True), 3)
    assert core.state_word() == "REDUCE_ONLY"


def test_a_milder_word_with_a_halt_lease_asks_at_once() -> None:
    core = open_core(Mode.HALT)
    (nonce,) = nonces(give(core, control(Mode.NORMAL), 5))
    assert refused(core, approval(), 6).code == "MODE_HALT"
    grant(core, nonce, milliseconds=7)
    passed(core, approval(), 8)
    assert give(core, control(Mode.NORMAL), 9) == []
    assert core.state_word() == "TRADING"


def test_an_order_carries_the_end_of_the_lease_it_passed_under() -> None:
    core = open_core()
    (nonce,) = nonces(give(core, TimerFired(LEASE_TIMER), 250))
    give(core, Lease(nonce, 1, Mode.NORMAL, TTL), 260)
    assert passed(core, approval(), 300).not_after_ns == BOOT + 250 * MS + TTL
