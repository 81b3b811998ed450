"""What the engine itself must not forget; the strategy, its desk and its fence have their own."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.strategy_engine.reloading import NO_SOURCE, Source, Wish


@dataclass(slots=True)
class EngineState:
    """What the engine itself remembers; the strategy and the desk have their own.

    `begun`: the strategy that runs had its `on_start`. `wish`: a person waits for its file to be
    read again.
    """

    started: bool = False
    begun: bool = False
    source: Source = NO_SOURCE
    wish: Wish | None = None
    feed_seq: int = 0
    seen_seqs: dict[str, int] = field(default_factory=dict)
    reported_seq: int = 0
    report_soon: bool = False
    ledger_up: bool = True
    bar_starts: dict[int, int] = field(default_factory=dict)
