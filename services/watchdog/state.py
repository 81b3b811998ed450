"""Everything the watchdog must not forget. Plain data; `core.py` is the only writer."""

from __future__ import annotations

from dataclasses import dataclass, field

from proto_schemas.enums import SessionPhase
from services.watchdog.flatten import Flattening
from services.watchdog.latch import Latch
from shared.brokers.session import BrokerSession


@dataclass(slots=True)
class WatchdogState:
    """Everything the watchdog must not forget."""

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
    control_epoch: int = 0
    latch: Latch | None = None
    kills: int = 0
    plan: Flattening = field(default_factory=Flattening)
    owners: dict[str, str] = field(default_factory=dict)
