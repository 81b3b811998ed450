"""What the watchdog shows of itself: what is allowed, the latch, and the account as it sees it."""

from __future__ import annotations

from proto_schemas.enums import Mode, SessionPhase
from services.watchdog.state import OPEN_PHASES, WatchdogState, mode
from services.watchdog.trips import exposed
from shared.kernel.clock import Now
from shared.kernel.readings import Readings, labelled, one_of


def readings(state: WatchdogState, now: Now) -> Readings:
    """Of the account only what was read, and how old that is."""
    session = state.session
    found: Readings = {
        ("bulkhead_killed",): int(state.latch is not None),
        ("bulkhead_exposed",): int(exposed(state)),
        ("bulkhead_session_over",): int(state.phase not in OPEN_PHASES),
        ("bulkhead_broker_ready",): int(session.ready and not session.halted),
        **one_of("bulkhead_mode", Mode, mode(state)),
        **one_of("bulkhead_session_phase", SessionPhase, state.phase),
    }
    if session.snapshot is not None:
        age_ns = max(0, now.boot_ns - session.snapshot_asked_ns)
        found["bulkhead_account_age_seconds",] = age_ns
        # The account leaves out what is flat; a person wants to see the 0.
        lots = {instrument: 0 for _, instrument in state.sights.ledger_lots}
        lots |= {each.instrument: each.position_lots for each in session.snapshot.positions}
        found |= labelled(
            "bulkhead_broker_position_lots", [((name,), held) for name, held in lots.items()]
        )
    return found
