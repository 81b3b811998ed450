"""P&L of one trading day: what the run had made when the day began is taken off. Pure.

The ledger's numbers are those of the whole run, and a paper run lasts for weeks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from proto_schemas.ledger import PositionUpdate
from shared.markets import trading_day


@dataclass(slots=True)
class DayProfit:
    """`day`: the exchange's trading day, None before the first. `before_mills`: made before it."""

    day: int | None = None
    before_mills: int = 0

    def turn(self, positions: Iterable[PositionUpdate], stream_ns: int) -> None:
        """Begin a new day if this moment is in another; `positions` as they stood until now."""
        if stream_ns == 0:
            return
        day = trading_day(stream_ns)
        if self.day != day:
            self.before_mills = profit_mills(positions) if self.day is not None else 0
            self.day = day

    def mills(self, positions: Iterable[PositionUpdate]) -> int:
        """P&L since the day began, after fees, open positions at the mark."""
        return profit_mills(positions) - self.before_mills


def profit_mills(positions: Iterable[PositionUpdate]) -> int:
    """P&L of the run, after fees, open positions at the mark."""
    return sum(each.realised_mills + each.open_mills - each.fees_mills for each in positions)
