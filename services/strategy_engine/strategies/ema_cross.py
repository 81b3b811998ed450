"""The example strategy: long one lot while the fast average is above the slow one, else short.

Averages are exponential, of 1-minute closes, alpha = 2 / (n + 1), n = 5 and 20. They are kept as
integers in millionths of a tick, so that a replay gives the very same numbers:

    average += round(2 * (close - average) / (n + 1))        halves round up

The first close is the first value. After 20 bars the position follows the sign of fast - slow;
equal averages change nothing. It does not wait for a cross: at the end of the warm-up it takes the
side that it finds. Orders are the difference between wanted and actual position, one at a time, so
an order that was refused, lost or filled in part is made up for at a later bar.
"""

from __future__ import annotations

from services.strategy_engine.api import Bar, Context, Side, Strategy

MINUTE_NS = 60_000_000_000
MICRO = 1_000_000
FAST_BARS = 5
SLOW_BARS = 20


def next_average(average: int, close_ticks: int, bars: int) -> int:
    """One step of the average over `bars` closes, in millionths of a tick."""
    parts = bars + 1
    return average + (2 * (close_ticks * MICRO - average) + parts // 2) // parts


class EmaCross(Strategy):
    """Two averages, a warm-up, and the position that they want."""

    name = "ema_cross"

    def __init__(self) -> None:
        self.bars = 0
        self.fast = 0
        self.slow = 0
        self.wanted_lots = 0

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        """Move the averages, then the position if it is not what they want."""
        if bar.span_ns != MINUTE_NS:
            return
        self._average(bar.close_ticks)
        if self.bars < SLOW_BARS:
            return
        if self.fast != self.slow:
            self.wanted_lots = 1 if self.fast > self.slow else -1
        # None: the ledger cannot be seen, so nobody knows what there is to correct.
        if ctx.position_lots is None or ctx.open_orders:
            return
        missing_lots = self.wanted_lots - ctx.position_lots
        if missing_lots:
            ctx.market(Side.BUY if missing_lots > 0 else Side.SELL, abs(missing_lots))

    def _average(self, close_ticks: int) -> None:
        if self.bars == 0:
            self.fast = self.slow = close_ticks * MICRO
        else:
            self.fast = next_average(self.fast, close_ticks, FAST_BARS)
            self.slow = next_average(self.slow, close_ticks, SLOW_BARS)
        self.bars += 1
