"""Bytes to messages and back. The only place where the wire format is known.

A frame is `stream NUL msgpack([kind, version, producer, epoch, seq, sent_ns, stream_ns,
correlation_id, cause, body])`; the stream stands first, in clear, because ZeroMQ subscribes by
prefix. Every frame that enters a process is validated here by pydantic; what does not fit its
kind's types and bounds raises `BadFrame` and touches nothing. Frames above `FRAME_MAX_BYTES` are
refused. A frame of the version before is read too (what it does not know has a default that says
so): so one service can be restarted from a new release before the others.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import msgpack
from pydantic import TypeAdapter, ValidationError

from proto_schemas.base import Envelope, Message
from proto_schemas.registry import BY_KIND, BY_MODEL, TABLE, Row
from shared.kernel.errors import Fault
from shared.kernel.outputs import Event

FRAME_MAX_BYTES = 1_000_000
_ENVELOPE_FIELDS = 10
_INT_END = 2**63
MESSAGE_ID_MAX = 200
FRAME_FIX = "A frame is `stream NUL msgpack of 10 items`: see shared/bus/codec.py."


class BadFrame(Fault):
    """Bytes that are no valid message. Whose fault is not known: it came from outside."""

    side = "peer"
    exit_code = 65


class _KindCodec:
    """Encoder and validator of one kind, built once."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self._known = frozenset(f.name for f in fields(row.model))  # type: ignore[arg-type]
        adapter: TypeAdapter[Message] = TypeAdapter(row.model)
        self._to_python = adapter.serializer.to_python
        self._validate = adapter.validator.validate_python

    def to_plain(self, message: Message) -> Any:
        """Field names to values, also those of the parts inside."""
        return self._to_python(message, warnings=False)

    def from_plain(self, body: Any) -> Message:
        """Validate; extra fields are an error."""
        if type(body) is not dict:
            raise BadFrame(
                "BODY_SHAPE",
                field=self.row.kind,
                value=type(body).__name__,
                fix="Send a map of fields.",
            )
        if not body.keys() <= self._known:
            raise BadFrame(
                "FIELD_UNKNOWN",
                field=self.row.kind,
                value=[str(name) for name in body if name not in self._known],
                fix="Leave it out, or run all from one release.",
            )
        try:
            message: Message = self._validate(body)
            return message
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise BadFrame(
                "FIELD_INVALID",
                field=f"{self.row.kind}.{where}",
                value=first.get("input"),
                fix=first["msg"],
            ) from None


_CODECS: dict[str, _KindCodec] = {row.kind: _KindCodec(row) for row in TABLE}


_pack = msgpack.Packer(autoreset=True).pack


def stream_of(message: Message, fallback: str = "") -> str:
    """The stream a published message belongs to: the table's template, filled in."""
    template = BY_MODEL[type(message)].stream
    if not template:
        return fallback
    if "{" not in template:
        return template
    return template.format(instrument=message.instrument)  # type: ignore[attr-defined]


def encode(envelope: Envelope, body: Message) -> bytes:
    """Return the frame. The message was valid when it was made, so it is not validated again."""
    plain = _CODECS[envelope.kind].to_plain(body)
    e = envelope
    packed: bytes = _pack(
        (
            e.kind,
            e.version,
            e.producer,
            e.epoch,
            e.seq,
            e.sent_ns,
            e.stream_ns,
            e.correlation_id,
            e.cause,
            plain,
        )
    )
    return e.stream.encode() + b"\0" + packed


def decode_header(frame: bytes) -> tuple[Envelope, Any]:
    """Split a frame into envelope and unvalidated body."""
    if len(frame) > FRAME_MAX_BYTES:
        raise BadFrame(
            "FRAME_TOO_LARGE", field="frame", value=len(frame), fix=f"At most {FRAME_MAX_BYTES}."
        )
    stream, found, packed = frame.partition(b"\0")
    if not found:
        raise BadFrame("FRAME_SHAPE", field="frame", value=frame[:40], fix=FRAME_FIX)
    try:
        parts = msgpack.unpackb(packed)
    except (ValueError, msgpack.UnpackException) as error:
        raise BadFrame("FRAME_SHAPE", field="msgpack", value=str(error), fix=FRAME_FIX) from None
    if type(parts) is not list or len(parts) != _ENVELOPE_FIELDS:
        raise BadFrame("FRAME_SHAPE", field="envelope", value=type(parts).__name__, fix=FRAME_FIX)
    kind, version, producer, epoch, seq, sent_ns, stream_ns, correlation_id, cause, body = parts
    well_formed = (
        type(kind) is type(producer) is str
        and type(version) is type(epoch) is type(seq) is type(sent_ns) is type(stream_ns) is int
        and (0 <= version < _INT_END and 0 <= epoch < _INT_END and 0 <= seq < _INT_END)
        and (0 <= sent_ns < _INT_END and 0 <= stream_ns < _INT_END)
        and (correlation_id is None or _is_short_text(correlation_id))
        and (cause is None or _is_short_text(cause))
    )
    if not well_formed:
        raise BadFrame(
            "ENVELOPE_INVALID",
            field="envelope",
            value=parts[:9],
            fix="See Envelope in proto_schemas/base.py.",
        )
    envelope = Envelope(
        kind,
        version,
        producer,
        epoch,
        stream.decode("utf-8", "replace"),
        seq,
        sent_ns,
        stream_ns,
        correlation_id,
        cause,
    )
    return envelope, body


def _is_short_text(value: Any) -> bool:
    return type(value) is str and len(value) <= MESSAGE_ID_MAX


def id_of(frame: bytes) -> str | None:
    """The message id of a frame whose body may be nonsense; None if even that cannot be read."""
    try:
        return decode_header(frame)[0].id[:MESSAGE_ID_MAX]
    except BadFrame:
        return None


def decode(frame: bytes) -> Event:
    """Validate a frame whole; raise `BadFrame` naming field and value if anything is off."""
    envelope, plain = decode_header(frame)
    row = BY_KIND.get(envelope.kind)
    if row is None:
        raise BadFrame(
            "KIND_UNKNOWN", field="kind", value=envelope.kind, fix="See proto_schemas/registry.py."
        )
    if envelope.version not in (row.version, row.version - 1) or envelope.version < 1:
        raise BadFrame(
            "VERSION_UNKNOWN",
            field=envelope.kind,
            value=envelope.version,
            fix=f"Version {row.version} is known here: run all services from one release.",
        )
    return Event(envelope, _CODECS[envelope.kind].from_plain(plain))
