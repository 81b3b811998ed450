"""Commands that are answered exactly once, over links that lose, repeat and delay.

The client keeps every command in its outbox and repeats the very same bytes on a timer until the
answer comes or the time to live ends (Lazy Pirate). The server answers a repeat from its cache and
does nothing twice. Both sides are bounded; a full outbox is an error of ours, never a silent drop.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.kernel.check import check
from shared.kernel.clock import MS

OUTBOX_MAX = 20_000
REPLY_CACHE_MAX = 20_000
RESEND_FIRST_NS = 200 * MS
RESEND_MAX_NS = 1_000 * MS
PEER_AWAY_NS = 20 * MS


@dataclass(slots=True)
class Pending:
    """One command without an answer yet."""

    request_id: str
    kind: str
    to: str
    frame: bytes
    expires_ns: int | None
    resend_at_ns: int
    subject: str = ""
    wait_ns: int = RESEND_FIRST_NS


@dataclass(slots=True)
class Outbox:
    """Commands in flight, oldest first."""

    pending: dict[str, Pending] = field(default_factory=dict)

    def add(self, item: Pending) -> None:
        """Keep a command until it is answered."""
        check(len(self.pending) < OUTBOX_MAX, "outbox is bounded", len(self.pending))
        self.pending[item.request_id] = item

    def settle(self, request_id: str | None) -> Pending | None:
        """An answer came: forget the command; None if we did not wait for it."""
        return self.pending.pop(request_id, None) if request_id else None

    def due(self, boot_ns: int) -> list[Pending]:
        """Commands to repeat now; each waits twice as long next time, up to a second."""
        due = [p for p in self.pending.values() if p.resend_at_ns <= boot_ns]
        for item in due:
            item.wait_ns = min(item.wait_ns * 2, RESEND_MAX_NS)
            item.resend_at_ns = boot_ns + item.wait_ns
        return due

    def peer_away(self, request_id: str, boot_ns: int) -> None:
        """The socket had nobody to give it to: try again soon, a start takes no longer for it."""
        item = self.pending.get(request_id)
        if item is not None:
            item.wait_ns = RESEND_FIRST_NS
            item.resend_at_ns = boot_ns + PEER_AWAY_NS

    def expired(self, boot_ns: int) -> Pending | None:
        """The first command whose time to live is over, or None."""
        for item in self.pending.values():
            if item.expires_ns is not None and item.expires_ns <= boot_ns:
                return item
        return None

    def next_due_ns(self) -> int | None:
        """When something here has to be done next, boot clock."""
        if not self.pending:
            return None
        return min(
            min(p.resend_at_ns, p.expires_ns or p.resend_at_ns) for p in self.pending.values()
        )


@dataclass(slots=True)
class ReplyCache:
    """Answers given, by request id; None while a command is still being worked on."""

    replies: dict[str, bytes | None] = field(default_factory=dict)
    working: int = 0

    def seen(self, request_id: str) -> bool:
        """True if this command was taken before, answered or not."""
        return request_id in self.replies

    def take(self, request_id: str) -> None:
        """Note a new command; the oldest answer is forgotten beyond the bound."""
        check(self.working < REPLY_CACHE_MAX, "commands being worked on are bounded", self.working)
        self.replies[request_id] = None
        self.working += 1
        self._trim()

    def answer(self, request_id: str, frame: bytes) -> None:
        """Remember the answer for repeats."""
        if self.replies.pop(request_id, frame) is None:
            self.working -= 1
        self.replies[request_id] = frame  # the newest answers stand last
        self._trim()

    def _trim(self) -> None:
        """Forget the oldest answer beyond the bound, never a command that is being worked on."""
        if len(self.replies) > REPLY_CACHE_MAX:
            oldest = next(key for key, reply in self.replies.items() if reply is not None)
            del self.replies[oldest]
