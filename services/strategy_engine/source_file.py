"""Reads the strategy's file for the engine: before the first hook, and when a person asks for it.

That a file loads, or why not, becomes an input with the source in it. So the journal holds the code
that ran, and a restart needs no folder.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from proto_schemas.base import Message
from proto_schemas.control import StrategyFile
from services.strategy_engine.core import StrategyEngineCore
from services.strategy_engine.hooks import HookOverran
from services.strategy_engine.loader import find_strategy, load_source, read_source
from services.strategy_engine.reloading import NO_SOURCE, Source
from shared.kernel.clock import Now
from shared.kernel.errors import OperatorFault
from shared.kernel.text import sendable

TOO_SLOW_FIX = "Do less while the file is loaded, or raise strategy_engine.hook_limit_ns."


class SourceFile:
    """Implements `shared.runtime.host.Source`: the core asks, this answers between two events."""

    def __init__(
        self,
        core: StrategyEngineCore,
        name: str,
        folders: tuple[Path, ...],
        guard: Callable[..., object],
    ) -> None:
        self._core, self._name, self._folders, self._guard = core, name, folders, guard

    def first_input(self) -> Message | None:
        """The file, unless the journal has told already which code runs."""
        return None if self._core.running.text else self.read()

    def next_input(self, now: Now) -> tuple[Message, int] | None:
        """The file, when the core waits for it."""
        return (self.read(), now.stream_ns) if self._core.wants_file else None

    def next_due_ns(self, now: Now) -> int | None:
        """At once, when the core waits."""
        return now.boot_ns if self._core.wants_file else None

    def close(self) -> None:
        """Nothing is open."""

    def read(self) -> StrategyFile:
        """The file as it stands there now, and whether it can run."""
        source = NO_SOURCE
        try:
            source = read_source(find_strategy(self._name, *self._folders))
            self._guard(load_source, self._name, source)
        except OperatorFault as fault:
            return self._answer(source, fault.code, fault.field, fault.value, fault.fix)
        except HookOverran:
            return self._answer(source, "STRATEGY_TOO_SLOW", source.path, "loading", TOO_SLOW_FIX)
        return self._answer(source, "OK")

    def differs(self) -> Source | None:
        """The file in the folder, if it is readable and not what runs."""
        try:
            found = read_source(find_strategy(self._name, *self._folders))
        except OperatorFault:
            return None  # a restart needs no file; `bulkhead reload` tells what is wrong with it
        return None if found.source_hash == self._core.running.source_hash else found

    def _answer(self, source: Source, code: str, *why: Any) -> StrategyFile:
        field, value, fix = [sendable(str(word)) for word in why] or ("", "", "")
        path = sendable(source.path)
        return StrategyFile(
            self._name, path, source.source_hash, source.text, code, field, value, fix
        )
