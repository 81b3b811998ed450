"""Says in which fields a frame on record differs from the one that its sender's re-run makes."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from typing import Any

from proto_schemas.base import Envelope
from services.lab.run_cores import engine_of
from shared.bus.codec import BadFrame, decode_header
from shared.journal import walk_journal
from shared.kernel.errors import Fault
from shared.runtime.effects import Transmit
from shared.runtime.record import unpack_record
from shared.runtime.run_folder import RunFolder

SHOWN_MAX = 200


def describe(run: RunFolder, envelope: Envelope, frame: bytes) -> str:
    """`field: on record X, re-run Y`, for each field; steps the sender's journal once more."""
    remade = _made_again(run, envelope.producer, envelope.id)
    if remade is None:
        return "the re-run makes another frame under this id"
    ours, theirs = _plain(frame), _plain(remade)
    names = [name for name in {**theirs, **ours} if ours.get(name) != theirs.get(name)]
    said = [f"{n}: on record {ours.get(n)!r}, re-run {theirs.get(n)!r}" for n in names]
    return ("; ".join(said) or "the same fields in other bytes")[:SHOWN_MAX]


def _made_again(run: RunFolder, producer: str, message_id: str) -> bytes | None:
    found: list[bytes] = []
    engine = engine_of(run, producer)

    def step(payload: bytes) -> None:
        event, now, _ = unpack_record(payload)
        for effect in engine.step(event, now).effects:
            if isinstance(effect, Transmit) and effect.message_id == message_id:
                found.append(effect.frame)

    with suppress(Fault):  # the re-run itself has told of it already
        walk_journal(run.journal(producer), producer, run.settings.run_id, step)
    return found[-1] if found else None


def _plain(frame: bytes) -> dict[str, Any]:
    try:
        envelope, body = decode_header(frame)
    except BadFrame as error:
        return {"frame": str(error)}
    return {**asdict(envelope), **(body if isinstance(body, dict) else {"body": body})}
