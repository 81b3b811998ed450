"""A book of single orders, reduced to its top: the best price of each side and all lots there.

Theory of operation. Orders are kept by id, lots by side and price; the prices of a side wait in a
heap, and one that has no lots any more is thrown away when it comes to the top. So a change costs
the same however deep the book is.
Limits: `ORDERS_MAX` orders; a book that starts in the middle, without a snapshot, misses orders.
"""

from __future__ import annotations

import heapq

from shared.feeds.rows import BookLevel

ORDERS_MAX = 2_000_000
BID, ASK = b"B", b"A"


class BookError(ValueError):
    """A change that does not fit the book."""


class _Side:
    """Lots by price, and the best price. `sign` turns the best price into the smallest number."""

    def __init__(self, sign: int) -> None:
        self.lots: dict[int, int] = {}
        self._sign = sign
        self._heap: list[int] = []
        self._waiting: set[int] = set()

    def change(self, price_ticks: int, lots: int) -> None:
        left = self.lots.get(price_ticks, 0) + lots
        if left <= 0:
            self.lots.pop(price_ticks, None)
            return
        self.lots[price_ticks] = left
        if price_ticks not in self._waiting:
            self._waiting.add(price_ticks)
            heapq.heappush(self._heap, self._sign * price_ticks)

    def best(self) -> BookLevel | None:
        while self._heap:
            price_ticks = self._sign * self._heap[0]
            lots = self.lots.get(price_ticks)
            if lots is not None:
                return BookLevel(price_ticks, lots)
            heapq.heappop(self._heap)
            self._waiting.discard(price_ticks)
        return None


class OrderBook:
    """All living orders of one contract."""

    def __init__(self) -> None:
        self._orders: dict[int, tuple[bytes, int, int]] = {}
        self._sides = {BID: _Side(-1), ASK: _Side(1)}

    def clear(self) -> None:
        """Forget all orders."""
        self._orders = {}
        self._sides = {BID: _Side(-1), ASK: _Side(1)}

    def put(self, order_id: int, side: bytes, price_ticks: int, lots: int) -> None:
        """Add an order, or give a known one new terms; `BookError` for a side that is none."""
        if side not in self._sides:
            raise BookError(f"side = {side!r} of order_id = {order_id}")
        if order_id not in self._orders and len(self._orders) >= ORDERS_MAX:
            raise BookError(f"more than {ORDERS_MAX} orders")
        self._take_out(order_id)
        self._orders[order_id] = side, price_ticks, lots
        self._sides[side].change(price_ticks, lots)

    def reduce(self, order_id: int, lots: int) -> None:
        """Take lots off an order, and the order off with its last; `BookError` if unknown."""
        found = self._orders.get(order_id)
        if found is None:
            raise BookError(f"order_id = {order_id} is not in the book")
        side, price_ticks, had_lots = found
        self._take_out(order_id)
        if had_lots > lots:
            self.put(order_id, side, price_ticks, had_lots - lots)

    def top(self) -> tuple[BookLevel | None, BookLevel | None]:
        """Best bid and best ask."""
        return self._sides[BID].best(), self._sides[ASK].best()

    def _take_out(self, order_id: int) -> None:
        found = self._orders.pop(order_id, None)
        if found is not None:
            side, price_ticks, lots = found
            self._sides[side].change(price_ticks, -lots)
