"""What the router shows of itself: the lease, the gate, its broker session."""

from __future__ import annotations

from services.order_router.gate import GateState, is_open
from shared.brokers.session import LIVE_MAX, BrokerSession
from shared.kernel.clock import Now
from shared.kernel.readings import Readings, queue


def readings(session: BrokerSession, gate: GateState, now: Now) -> Readings:
    """Whether orders may leave, and what is on its way."""
    return {
        ("bulkhead_lease_left_seconds",): max(0, gate.lease.until_ns - now.boot_ns),
        ("bulkhead_gate_open",): int(is_open(gate, now)),
        ("bulkhead_broker_ready",): int(session.ready and not session.halted),
        ("bulkhead_orders_unknown",): len(session.unknown()),
        **queue("live_orders", len(session.live), LIVE_MAX),
    }
