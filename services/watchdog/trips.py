"""Trips: what pulls the kill switch without a person. One table; conditions are pure functions.

A trip has a condition, which says what is wrong or nothing, and a grace: only what stays wrong for
that long ends in a kill. Looked at four times a second while trading is open. Graces are of the
boot clock and start again with each life of the watchdog.

"Exposed" means that something could still lose money: a position or a live order, in the account
as we last saw it or in the ledger. Some things are an emergency only then.

What is not here: limits on orders and prices (risk and gate refuse those at once), and the death of
the watchdog itself, which shuts the gate and closes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from proto_schemas.control import PeerStatus
from proto_schemas.enums import FeedState, OrderState
from proto_schemas.ledger import OrderUpdate, PositionUpdate
from services.watchdog.config import WatchdogConfig
from services.watchdog.state import OPEN_PHASES, PeerSeen, WatchdogState
from shared.kernel.clock import MS, Now
from shared.kernel.order_states import is_live

LOOK_EVERY_NS = 250 * MS
MINDED = ("market_data", "strategy_engine", "risk_engine", "order_router", "order_state")
"""Whose absence matters while exposed. The venue is `broker_lost`; nobody waits for the monitor."""
COUNTED = (*MINDED, "venue")

Condition = Callable[[WatchdogState, WatchdogConfig, Now], str | None]
Grace = Callable[[WatchdogConfig], int]


@dataclass(frozen=True, slots=True)
class Trip:
    """One row: its code, what must be wrong, and for how long."""

    code: str
    wrong: Condition
    grace_ns: Grace


def broker_lost(state: WatchdogState, _config: WatchdogConfig, _now: Now) -> str | None:
    """Our own session cannot see the account: we could not close if we had to."""
    return "own session is not ready" if exposed(state) and not state.session.ready else None


def feed_lost(state: WatchdogState, _config: WatchdogConfig, _now: Now) -> str | None:
    """A position that nobody can price."""
    live = state.sights.feed in (FeedState.LIVE, FeedState.ENDED)
    return None if live or not exposed(state) else f"feed is {state.sights.feed or 'not heard of'}"


def ledger_differs(state: WatchdogState, _config: WatchdogConfig, _now: Now) -> str | None:
    """The reconcile found a difference and no later one was clean."""
    return "reconcile has breaks" if state.cleared and not state.reconciled else None


def account_differs(state: WatchdogState, _config: WatchdogConfig, _now: Now) -> str | None:
    """The account as we see it and the ledger hold other positions."""
    seen = state.session.snapshot
    if seen is None or not state.cleared:
        return None
    broker = {each.instrument: each.position_lots for each in seen.positions if each.position_lots}
    ledger: dict[str, int] = {}
    for (_, instrument), lots in state.sights.ledger_lots.items():
        ledger[instrument] = ledger.get(instrument, 0) + lots
    ledger = {instrument: lots for instrument, lots in ledger.items() if lots}
    return f"broker {broker}, ledger {ledger}" if broker != ledger else None


def service_away(state: WatchdogState, _config: WatchdogConfig, _now: Now) -> str | None:
    """A process that trading needs is gone or hangs."""
    away = [
        name
        for name in MINDED
        if name in state.sights.peers and state.sights.peers[name].down_ns is not None
    ]
    return f"{', '.join(away)} away" if away and exposed(state) else None


def too_many_restarts(state: WatchdogState, config: WatchdogConfig, now: Now) -> str | None:
    """A crash loop must not trade."""
    for name, peer in state.sights.peers.items():
        window_ns = now.boot_ns - config.restarts_window_ns
        recent = sum(at_ns > window_ns for at_ns in peer.restarts_ns)
        if name in COUNTED and recent > config.restarts_max:
            return f"{name} started again {recent} times"
    return None


def order_unknown(state: WatchdogState, _config: WatchdogConfig, _now: Now) -> str | None:
    """Nobody knows whether an order lives, and nobody can find out."""
    return next(iter(state.sights.unknown_ns), None)


TRIPS: tuple[Trip, ...] = (
    Trip("BROKER_LOST", broker_lost, lambda config: config.broker_grace_ns),
    Trip("FEED_LOST", feed_lost, lambda config: config.feed_grace_ns),
    Trip("LEDGER_DIFFERS", ledger_differs, lambda config: config.break_grace_ns),
    Trip("ACCOUNT_DIFFERS", account_differs, lambda config: config.break_grace_ns),
    Trip("SERVICE_AWAY", service_away, lambda config: config.service_grace_ns),
    Trip("RESTART_BUDGET", too_many_restarts, lambda _config: 0),
    Trip("ORDER_UNKNOWN", order_unknown, lambda config: config.unknown_grace_ns),
)


def exposed(state: WatchdogState) -> bool:
    """A position or a live order, by the account or by the ledger."""
    seen = state.session.snapshot
    if seen is not None:
        held = any(each.position_lots for each in seen.positions)
        if held or any(is_live(order.state) for order in seen.orders):
            return True
    return any(state.sights.ledger_lots.values()) or bool(state.sights.unknown_ns)


def tripped(state: WatchdogState, config: WatchdogConfig, now: Now) -> tuple[str, str] | None:
    """The first trip whose condition has held for its grace: (code, what is wrong)."""
    since_ns = state.sights.since_ns
    if state.latch is not None or state.phase not in OPEN_PHASES or not _began(state):
        since_ns.clear()
        return None
    for trip in TRIPS:
        wrong = trip.wrong(state, config, now)
        if wrong is None:
            since_ns.pop(trip.code, None)
        elif now.boot_ns - since_ns.setdefault(trip.code, now.boot_ns) >= trip.grace_ns(config):
            return trip.code, wrong
    return None


def _began(state: WatchdogState) -> bool:
    """Nothing was ever traded before the first clearance; after it, a restart changes nothing."""
    return state.reconcile_id > 0


# --- what was heard -------------------------------------------------------------------------------


def note_peer(state: WatchdogState, config: WatchdogConfig, status: PeerStatus, now: Now) -> None:
    """A process came up, fell silent or started again."""
    peer = state.sights.peers.get(status.peer)
    if peer is None:
        peer = state.sights.peers[status.peer] = PeerSeen(status.peer_epoch, None)
    if status.up:
        if peer.epoch is not None and status.peer_epoch > peer.epoch:
            peer.restarts_ns = [*peer.restarts_ns, now.boot_ns][-config.restarts_max - 1 :]
        peer.epoch, peer.down_ns = status.peer_epoch, None
    elif peer.down_ns is None:
        peer.down_ns = now.boot_ns


def note_order(state: WatchdogState, update: OrderUpdate, now: Now) -> None:
    """Keep the ids of orders that are UNKNOWN, and since when."""
    if update.state is OrderState.UNKNOWN:
        state.sights.unknown_ns.setdefault(update.client_order_id, now.boot_ns)
    else:
        state.sights.unknown_ns.pop(update.client_order_id, None)


def note_position(state: WatchdogState, body: PositionUpdate) -> None:
    """The ledger's position, and whose it is: closing orders are booked to that strategy."""
    state.sights.ledger_lots[body.strategy, body.instrument] = body.position_lots
    if body.position_lots:
        state.owners[body.instrument] = body.strategy


def open_life(state: WatchdogState, now: Now) -> None:
    """A new life has heard of nobody yet: graces start again, and nobody is called up unheard."""
    sights = state.sights
    sights.since_ns.clear()
    sights.feed = None
    sights.unknown_ns = dict.fromkeys(sights.unknown_ns, now.boot_ns)
    for peer in sights.peers.values():
        peer.epoch, peer.down_ns = None, now.boot_ns
        peer.restarts_ns = [at_ns for at_ns in peer.restarts_ns if at_ns <= now.boot_ns]
