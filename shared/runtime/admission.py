"""What a process lets in: who may say what, and what counts as an answer. Pure."""

from __future__ import annotations

from proto_schemas.base import Envelope
from proto_schemas.control import Heartbeat, Snapshot, SnapshotRequest
from proto_schemas.registry import ANY, BY_KIND, BY_MODEL
from shared.bus.codec import BadFrame, decode
from shared.bus.commands import Pending
from shared.kernel.outputs import Event


def refuse_foreign(event: Event, service: str) -> None:
    """Raise `BadFrame` if the sender may not say this kind, or not to us."""
    envelope, body, row = event.envelope, event.body, BY_MODEL[type(event.body)]
    sender = envelope.producer.partition("-")[0]
    if row.delivery == "internal" or sender == service:
        raise BadFrame("KIND_INTERNAL", field=row.kind, value=envelope.producer, fix="Not ours.")
    producer_ok = row.producers == (ANY,) or sender in row.producers
    consumer_ok = row.consumers == (ANY,) or service in row.consumers
    if not (producer_ok and consumer_ok):
        raise BadFrame("LINK_UNKNOWN", field=row.kind, value=envelope.producer, fix="registry.py")
    if isinstance(body, Heartbeat) and body.service != envelope.producer:
        raise BadFrame("SENDER_DIFFERS", field=row.kind, value=body.service, fix="Own name only.")
    if isinstance(body, Snapshot):
        _refuse_strange_frames(envelope, body)


def _refuse_strange_frames(envelope: Envelope, snapshot: Snapshot) -> None:
    """Everything inside is a valid message of that stream by its owner, or nothing is taken."""
    for frame in snapshot.frames:
        inner = decode(frame).envelope
        ours = (inner.producer, inner.stream) == (envelope.producer, snapshot.stream)
        if not ours or BY_KIND[inner.kind].delivery != "stream":
            raise BadFrame(
                "SNAPSHOT_STRANGE", field="snapshot.frames", value=inner.id, fix="Own stream only."
            )


def answers(event: Event, asked: Pending) -> bool:
    """True if this comes from the peer that was asked and is an answer that the table allows."""
    if event.envelope.producer != asked.to:
        return False
    if type(event.body) not in BY_KIND[asked.kind].replies:
        return False
    if not isinstance(event.body, Snapshot):
        return True
    question = decode(asked.frame).body
    return isinstance(question, SnapshotRequest) and question.stream == event.body.stream
