"""Bench: one market order of one lot per trade, BUY and SELL in turn. Never for money.

It waits while `OPEN_MAX` orders are open: more would run into the position limit, and what is
refused says nothing about the way of an order.
"""

from __future__ import annotations

from services.strategy_engine.api import Context, Side, Strategy, Trade

OPEN_MAX = 40


class EveryTick(Strategy):
    """Makes the order path as busy as the market. An order that may not leave is tried again."""

    name = "every_tick"

    def __init__(self) -> None:
        self.side = Side.BUY

    def on_trade(self, ctx: Context, trade: Trade) -> None:
        """One intent; the side turns only when it left."""
        if len(ctx.open_orders) < OPEN_MAX and ctx.market(self.side, 1) is not None:
            self.side = Side.SELL if self.side is Side.BUY else Side.BUY
