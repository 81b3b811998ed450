"""A kill and its end: latch first, then shut, cancel and close; resumed by a person only."""

from __future__ import annotations

from proto_schemas.base import Envelope
from proto_schemas.control import LatchSeen, ResumeRequest
from proto_schemas.enums import SessionPhase
from proto_schemas.signals import Ack, Nack
from services.watchdog.announce import enter
from services.watchdog.closing import revoke
from services.watchdog.config import WatchdogConfig
from services.watchdog.latch import CLEAR, FILE, Latch, resume_refusal, seen_latch
from services.watchdog.session_clock import arm_clock
from services.watchdog.state import WatchdogState
from shared.kernel.clock import Now
from shared.kernel.outputs import Barrier, Log, Output, Reply, Store


def kill(
    state: WatchdogState, config: WatchdogConfig, source: str, reason: str, now: Now
) -> list[Output]:
    """Stop everything. A second kill joins the first."""
    if state.latch is not None:
        kill_id = state.latch.kill_id
        return [_line("kill_joined", kill_id=kill_id, source=source, reason=reason)]
    state.kills += 1
    return latch_on(state, config, Latch(f"kill-{state.epoch}-{state.kills}", source, reason), now)


def latch_on(state: WatchdogState, config: WatchdogConfig, latch: Latch, now: Now) -> list[Output]:
    """The latch stands on disk before anything else leaves."""
    state.latch = latch
    said = _line("killed", kill_id=latch.kill_id, source=latch.source, reason=latch.reason)
    return [Store(FILE, latch.record()), Barrier(), said, *revoke(state, config, "KILL", now)]


def on_latch_seen(
    state: WatchdogState, config: WatchdogConfig, seen: LatchSeen, now: Now
) -> list[Output]:
    """The files may say more than the journal, never less."""
    latch, current = seen_latch(seen), state.latch
    if current is not None or latch is None:
        return [Store(FILE, current.record() if current else CLEAR)]
    return latch_on(state, config, latch, now)


def resume(
    state: WatchdogState, config: WatchdogConfig, wish: ResumeRequest, request: Envelope, now: Now
) -> list[Output]:
    """End the kill, if this person may and the account is proven flat."""
    proven = state.flat and state.reconciled and state.phase is SessionPhase.FLAT
    refusal = resume_refusal(state.latch, wish, proven)
    if refusal is not None:
        return [Reply(request, Nack(refusal[0], "resume", refusal[1]))]
    state.latch, state.flat = None, False
    state.reopen_due = state.clock_armed = False  # hours that passed meanwhile count again
    state.sights.since_ns.clear()
    for peer in state.sights.peers.values():
        peer.restarts_ns.clear()
    said = _line("resumed", kill_id=wish.kill_id, operator=wish.operator, reason=wish.reason)
    opened = enter(state, SessionPhase.OPEN, f"RESUMED by {wish.operator}"[:200], now)
    opened += arm_clock(state, config, now)
    return [Store(FILE, CLEAR), Barrier(), said, *opened, Reply(request, Ack())]


def _line(event: str, **fields: str) -> Log:
    return Log(event, dict(fields), "warning")
