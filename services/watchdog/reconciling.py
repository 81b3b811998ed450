"""The watchdog's reconcile: it owns the timer, the router fetches, the ledger compares."""

from __future__ import annotations

from proto_schemas.enums import SessionPhase
from proto_schemas.ledger import ReconcileFetch, ReconcileReport
from services.watchdog.announce import enter, publish_control
from services.watchdog.config import WatchdogConfig
from services.watchdog.session_clock import arm_clock
from services.watchdog.state import WatchdogState
from shared.kernel.clock import MS, Now
from shared.kernel.outputs import Log, Output, Request, SetTimer

ROUTER = "order_router"
RECONCILE_RETRY_NS = 500 * MS


def reconcile(state: WatchdogState, now: Now) -> list[Output]:
    """Have the router fetch the account for the ledger, once our own news is in."""
    retry = SetTimer("reconcile", now.boot_ns + RECONCILE_RETRY_NS)
    if state.session.ledger_waiting:
        return [retry]
    state.reconcile_id += 1
    fetch = ReconcileFetch(state.reconcile_id)
    return [Request(ROUTER, fetch, expires_ns=now.boot_ns + RECONCILE_RETRY_NS), retry]


def on_report(
    state: WatchdogState, config: WatchdogConfig, report: ReconcileReport, now: Now
) -> list[Output]:
    """The ledger has compared: a clean one clears this life, and ends a session that is flat."""
    if report.reconcile_id <= state.reconcile_floor:
        return []  # of an earlier life, or from before this session's end
    fields = {"clean": report.clean, "breaks": len(report.breaks), "id": report.reconcile_id}
    line = Log("reconciled", {**fields}, "info" if report.clean else "error")
    state.reconciled = report.clean
    if not report.clean:
        return [line]
    later = SetTimer("reconcile", now.boot_ns + config.reconcile_every_ns)
    outputs: list[Output] = [line, later]
    if not state.cleared:
        state.cleared = True
        if state.phase is SessionPhase.OPEN:
            state.reason = "SESSION_OPEN"
        outputs += publish_control(state, now)
    if state.phase is SessionPhase.FLAT:
        outputs += after_flat(state, config, now)
    return outputs


def after_flat(state: WatchdogState, config: WatchdogConfig, now: Now) -> list[Output]:
    """Flat and reconciled: the end of the run, or the night until the next session."""
    if state.stream_ended:
        return enter(state, SessionPhase.CLOSED, state.reason, now)
    if not state.reopen_due or state.latch is not None:
        return publish_control(state, now)
    state.reopen_due = state.clock_armed = state.flat = False
    opened = enter(state, SessionPhase.OPEN, "SESSION_OPEN", now)
    return opened + arm_clock(state, config, now)
