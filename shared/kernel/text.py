"""Text from outside, made fit for a message. Pure."""

from __future__ import annotations

from proto_schemas.base import TEXT_MAX


def sendable(text: str) -> str:
    """The text as a message can carry it: too long or odd is no reason to refuse."""
    return text.encode(errors="replace").decode()[:TEXT_MAX]
