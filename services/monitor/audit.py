"""Which journaled inputs stand in the merged log, and how a line looks. Pure.

A line is one input of one process, so the same fact stands there once for everyone who acted on it:
that is what an auditor asks. Ticks, marks, leases, snapshots and bookkeeping are left out. What is
repeated or drifts all the time (control, feed status, positions that only the mark moved) has a
line when something in it changed that matters.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from proto_schemas.base import Message
from proto_schemas.control import Control, Undelivered
from proto_schemas.ledger import PositionUpdate
from proto_schemas.market_data import FeedStatus
from shared.kernel.clock import SECOND, Now
from shared.kernel.outputs import Event
from shared.markets import SECONDS_PER_DAY, format_day
from shared.runtime.record import peek_record, unpack_record

KEPT = frozenset(
    {
        *("intent", "decision", "approval", "nack", "request_expired", "undelivered"),
        *("new_order", "broker_order_event", "broker_execution"),
        *("order_event", "execution", "order_update", "position_update"),
        *("reconcile_fetch", "broker_report", "reconcile_report"),
        *("control", "feed_status", "feed_end"),
        *("started", "peer_status", "blind", "replace", "sighted"),
        *("reload_request", "strategy_file"),
    }
)
# A strategy's whole source stands in its journal; a line has its hash.
TOO_LONG_FOR_A_LINE = {"strategy_file": "source"}


def _control(body: Control) -> object:
    return body.mode, body.phase, body.reason, body.flat, body.reconciled, body.kill_id


def _feed(body: FeedStatus) -> object:
    return body.state


def _position(body: PositionUpdate) -> object:
    return body.position_lots, body.realised_mills, body.fees_mills


# What of a repeated message must differ from the last one for a line.
CHANGES: dict[str, Callable[[Any], object]] = {
    "control": _control,
    "feed_status": _feed,
    "position_update": _position,
}


class Auditor:
    """Turns journal records into lines. Keeps the last value of what is repeated, per reader."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, ...], object] = {}

    def line(self, layer: str, payload: bytes) -> tuple[int, dict[str, object]] | None:
        """Return (boot time, line) of one record of `layer`'s journal; None: it has no line."""
        if peek_record(payload)[0].kind not in KEPT:
            return None
        event, now, _ = unpack_record(payload)
        if not self._is_news(layer, event):
            return None
        return now.boot_ns, make_line(layer, event, now)

    def _is_news(self, layer: str, event: Event) -> bool:
        if isinstance(event.body, Undelivered):
            return event.body.kind == "new_order"  # the others are repeated by their senders
        pick = CHANGES.get(event.envelope.kind)
        if pick is None:
            return True
        names = (getattr(event.body, name, "") for name in ("strategy", "instrument"))
        key = (layer, event.envelope.kind, *names)
        value = pick(event.body)
        changed = self._last.get(key) != value
        self._last[key] = value
        return changed


def make_line(layer: str, event: Event, now: Now) -> dict[str, object]:
    """One line: when, who, what, belonging to what, and the message's own fields."""
    envelope = event.envelope
    fields = body_fields(event.body)
    fields.pop(TOO_LONG_FOR_A_LINE.get(envelope.kind, ""), None)
    return {
        "stream_time": iso_utc(now.stream_ns),
        "boot_ns": now.boot_ns,
        "stream_ns": now.stream_ns,
        "layer": layer,
        "event": envelope.kind,
        "sender": envelope.producer,
        "message_id": envelope.id,
        "correlation_id": envelope.correlation_id,
        **fields,
    }


def body_fields(body: Message) -> dict[str, object]:
    """The message's fields as plain values."""
    return asdict(body)  # type: ignore[call-overload, no-any-return]


def to_json(line: dict[str, object]) -> str:
    """The line as text, keys in the order in which they were made."""
    return json.dumps(line, separators=(",", ":"), ensure_ascii=False)


def iso_utc(stream_ns: int) -> str:
    """`2018-05-07T13:45:00.123456Z`; parts of a microsecond are cut off."""
    second, part_ns = divmod(stream_ns, SECOND)
    day, second_of_day = divmod(second, SECONDS_PER_DAY)
    hour, rest = divmod(second_of_day, 3_600)
    minute, second_of_minute = divmod(rest, 60)
    clock = f"{hour:02d}:{minute:02d}:{second_of_minute:02d}.{part_ns // 1_000:06d}"
    return f"{format_day(day)}T{clock}Z"
