"""Bench: takes every market event and wants nothing. What it costs is what the way to it costs."""

from __future__ import annotations

from services.strategy_engine.api import Context, Depth, Quote, Strategy, Trade


class CountTicks(Strategy):
    """Counts, so that every hook is called as any strategy's would be."""

    name = "count_ticks"

    def __init__(self) -> None:
        self.events = 0

    def on_trade(self, ctx: Context, trade: Trade) -> None:
        """One more."""
        self.events += 1

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        """One more."""
        self.events += 1

    def on_depth(self, ctx: Context, depth: Depth) -> None:
        """One more."""
        self.events += 1
