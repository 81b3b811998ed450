"""The gate: the last decision before an order leaves for the broker. Small, pure, and tested alone.

Everything before it may have failed, been replayed, been paused or lied; so the gate trusts none
of it and looks again at what costs money: is there a lease that still runs, does it allow this,
is the approval fresh and unspent, is the size sane, are we sending too fast, is the session with
the broker complete, and is there an order of which nobody knows whether it lives.

The gate cannot see what happens after it: the process may be paused between this check and the
send. So what it passes carries a deadline (`until_ns`), and the host refuses to send behind it.
What then remains is the time between the host's look at the clock and the socket.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from proto_schemas.enums import Mode
from proto_schemas.signals import Approval
from shared.kernel.clock import SECOND, Now

SIZE_CAP_LOTS = 1_000
"""Above every stage's ceiling in the risk engine: a second wall, not the first."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the gate stays shut: fixed code, limit and value for the log."""

    code: str
    limit: str
    value: str


@dataclass(slots=True)
class LeaseState:
    """The lease as the router holds it. `until_ns` counts from when the request was sent."""

    epoch: int = 0
    mode: Mode = Mode.HALT
    until_ns: int = 0
    next_nonce: int = 1
    asked_ns: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class GateState:
    """What the gate looks at besides the approval.

    `control` is the watchdog's broadcast, heard sooner than the next lease; it can only take away.
    """

    lease: LeaseState = field(default_factory=LeaseState)
    control: Mode = Mode.NORMAL
    sends_ns: deque[int] = field(default_factory=deque)


def check_gate(
    gate: GateState, approval: Approval, blocked: Refusal | None, rate_max: int, now: Now
) -> Refusal | None:
    """Return why this order must not leave, or None. `blocked` is the session's own objection."""
    lease, mode = gate.lease, stricter(gate.lease.mode, gate.control)
    if now.boot_ns >= lease.until_ns:
        return Refusal("LEASE_EXPIRED", str(lease.until_ns), str(now.boot_ns))
    if mode is Mode.HALT:
        return Refusal("MODE_HALT", "NORMAL", str(mode))
    if mode is Mode.REDUCE_ONLY and not approval.reduce_only:
        return Refusal("MODE_REDUCE_ONLY", "reduce_only", "entry")
    if now.boot_ns > approval.expires_ns:
        return Refusal("EXPIRED", str(approval.expires_ns), str(now.boot_ns))
    if approval.quantity_lots > SIZE_CAP_LOTS:
        return Refusal("SIZE_CAP", str(SIZE_CAP_LOTS), str(approval.quantity_lots))
    if sends_in_last_second(gate, now) >= rate_max:
        return Refusal("ORDER_RATE", str(rate_max), str(len(gate.sends_ns)))
    return blocked


def is_open(gate: GateState, now: Now) -> bool:
    """Whether anything may leave at all."""
    shut = stricter(gate.lease.mode, gate.control) is Mode.HALT
    return not shut and now.boot_ns < gate.lease.until_ns


def until_ns(gate: GateState, approval: Approval) -> int:
    """Boot time after which an order that passed must not leave any more."""
    return min(gate.lease.until_ns, approval.expires_ns)


def stricter(one: Mode, other: Mode) -> Mode:
    """The mode that allows less."""
    order = (Mode.NORMAL, Mode.REDUCE_ONLY, Mode.HALT)
    return max(one, other, key=order.index)


def sends_in_last_second(gate: GateState, now: Now) -> int:
    """Orders sent in the last second of boot time; forgets older ones."""
    while gate.sends_ns and gate.sends_ns[0] <= now.boot_ns - SECOND:
        gate.sends_ns.popleft()
    return len(gate.sends_ns)
