"""Who is alive: one row per process, from its heartbeats.

A heartbeat comes from the sender's main loop after progress, so a loop that hangs falls silent even
though ZeroMQ's own threads still answer. A peer is up while its last heartbeat is younger than
`SILENT_NS`; a new epoch means that it restarted.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from proto_schemas.control import Heartbeat, PeerStatus
from shared.kernel.clock import MS

SILENT_NS = 1_500 * MS


@dataclass(slots=True)
class Peer:
    """What was last heard of one process."""

    epoch: int
    heard_ns: int
    up: bool
    heartbeat: Heartbeat


@dataclass(slots=True)
class Peers:
    """The table, and the changes that a core must hear of."""

    table: dict[str, Peer] = field(default_factory=dict)

    def hear(self, heartbeat: Heartbeat, epoch: int, boot_ns: int) -> PeerStatus | None:
        """Note a heartbeat; return the change, if it is one."""
        name = heartbeat.service
        known = self.table.get(name)
        if known is not None and epoch < known.epoch:
            return None
        self.table[name] = Peer(epoch, boot_ns, True, heartbeat)
        if known is not None and known.up and known.epoch == epoch:
            return None
        return PeerStatus(name, True, epoch)

    def silent(self, boot_ns: int) -> list[PeerStatus]:
        """Peers that fell silent since the last look."""
        gone = []
        for name, peer in self.table.items():
            if peer.up and boot_ns - peer.heard_ns > SILENT_NS:
                peer.up = False
                gone.append(PeerStatus(name, False, peer.epoch))
        return gone
