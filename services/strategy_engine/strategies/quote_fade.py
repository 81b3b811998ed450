"""Example with working orders: fade a short move with a limit order, protected at the venue.

It keeps a slow average of the middle of the book. When the middle has run away from it by
`ENTER_MICRO`, it joins the best bid (after a fall) or the best ask (after a rise) and waits to be
filled there: a maker's entry, which pays no spread. A stop and a target go to the venue together
with the entry and live there, whatever becomes of us. While the entry waits:

- the quote moves away: the order follows it (replace), at most `CHASE_TICKS` from where it began,
  because stop and target stay where they are;
- the move is over, or we see the market late: the order goes (cancel).

The answer to a change takes a moment, so it is asked for again only after `ASK_AGAIN_NS`.

A position that neither stop nor target has closed after `HOLD_NS` is closed at market. All numbers
are integers, so that a replay gives the very same orders. It is an example, not a promise: who
fades a trend loses.
"""

from __future__ import annotations

from services.strategy_engine.api import Context, Order, Quote, Side, Strategy

MICRO = 1_000_000
LOTS = 2
AVERAGE_QUOTES = 256
ENTER_MICRO = 1_000_000
"""One tick away from the average: a quiet night market has such moves too."""
LEAVE_MICRO = 250_000
STOP_TICKS = 8
TARGET_TICKS = 4
CHASE_TICKS = 2
SECOND_NS = 1_000_000_000
HOLD_NS = 120 * SECOND_NS
ASK_AGAIN_NS = SECOND_NS
WORKS = ("ACKNOWLEDGED", "WORKING", "PARTIAL_FILL")


class QuoteFade(Strategy):
    """One entry at a time; its own legs or the clock end the position."""

    name = "quote_fade"

    def __init__(self) -> None:
        self.average_micro: int | None = None
        self.away_micro = 0
        self.began_ticks = 0
        self.held_since_ns: int | None = None
        self.asked_ns = 0

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        """Look at the move, then at what we have: a position, an entry that waits, or nothing."""
        if quote.bid is None or quote.ask is None:
            return
        self._measure(quote.bid.price_ticks, quote.ask.price_ticks)
        held = ctx.position_lots
        if held is None:
            return  # the ledger cannot be seen: nobody knows what there is to do
        entries = [order for order in ctx.open_orders if order.parent_id is None]
        self._note_holding(ctx.stream_ns, held)
        for order in entries:
            if not order.reduce_only:
                self._look_after(ctx, order, _best_ticks(quote, order.side))
        if held:
            self._leave_if_late(ctx, held, entries)
        elif not ctx.open_orders:
            self._enter(ctx, quote)

    def _measure(self, bid_ticks: int, ask_ticks: int) -> None:
        middle_micro = (bid_ticks + ask_ticks) * MICRO // 2
        if self.average_micro is None:
            self.average_micro = middle_micro
        self.average_micro += (middle_micro - self.average_micro) // AVERAGE_QUOTES
        self.away_micro = middle_micro - self.average_micro

    def _wanted(self, beyond_micro: int) -> Side | None:
        """Against the move, if it is larger than this."""
        if abs(self.away_micro) < beyond_micro:
            return None
        return Side.SELL if self.away_micro > 0 else Side.BUY

    def _enter(self, ctx: Context, quote: Quote) -> None:
        side = self._wanted(ENTER_MICRO)
        if side is None or ctx.is_behind or not ctx.can_trade:
            return
        price_ticks = _best_ticks(quote, side)
        asked = ctx.limit(
            side,
            LOTS,
            price_ticks,
            stop_ticks=price_ticks - side.sign * STOP_TICKS,
            target_ticks=price_ticks + side.sign * TARGET_TICKS,
        )
        if asked is not None:
            self.began_ticks = price_ticks

    def _look_after(self, ctx: Context, order: Order, best_ticks: int) -> None:
        """An entry that waits: leave it, follow the quote, or give up."""
        if order.state not in WORKS or ctx.stream_ns - self.asked_ns < ASK_AGAIN_NS:
            return
        chased = order.side.sign * (best_ticks - self.began_ticks)
        if ctx.is_behind or self._wanted(LEAVE_MICRO) is not order.side or chased > CHASE_TICKS:
            ctx.cancel(order.client_order_id)
            self.asked_ns = ctx.stream_ns
        elif order.side.sign * (best_ticks - (order.price_ticks or 0)) > 0:
            ctx.replace(order.client_order_id, best_ticks)
            self.asked_ns = ctx.stream_ns

    def _note_holding(self, now_ns: int, held: int) -> None:
        if not held:
            self.held_since_ns = None
        elif self.held_since_ns is None:
            self.held_since_ns = now_ns

    def _leave_if_late(self, ctx: Context, held: int, entries: list[Order]) -> None:
        """Close at market when it took too long, or when no leg stands behind the position."""
        late = ctx.stream_ns - (self.held_since_ns or 0) > HOLD_NS
        protected = any(order.parent_id is not None for order in ctx.open_orders)
        if (late or not protected) and not entries:
            ctx.market(Side.SELL if held > 0 else Side.BUY, abs(held), reduce_only=True)


def _best_ticks(quote: Quote, side: Side) -> int:
    """Where a maker of this side stands first; both sides are there."""
    level = quote.bid if side is Side.BUY else quote.ask
    return level.price_ticks if level is not None else 0
