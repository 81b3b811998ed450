"""When each process of the order path handled what: from a tick to its order, out of the journals.

Every order that a tick led to has one way: the boot times at which the row, then the intent, the
approval and the order were handled, in the order of `WAY`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from proto_schemas.base import Envelope, Message
from proto_schemas.broker import NewOrder
from proto_schemas.signals import Approval, Intent
from shared.journal import walk_journal
from shared.runtime.bursts import market_rows
from shared.runtime.record import peek_record, unpack_record
from shared.runtime.run_folder import RunFolder

ROWS_AT = ("venue", "market_data", "strategy_engine")
"""Who handles a row, in this order."""
ORDERS_AT: dict[str, type[Intent] | type[Approval] | type[NewOrder]] = {
    "risk_engine": Intent,
    "order_router": Approval,
    "venue": NewOrder,
}
"""Then who handles what the row led to."""
WAY = (*ROWS_AT, *ORDERS_AT)
ROW_KINDS = (
    *("feed_trade", "feed_quote", "feed_depth", "feed_burst"),
    *("trade", "quote", "depth", "market_burst"),
)
KINDS = (*ROW_KINDS, "intent", "approval", "new_order")
WARM_UP_PERCENT = 10
T = TypeVar("T")


@dataclass(slots=True)
class ChainTimes:
    """Boot times of handling, by service; `cause_of` and `row_of` tell how they belong together."""

    rows_ns: dict[str, dict[int, int]] = field(default_factory=dict)
    orders_ns: dict[str, dict[str, int]] = field(default_factory=dict)
    cause_of: dict[str, str] = field(default_factory=dict)
    row_of: dict[str, int] = field(default_factory=dict)

    def add(self, service: str, envelope: Envelope, body: Message, boot_ns: int) -> None:
        """Take one handled input. All rows of a burst were handled at one moment."""
        for row in market_rows(body):
            self.rows_ns.setdefault(service, {})[row.feed_seq] = boot_ns
            if service == "strategy_engine":
                self.row_of.setdefault(envelope.id, row.feed_seq)
        if isinstance(body, Intent | Approval | NewOrder) and type(body) is ORDERS_AT.get(service):
            self.orders_ns.setdefault(service, {})[body.client_order_id] = boot_ns
        if isinstance(body, Intent) and service == "risk_engine" and envelope.cause is not None:
            self.cause_of[body.client_order_id] = envelope.cause

    def ways_ns(self) -> list[tuple[int, ...]]:
        """One for each order that a tick led to and that all have on record, in tick order."""
        led = [
            (self.row_of[cause], order)
            for order, cause in self.cause_of.items()
            if cause in self.row_of
        ]
        ways = [self._way(row, order) for row, order in sorted(led)]
        return [way for way in ways if len(way) == len(WAY)]

    def _way(self, row: int, order: str) -> tuple[int, ...]:
        """As far as it is on record."""
        of_row = (self.rows_ns.get(service, {}).get(row) for service in ROWS_AT)
        of_order = (self.orders_ns.get(service, {}).get(order) for service in ORDERS_AT)
        return tuple(at_ns for at_ns in (*of_row, *of_order) if at_ns is not None)


def read_times(run: RunFolder) -> ChainTimes:
    """Read the journal of everyone on the way, once each."""
    times = ChainTimes()
    for service in dict.fromkeys(WAY):
        _read(run, service, times)
    return times


def after_warm_up(values: Sequence[T]) -> list[T]:
    """Without the first tenth, in which caches fill."""
    return list(values[len(values) * WARM_UP_PERCENT // 100 :])


def percentile(values: list[float], percent: int) -> float:
    """Nearest rank of unsorted values."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)]


def _read(run: RunFolder, service: str, times: ChainTimes) -> None:
    def on_record(payload: bytes) -> None:
        envelope, now = peek_record(payload)
        if envelope.kind in KINDS:
            times.add(service, envelope, unpack_record(payload)[0].body, now.boot_ns)

    walk_journal(run.journal(service), service, run.settings.run_id, on_record)
