"""Takes back what a hook changed on the desk, for one that failed counts as not called.

One that was cut off is not called by a replay, which must come to the same: ids that it took,
changes that it asked for, and what was counted. Its new orders are withdrawn by the desk itself.
"""

from __future__ import annotations


class Undo:
    """The values before a hook first changed them; as many as there are things to change."""

    def __init__(self) -> None:
        self._before: dict[str, tuple[object, str, object]] = {}

    def begin(self) -> None:
        """A hook is about to be called."""
        self._before.clear()

    def keep(self, key: str, owner: object, name: str) -> None:
        """Remember `owner.name`, which is about to change; `key` is one for each such thing."""
        if key not in self._before:
            value = getattr(owner, name)
            self._before[key] = owner, name, dict(value) if isinstance(value, dict) else value

    def take_back(self) -> None:
        """All of it is as it was before the hook."""
        for owner, name, value in self._before.values():
            setattr(owner, name, value)
        self._before.clear()
