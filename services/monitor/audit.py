"""Which journaled inputs stand in the merged log, and how a line looks. Pure.

A line is one input of one process, so the same fact stands there once for everyone who acted on it:
that is what an auditor asks. Ticks, marks, leases, snapshots and bookkeeping are left out. What is
repeated or drifts all the time (control, feed status, positions that only the mark moved) has a
line when something in it changed that matters.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from functools import lru_cache
from typing import Any

from proto_schemas.base import Envelope, Message
from shared.kernel.clock import SECOND, Now
from shared.markets import SECONDS_PER_DAY, format_day
from shared.runtime.record import open_record

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


Plain = Mapping[str, Any]
"""A message's fields as they stand in its frame."""

# What of a repeated message must differ from the last one for a line.
CHANGES: dict[str, tuple[str, ...]] = {
    "control": ("mode", "phase", "reason", "flat", "reconciled", "kill_id"),
    "feed_status": ("state",),
    "position_update": ("position_lots", "realised_mills", "fees_mills"),
}

_ENCODE = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class Auditor:
    """Turns journal records into lines. Keeps the last value of what is repeated, per reader."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, ...], list[Any]] = {}

    def line(self, layer: str, payload: bytes) -> tuple[int, dict[str, object]] | None:
        """Return (boot time, line) of one record of `layer`'s journal; None: it has no line."""
        return self.line_of(layer, *open_record(payload))

    def line_of(
        self, layer: str, envelope: Envelope, body: Plain, now: Now
    ) -> tuple[int, dict[str, object]] | None:
        """The same of a record that was opened already. What is journaled was validated once."""
        if envelope.kind not in KEPT or not self._is_news(layer, envelope.kind, body):
            return None
        return now.boot_ns, make_line(layer, envelope, body, now)

    def _is_news(self, layer: str, kind: str, body: Plain) -> bool:
        if kind == "undelivered":
            return bool(body["kind"] == "new_order")  # the others are repeated by their senders
        names = CHANGES.get(kind)
        if names is None:
            return True
        key = (layer, kind, *(str(body.get(name, "")) for name in ("strategy", "instrument")))
        value = [body.get(name) for name in names]
        changed = self._last.get(key) != value
        self._last[key] = value
        return changed


def make_line(layer: str, envelope: Envelope, body: Plain, now: Now) -> dict[str, object]:
    """One line: when, who, what, belonging to what, and the message's own fields."""
    too_long = TOO_LONG_FOR_A_LINE.get(envelope.kind)
    return {
        "stream_time": iso_utc(now.stream_ns),
        "boot_ns": now.boot_ns,
        "stream_ns": now.stream_ns,
        "layer": layer,
        "event": envelope.kind,
        "sender": envelope.producer,
        "message_id": envelope.id,
        "correlation_id": envelope.correlation_id,
        **{name: value for name, value in body.items() if name != too_long},
    }


def body_fields(body: Message) -> dict[str, object]:
    """The message's fields as plain values."""
    return asdict(body)  # type: ignore[call-overload, no-any-return]


def to_json(line: dict[str, object]) -> str:
    """The line as text, keys in the order in which they were made."""
    return _ENCODE(line)


def iso_utc(stream_ns: int) -> str:
    """`2018-05-07T13:45:00.123456Z`; parts of a microsecond are cut off."""
    second, part_ns = divmod(stream_ns, SECOND)
    return f"{_iso_second(second)}.{part_ns // 1_000:06d}Z"


@lru_cache(maxsize=16)
def _iso_second(second: int) -> str:
    """Lines come in order, so many share their second."""
    day, second_of_day = divmod(second, SECONDS_PER_DAY)
    hour, rest = divmod(second_of_day, 3_600)
    minute, second_of_minute = divmod(rest, 60)
    return f"{format_day(day)}T{hour:02d}:{minute:02d}:{second_of_minute:02d}"
