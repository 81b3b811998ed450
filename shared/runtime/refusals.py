"""What is said of a frame that is refused: once a second at most, and enough to find its sender.

A peer that sends nonsense may send a lot of it. The counter counts each; the log must stay readable
and the disk must not fill, so each code has at most one line a second.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from shared.bus.codec import BadFrame
from shared.kernel.clock import SECOND
from shared.kernel.outputs import Event
from shared.runtime.wires import Arrived

RAW_SHOWN_BYTES = 64
VALUE_SHOWN = 200


@dataclass(slots=True)
class Refusals:
    """When each code was told last."""

    told_ns: dict[str, int] = field(default_factory=dict)

    def may_tell(self, code: str, boot_ns: int) -> bool:
        """True if this code has not been told within the last second."""
        if boot_ns - self.told_ns.get(code, -SECOND) < SECOND:
            return False
        self.told_ns[code] = boot_ns
        return True


def described(arrived: Arrived, error: BadFrame) -> dict[str, str | int]:
    """Fields of the log line: who, what, which field and value, how to mend it, the first bytes."""
    return {
        "route": arrived.route,
        "peer": arrived.peer[:VALUE_SHOWN],
        "code": error.code,
        "field": error.field,
        "value": str(error.value)[:VALUE_SHOWN],
        "fix": error.fix,
        "bytes": len(arrived.frame),
        "raw": arrived.frame[:RAW_SHOWN_BYTES].hex(),
    }


def refuse_other_sender(event: Event, arrived: Arrived) -> None:
    """A command must come from the socket of the service whose name it carries."""
    producer = event.envelope.producer
    if arrived.route != "sub" and arrived.peer != producer:
        raise BadFrame(
            "SENDER_DIFFERS", field="producer", value=producer, fix=f"The socket is {arrived.peer}."
        )
