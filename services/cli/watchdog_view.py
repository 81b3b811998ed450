"""Listens to what the watchdog repeats every second: its standing order, and the account it sees.

A kill must be judged without any other process of ours, so `kill` and `resume` look here and not at
the monitor. Connect before the wish goes out: then nothing that follows it is missed.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

import zmq

from proto_schemas.control import AccountView, Control
from proto_schemas.enums import SessionPhase
from services.cli.client import Connected
from shared.bus.codec import decode
from shared.runtime.run_folder import RunFolder

CLOSED_PHASES = (SessionPhase.FLAT, SessionPhase.CLOSED)


@dataclass(slots=True)
class Seen:
    """The last of both; None: not heard yet."""

    control: Control | None = None
    account: AccountView | None = None

    @property
    def kill_id(self) -> str | None:
        """The kill that holds."""
        return self.control.kill_id if self.control else None

    @property
    def is_flat(self) -> bool:
        """Proven under the kill that holds; what was seen before proves nothing."""
        control = self.control
        if control is None or control.kill_id is None:
            return False
        return control.flat and control.phase in CLOSED_PHASES

    @property
    def broker_lots(self) -> int | None:
        """Lots that the broker's account shows, over all contracts."""
        if self.account is None:
            return None
        return sum(position.position_lots for position in self.account.positions)


class WatchdogView(Connected):
    """What one run's watchdog publishes: a SUB."""

    def __init__(self, run: RunFolder) -> None:
        super().__init__(zmq.SUB)
        self.seen = Seen()
        for stream in (b"control\0", b"account\0"):
            self._socket.setsockopt(zmq.SUBSCRIBE, stream)
        self._socket.connect(run.endpoint("watchdog", "pub"))

    def look(self, wait_s: float) -> Seen:
        """What was said last; waits at most so long for something new."""
        if self._socket.poll(max(0, int(wait_s * 1_000))):
            self._take(self._socket.recv())
        while self._socket.poll(0):
            self._take(self._socket.recv())
        return self.seen

    def first_control(self, within_s: float) -> Control | None:
        """The standing order; it comes at least once a second from a watchdog that lives."""
        deadline_s = monotonic() + within_s
        while self.seen.control is None and (left_s := deadline_s - monotonic()) > 0:
            self.look(left_s)
        return self.seen.control

    def _take(self, frame: bytes) -> None:
        match decode(frame).body:
            case Control() as control:
                self.seen.control = control
            case AccountView() as account:
                self.seen.account = account
