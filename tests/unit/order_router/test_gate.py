"""The gate alone, each refusal at its exact boundary."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proto_schemas.enums import Mode
from proto_schemas.signals import Approval
from services.order_router.gate import (
    SIZE_CAP_LOTS,
    GateState,
    LeaseState,
    Refusal,
    check_gate,
    sends_in_last_second,
    stricter,
    until_ns,
)
from shared.kernel.clock import SECOND, Now
from tests.unit.order_router.router_inputs import approval

LEASE_END = 1_000 * SECOND
INSIDE = LEASE_END - SECOND
LATER = 9_000 * SECOND


def gate(mode: Mode = Mode.NORMAL, control: Mode = Mode.NORMAL) -> GateState:
    return GateState(LeaseState(1, mode, LEASE_END), control)


def entry(**changes: object) -> Approval:
    return replace(approval(expires_ns=LATER), **changes)  # type: ignore[arg-type]


def judge(
    state: GateState, wanted: Approval, boot_ns: int = INSIDE, blocked: Refusal | None = None
) -> Refusal | None:
    return check_gate(state, wanted, blocked, 3, Now(0, boot_ns))


def test_a_gate_that_was_never_opened_is_shut() -> None:
    refusal = judge(GateState(), entry(), 1)
    assert refusal == Refusal("LEASE_EXPIRED", "0", "1")


def test_the_lease_ends_at_its_nanosecond() -> None:
    assert judge(gate(), entry(), LEASE_END - 1) is None
    assert judge(gate(), entry(), LEASE_END) == Refusal(
        "LEASE_EXPIRED", str(LEASE_END), str(LEASE_END)
    )


@pytest.mark.parametrize("source", ["lease", "control"])
def test_halt_lets_nothing_out_not_even_an_exit(source: str) -> None:
    state = gate(Mode.HALT) if source == "lease" else gate(control=Mode.HALT)
    for reduce_only in (False, True):
        assert judge(state, entry(reduce_only=reduce_only)) == Refusal(
            "MODE_HALT", "NORMAL", "HALT"
        )


@pytest.mark.parametrize("source", ["lease", "control"])
def test_reduce_only_lets_exits_out_and_no_entries(source: str) -> None:
    mode = Mode.REDUCE_ONLY
    state = gate(mode) if source == "lease" else gate(control=mode)
    assert judge(state, entry(reduce_only=True)) is None
    assert judge(state, entry()) == Refusal("MODE_REDUCE_ONLY", "reduce_only", "entry")


@pytest.mark.parametrize("one", list(Mode))
@pytest.mark.parametrize("other", list(Mode))
def test_of_lease_and_control_the_stricter_counts(one: Mode, other: Mode) -> None:
    allows = {Mode.NORMAL: 2, Mode.REDUCE_ONLY: 1, Mode.HALT: 0}
    assert allows[stricter(one, other)] == min(allows[one], allows[other])


def test_an_approval_is_good_up_to_its_last_nanosecond() -> None:
    wanted = entry(expires_ns=INSIDE)
    assert judge(gate(), wanted, INSIDE) is None
    assert judge(gate(), wanted, INSIDE + 1) == Refusal("EXPIRED", str(INSIDE), str(INSIDE + 1))


def test_the_size_cap_is_the_largest_order_that_passes() -> None:
    assert judge(gate(), entry(quantity_lots=SIZE_CAP_LOTS)) is None
    assert judge(gate(), entry(quantity_lots=SIZE_CAP_LOTS + 1)) == Refusal(
        "SIZE_CAP", str(SIZE_CAP_LOTS), str(SIZE_CAP_LOTS + 1)
    )


def test_the_rate_counts_the_orders_of_the_last_second() -> None:
    state = gate()
    state.sends_ns.extend([INSIDE - SECOND + 1, INSIDE, INSIDE])
    assert judge(state, entry()) == Refusal("ORDER_RATE", "3", "3")
    assert len(state.sends_ns) == 3
    assert judge(state, entry(), INSIDE + 1) is None
    assert list(state.sends_ns) == [INSIDE, INSIDE]


def test_sends_are_forgotten_after_exactly_one_second() -> None:
    state = gate()
    state.sends_ns.append(5)
    assert sends_in_last_second(state, Now(0, SECOND + 4)) == 1
    assert sends_in_last_second(state, Now(0, SECOND + 5)) == 0


def test_the_sessions_own_objection_shuts_the_gate() -> None:
    objection = Refusal("BROKER_NOT_READY", "snapshot", "none")
    assert judge(gate(), entry(), blocked=objection) is objection


@pytest.mark.parametrize(
    ("lease_ns", "approval_ns", "first"), [(10, 20, 10), (20, 10, 10), (10, 10, 10)]
)
def test_an_order_may_leave_until_lease_or_approval_ends(
    lease_ns: int, approval_ns: int, first: int
) -> None:
    state = GateState(LeaseState(1, Mode.NORMAL, lease_ns))
    assert until_ns(state, entry(expires_ns=approval_ns)) == first
