"""Bars out of trades, by stream time.

A bar covers one aligned minute of exchange time, is stamped with its start, and is closed by the
first trade of a later minute: only then is it known that nothing more belongs to it. A minute
without a trade has no bar. An absent size counts as one lot, a zero size as none.
Limits: the last bar of a feed stays open, because nothing comes that could close it.
"""

from __future__ import annotations

from dataclasses import dataclass

from proto_schemas.market_data import Bar, Trade
from shared.kernel.clock import MINUTE


@dataclass(slots=True)
class OpenBar:
    """The bar that is being built."""

    start_ns: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume_lots: int
    trades: int


@dataclass(slots=True)
class BarBuilder:
    """One instrument's bars."""

    running: OpenBar | None = None

    def add(self, trade: Trade) -> Bar | None:
        """Take a trade; return the bar that it closed, if any. Time must not go back."""
        start_ns = trade.exchange_ns - trade.exchange_ns % MINUTE
        lots = 1 if trade.quantity_lots is None else trade.quantity_lots
        price_ticks = trade.price_ticks
        running = self.running
        if running is not None and start_ns <= running.start_ns:
            running.high_ticks = max(running.high_ticks, price_ticks)
            running.low_ticks = min(running.low_ticks, price_ticks)
            running.close_ticks = price_ticks
            running.volume_lots += lots
            running.trades += 1
            return None
        self.running = OpenBar(
            start_ns, price_ticks, price_ticks, price_ticks, price_ticks, lots, 1
        )
        return None if running is None else _closed(running, trade)


def _closed(bar: OpenBar, closer: Trade) -> Bar:
    return Bar(
        instrument=closer.instrument,
        start_ns=bar.start_ns,
        span_ns=MINUTE,
        receive_ns=closer.receive_ns,
        open_ticks=bar.open_ticks,
        high_ticks=bar.high_ticks,
        low_ticks=bar.low_ticks,
        close_ticks=bar.close_ticks,
        volume_lots=bar.volume_lots,
        trades=bar.trades,
    )
