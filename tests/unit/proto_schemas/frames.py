"""Sample frames with something changed in them, the way a faulty peer might."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack

from proto_schemas.base import Message
from services.lab.samples import SAMPLES, sample_envelope
from shared.bus.codec import encode

BODY = 9


def sample_frame(model: type[Message]) -> bytes:
    """The golden frame of a kind."""
    return encode(sample_envelope(SAMPLES[model]), SAMPLES[model])


def altered(
    model: type[Message],
    body: Callable[[dict[str, Any]], object] | None = None,
    parts: Callable[[list[Any]], object] | None = None,
) -> bytes:
    """The sample frame after `body` changed its fields and `parts` its envelope."""
    stream, _, packed = sample_frame(model).partition(b"\0")
    unpacked = msgpack.unpackb(packed)
    if body is not None:
        body(unpacked[BODY])
    if parts is not None:
        parts(unpacked)
    repacked: bytes = msgpack.packb(unpacked)
    return stream + b"\0" + repacked
