"""A broken invariant, as every judge reports it."""

from __future__ import annotations


class Violation(Exception):
    """An invariant does not hold. Its number is that of the reliability page."""

    def __init__(self, invariant: str, detail: str) -> None:
        self.invariant, self.detail = invariant, detail
        super().__init__(f"{invariant}: {detail}")
