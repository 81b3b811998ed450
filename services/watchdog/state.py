"""Everything the watchdog must not forget, and what follows from it alone: mode and state word."""

from __future__ import annotations

from dataclasses import dataclass, field

from proto_schemas.enums import FeedState, Mode, ServiceState, SessionPhase
from services.watchdog.flatten import Flattening
from services.watchdog.latch import Latch
from shared.brokers.session import BrokerSession

LOOKING = (SessionPhase.FLATTENING, SessionPhase.VERIFYING)
OPEN_PHASES = (SessionPhase.OPEN, SessionPhase.ENTRIES_STOPPED)


@dataclass(slots=True)
class PeerSeen:
    """One other process. `down_ns`: since when it is away, boot clock; None while it is up.

    `epoch`: None until it was heard of in this life of the watchdog.
    """

    epoch: int | None
    down_ns: int | None
    restarts_ns: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Sights:
    """What the trips look at: everybody else, as they were last heard of.

    `since_ns`: when the condition of a trip began. `unknown_ns`: orders of which nobody knows
    whether they live, by id.
    """

    peers: dict[str, PeerSeen] = field(default_factory=dict)
    feed: FeedState | None = None
    ledger_lots: dict[tuple[str, str], int] = field(default_factory=dict)
    unknown_ns: dict[str, int] = field(default_factory=dict)
    since_ns: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class WatchdogState:
    """Plain data; the modules of this folder are its only writers.

    `others_since_ns`: since when, while closing, others' orders have been seen live at the broker;
    `cancelled_ns`: when their cancel was last repeated. Both boot clock.
    """

    session: BrokerSession
    epoch: int = 0
    install_id: str = ""
    orders_made: int = 0
    phase: SessionPhase = SessionPhase.OPEN
    stream_ended: bool = False
    clock_armed: bool = False
    reopen_due: bool = False
    cleared: bool = False
    flat: bool = False
    reconciled: bool = False
    reconcile_id: int = 0
    reconcile_floor: int = 0
    reason: str = "starting"
    latch: Latch | None = None
    kills: int = 0
    gate_id: int = 0
    account_shown_ns: int = 0
    plan: Flattening = field(default_factory=Flattening)
    others_since_ns: int | None = None
    cancelled_ns: int = 0
    owners: dict[str, str] = field(default_factory=dict)
    sights: Sights = field(default_factory=Sights)


def mode(state: WatchdogState) -> Mode:
    """What is allowed now."""
    healthy = state.cleared and state.session.ready and not state.session.halted
    if not healthy or state.latch is not None or state.phase not in OPEN_PHASES:
        return Mode.HALT
    return Mode.NORMAL if state.phase is SessionPhase.OPEN else Mode.REDUCE_ONLY


def state_word(state: WatchdogState) -> ServiceState:
    """KILLED while a kill holds; LOCKED until the next session; RECONCILING until cleared; then
    what is allowed.
    """
    if state.latch is not None:
        return ServiceState.KILLED
    if state.phase not in OPEN_PHASES:
        return ServiceState.LOCKED
    if not (state.cleared and state.session.ready):
        return ServiceState.RECONCILING
    words = {
        Mode.NORMAL: ServiceState.TRADING,
        Mode.REDUCE_ONLY: ServiceState.REDUCE_ONLY,
        Mode.HALT: ServiceState.PAUSED,
    }
    return words[mode(state)]
