"""The latch: once killed, killed, until a person says otherwise. Pure.

A kill has an id. Every further wish to kill while it holds is joined to it. The record of it
stands in two files beside the journal, in two folders, and in the watchdog's own journal; any of
the three is enough to stay stopped, and damage reads as latched. Only `resume` ends it: with that
kill's id, an operator and a reason, and only when the account is proven flat and reconciled.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from proto_schemas.control import LatchSeen, ResumeRequest

FILE = "latch"
CLEAR: bytes = json.dumps({"kill_id": None, "reason": ""}).encode()
DAMAGED_ID = "damaged-latch"


@dataclass(frozen=True, slots=True)
class Latch:
    """One kill that holds."""

    kill_id: str
    source: str
    reason: str

    def record(self) -> bytes:
        """What goes to disk."""
        fields = {"kill_id": self.kill_id, "source": self.source, "reason": self.reason}
        return json.dumps(fields).encode()


def read_latch(data: bytes | None, damaged: bool, first_start: bool) -> LatchSeen:
    """What the two files say. Nothing at all is clear only for a run that never started before."""
    if data is None:
        return LatchSeen(None, "", damaged or not first_start)
    try:
        fields = json.loads(data)
        kill_id, reason = fields["kill_id"], fields["reason"]
    except (ValueError, KeyError, TypeError):
        return LatchSeen(None, "", True)
    return LatchSeen(kill_id, reason, damaged)


def seen_latch(seen: LatchSeen) -> Latch | None:
    """The latch that the files ask for, if any."""
    if seen.kill_id is not None:
        return Latch(seen.kill_id, "file", seen.reason)
    return Latch(DAMAGED_ID, "file", "a latch file is missing or damaged") if seen.damaged else None


def resume_refusal(
    latch: Latch | None, wish: ResumeRequest, proven: bool
) -> tuple[str, str] | None:
    """Why a resume is refused: (code, what it needs); None if it may go ahead."""
    if latch is None:
        return "NOT_KILLED", "no kill holds"
    if wish.kill_id != latch.kill_id:
        return "KILL_ID_DIFFERS", latch.kill_id
    if not wish.operator.strip() or not wish.reason.strip():
        return "OPERATOR_MISSING", "an operator and a reason"
    if not proven:
        return "NOT_FLAT", "flat and reconciled"
    return None
