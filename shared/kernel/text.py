"""Text from outside, made fit for a message. Pure."""

from __future__ import annotations

CHARACTERS_MAX = 500


def sendable(text: str) -> str:
    """The text as a message can carry it: too long or odd is no reason to refuse."""
    return text.encode(errors="replace").decode()[:CHARACTERS_MAX]
