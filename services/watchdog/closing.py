"""How everything is closed, at a session's end and after a kill: the phases from REVOKING to FLAT.

REVOKING. No lease is granted, and the router is told to shut its gate. When it confirms, nothing
leaves it any more; what it names as in flight has the longest wire delay to arrive. A router that
does not confirm within a lease's life has no lease any more; after a kill it is also fenced, that
is, its process is ended, because a paused one may wake up between its last look at the clock and
its socket.

FLATTENING and VERIFYING follow the three laws of `flatten.py`, on snapshots of our own session.
FLAT asks for a last reconcile; after a kill it goes on looking, and closes what still appears.
"""

from __future__ import annotations

from proto_schemas.broker import BrokerOrder, BrokerSnapshot, CancelOthers, NewOrder
from proto_schemas.control import GateClose, GateClosed
from proto_schemas.enums import OrderType, SessionPhase
from services.watchdog.announce import enter, show_account
from services.watchdog.config import WatchdogConfig
from services.watchdog.flatten import Close, Flattening
from services.watchdog.reconciling import reconcile
from services.watchdog.state import LOOKING, WatchdogState
from shared.brokers.session import BROKER
from shared.kernel.clock import MS, SECOND, Now
from shared.kernel.ids import ORIGIN_WATCHDOG, client_order_id
from shared.kernel.order_states import is_live
from shared.kernel.outputs import Fence, Log, Output, Request, Send, SetTimer

NAME = "watchdog"
ROUTER = "order_router"
LOOK_EVERY_NS = 50 * MS
WATCH_EVERY_NS = SECOND
CANCEL_AGAIN_NS = 200 * MS
OTHERS_PATIENCE_NS = 5 * SECOND


def revoke(state: WatchdogState, config: WatchdogConfig, reason: str, now: Now) -> list[Output]:
    """Grant no lease any more, shut the gate, and wait until nothing can arrive any more."""
    state.flat = state.reconciled = False
    state.plan = Flattening()
    state.others_since_ns = None
    state.reconcile_floor = state.reconcile_id
    state.gate_id += 1
    lease_over_ns = now.boot_ns + config.lease_ttl_ns
    close = Request(ROUTER, GateClose(state.gate_id), expires_ns=lease_over_ns)
    entered = enter(state, SessionPhase.REVOKING, reason, now)
    return [*entered, close, SetTimer("lease_over", lease_over_ns)]


def gate_closed(
    state: WatchdogState, config: WatchdogConfig, body: GateClosed, now: Now
) -> list[Output]:
    """The router has confirmed: only what is in flight may still arrive."""
    if body.gate_id != state.gate_id or state.phase is not SessionPhase.REVOKING:
        return []
    line = Log("gate_closed", {"by": "router", "in_flight": len(body.in_flight)})
    if not body.in_flight:
        return [line, *begin_flattening(state, now)]
    return [line, SetTimer("wire_drained", now.boot_ns + config.wire_delay_ns)]


def lease_over(state: WatchdogState, config: WatchdogConfig, now: Now) -> list[Output]:
    """The last lease has run out and the router has not confirmed."""
    fence: list[Output] = [Fence(ROUTER)] if state.latch is not None else []
    line = Log("gate_closed", {"by": "lease", "in_flight": None}, "warning")
    return [*fence, line, SetTimer("wire_drained", now.boot_ns + config.wire_delay_ns)]


def begin_flattening(state: WatchdogState, now: Now) -> list[Output]:
    """Nobody else can send any more: cancel what still lives, then look."""
    entered = enter(state, SessionPhase.FLATTENING, state.reason, now)
    return [*entered, Send(BROKER, CancelOthers(NAME)), *look(state, now)]


def looking(state: WatchdogState) -> bool:
    """True while snapshots lead to closing orders."""
    held = state.phase is SessionPhase.FLAT and state.latch is not None
    return held or state.phase in LOOKING


def look(state: WatchdogState, now: Now) -> list[Output]:
    """Ask for the account again, soon; after a kill for as long as it holds, but slowly."""
    flat = state.phase is SessionPhase.FLAT
    every_ns = WATCH_EVERY_NS if flat else LOOK_EVERY_NS
    return [*state.session.ask_again(now), SetTimer("look", now.boot_ns + every_ns)]


def flatten(
    state: WatchdogState, config: WatchdogConfig, body: BrokerSnapshot, now: Now
) -> list[Output]:
    """One accepted look at the account, and what follows from it."""
    plan, settle_ns, session = state.plan, config.report_lag_ns, state.session
    others = [o for o in body.orders if is_live(o.state) and o.session != NAME]
    again = _cancel_again(state, others, now)
    if _must_wait(state, others, body, now):
        return again
    closes = plan.look(session.with_unseen(body), session.snapshot_asked_ns, settle_ns, now)
    if closes is None:
        return again
    if closes:
        outputs = again + enter(state, SessionPhase.FLATTENING, state.reason, now)
        for close in closes:
            outputs += _send_close(state, config, close, now)
        return outputs
    if state.phase is SessionPhase.FLAT:
        return again
    if plan.proven_flat(settle_ns, now):
        state.flat, state.reconciled = True, False  # the last reconcile comes now
        state.reconcile_floor = state.reconcile_id
        flat = enter(state, SessionPhase.FLAT, state.reason, now)
        return [*show_account(state, now), *flat, *reconcile(state, now)]
    if state.phase is SessionPhase.FLATTENING and plan.view == ((), ()):
        return enter(state, SessionPhase.VERIFYING, state.reason, now)
    return []


def _cancel_again(state: WatchdogState, others: list[BrokerOrder], now: Now) -> list[Output]:
    """Orders of others still live: our cancel was lost, or they appeared only now."""
    if not others:
        state.others_since_ns = None
        return []
    if state.others_since_ns is None:
        state.others_since_ns = now.boot_ns
    elif now.boot_ns - state.cancelled_ns < CANCEL_AGAIN_NS:
        return []
    state.cancelled_ns = now.boot_ns
    return [Send(BROKER, CancelOthers(NAME))]


def _must_wait(
    state: WatchdogState, others: list[BrokerOrder], body: BrokerSnapshot, now: Now
) -> bool:
    """One that rests on the opening side could trade after our close and open a position again.

    So closing waits for its end, but not for ever: a broker that does not cancel must not keep us
    exposed. Those on the closing side are counted by the planner.
    """
    held = {position.instrument: position.position_lots for position in body.positions}
    opening = any(held.get(each.instrument, 0) * each.side.sign >= 0 for each in others)
    waited_ns = now.boot_ns - (state.others_since_ns or now.boot_ns)
    return opening and waited_ns <= OTHERS_PATIENCE_NS


def _send_close(
    state: WatchdogState, config: WatchdogConfig, close: Close, now: Now
) -> list[Output]:
    state.orders_made += 1
    order_id = client_order_id(state.install_id, ORIGIN_WATCHDOG, state.epoch, state.orders_made)
    side, lots = close.side, close.quantity_lots
    order = NewOrder(NAME, order_id, close.instrument, side, lots, OrderType.MARKET, True)
    owner = state.owners.get(close.instrument, NAME)
    correlation = f"{NAME}-{state.epoch}-{state.orders_made}"
    until_ns = now.boot_ns + config.report_lag_ns
    return state.session.submit(order, owner, correlation, until_ns, now)
