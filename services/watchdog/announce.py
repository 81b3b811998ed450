"""What the watchdog tells everybody: its standing order, and what it sees of the account."""

from __future__ import annotations

from proto_schemas.control import AccountView, Control
from proto_schemas.enums import SessionPhase
from services.watchdog.state import WatchdogState, mode
from shared.kernel.clock import SECOND, Now
from shared.kernel.order_states import is_live
from shared.kernel.outputs import Log, Output, Publish, SetTimer

CONTROL_EVERY_NS = SECOND


def publish_control(state: WatchdogState, now: Now) -> list[Output]:
    """Say it now, and again in a second."""
    control = Control(
        state.epoch,
        mode(state),
        state.phase,
        state.reason,
        state.flat,
        state.reconciled,
        state.latch.kill_id if state.latch else None,
    )
    return [Publish(control), SetTimer("control", now.boot_ns + CONTROL_EVERY_NS)]


def enter(state: WatchdogState, phase: SessionPhase, reason: str, now: Now) -> list[Output]:
    """Move to another phase and say so."""
    state.phase, state.reason = phase, reason
    line = Log("session_phase", {"phase": str(phase), "reason": reason})
    return [line, *publish_control(state, now)]


def show_account(state: WatchdogState, now: Now) -> list[Output]:
    """The account as our own session saw it last, at most once a second unless it changed."""
    seen = state.session.snapshot
    if seen is None:
        return []
    state.account_shown_ns = now.boot_ns
    live = sum(is_live(order.state) for order in seen.orders)
    return [Publish(AccountView(seen.positions, live, state.session.snapshot_asked_ns))]
