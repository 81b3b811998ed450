"""Shutting the gate: a router that confirms costs no time, one that does not is waited out."""

from __future__ import annotations

import pytest

from proto_schemas.control import GateClosed, KillRequest
from services.watchdog.closing import ROUTER
from shared.kernel.clock import MS
from shared.kernel.outputs import Log
from tests.unit.watchdog.fake_account import CONFIG, Kennel, kennel_with

LEASE_MS = CONFIG.lease_ttl_ns // MS
WIRE_MS = CONFIG.wire_delay_ns // MS
KILL = KillRequest("cli", "something is wrong")
DONE_MS = 5_000


def killed(in_flight: tuple[str, ...] | None) -> Kennel:
    kennel = kennel_with(4)
    kennel.in_flight = in_flight
    kennel.give(KILL, producer="cli-1")
    return kennel


def lines(kennel: Kennel, name: str) -> list[dict[str, object]]:
    flat = [each for outputs in kennel.outputs for each in outputs]
    return [each.fields for each in flat if isinstance(each, Log) and each.event == name]


def test_a_gate_confirmed_closed_with_nothing_on_its_way_is_closed_at_once() -> None:
    kennel = killed(in_flight=())
    assert kennel.phase == "FLATTENING"
    kennel.run_for(DONE_MS)
    assert (kennel.phase, kennel.fenced) == ("FLAT", [])
    assert lines(kennel, "gate_closed") == [{"by": "router", "in_flight": 0}]


def test_what_is_on_its_way_gets_the_time_of_the_wire_and_no_more() -> None:
    kennel = killed(in_flight=("an-order",))
    kennel.run_for(WIRE_MS - 1)
    assert (kennel.phase, kennel.orders) == ("REVOKING", [])
    kennel.run_for(1)
    assert kennel.phase == "FLATTENING"
    kennel.run_for(DONE_MS)
    assert (kennel.phase, kennel.fenced) == ("FLAT", [])


def test_a_router_that_does_not_confirm_is_fenced_when_its_lease_is_over() -> None:
    kennel = killed(in_flight=None)
    kennel.run_for(LEASE_MS - 1)
    assert kennel.fenced == []
    kennel.run_for(1)
    assert kennel.fenced == [ROUTER]
    kennel.run_for(WIRE_MS - 1)
    assert kennel.phase == "REVOKING"
    kennel.run_for(1)
    assert kennel.phase == "FLATTENING"
    assert lines(kennel, "fenced") == [{"peer": ROUTER, "outcome": "ENDED"}]


def test_a_session_that_ends_as_planned_fences_nobody() -> None:
    kennel = kennel_with(4)
    kennel.end_stream()
    kennel.run_for(DONE_MS)
    assert (kennel.phase, kennel.fenced) == ("CLOSED", [])


@pytest.mark.parametrize("in_flight", [(), ("an-order",)])
def test_an_answer_to_an_earlier_question_proves_nothing(in_flight: tuple[str, ...]) -> None:
    kennel = killed(in_flight=None)
    kennel.start()
    assert [gate.gate_id for gate in kennel.gates] == [1, 2]
    kennel.give(GateClosed(1, in_flight), producer=ROUTER)
    kennel.run_for(LEASE_MS + WIRE_MS - 1)
    assert kennel.phase == "REVOKING"


def test_an_answer_that_comes_too_late_moves_nothing_back() -> None:
    kennel = killed(in_flight=None)
    kennel.run_for(LEASE_MS + WIRE_MS + 10)
    assert kennel.phase == "FLATTENING"
    kennel.give(GateClosed(1, ("an-order",)), producer=ROUTER)
    kennel.run_for(DONE_MS)
    assert kennel.phase == "FLAT"
    assert sum(order.quantity_lots for order in kennel.orders) == 4


def test_a_confirmation_during_the_wait_for_the_wire_ends_it_only_with_nothing_on_its_way() -> None:
    kennel = killed(in_flight=None)
    kennel.run_for(LEASE_MS + 10)
    kennel.give(GateClosed(1, ()), producer=ROUTER)
    assert kennel.phase == "FLATTENING"
