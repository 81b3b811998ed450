"""Times the whole way from tick to order, joined from the journals while they are followed. Pure.

The tick's stamp stands in the strategy's journal, the intent that it caused in the risk engine's,
the order's arrival in the venue's. They are read one after the other, so that any of the three may
be seen first; what never finds the others is forgotten when its table is full.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from proto_schemas.base import Envelope
from services.monitor.trace import SEEN_KINDS
from shared.kernel.clock import Now

TICKS_MAX = 50_000
ORDERS_MAX = 5_000
T = TypeVar("T")


class OrderPath:
    """`observe` is given the nanoseconds of each way that is complete."""

    def __init__(self, observe: Callable[[int], None]) -> None:
        self._observe = observe
        self._since_ns: int | None = None
        self._tick_ns: dict[str, int] = {}
        self._cause: dict[str, str] = {}
        self._arrived_ns: dict[str, int] = {}

    def count_from(self, boot_ns: int) -> None:
        """What is older was counted by an earlier life; the first call counts."""
        if self._since_ns is None:
            self._since_ns = boot_ns

    def add(self, layer: str, envelope: Envelope, now: Now) -> None:
        """Take one record's envelope and the moment it was handled."""
        if self._since_ns is None or now.boot_ns < self._since_ns:
            return
        kind, signal = envelope.kind, envelope.correlation_id
        if layer == "strategy_engine" and kind in SEEN_KINDS:
            _keep(self._tick_ns, envelope.id, envelope.sent_ns, TICKS_MAX)
        elif signal is None:
            return
        elif layer == "risk_engine" and kind == "intent" and envelope.cause is not None:
            _keep(self._cause, signal, envelope.cause, ORDERS_MAX)
        elif layer == "venue" and kind == "new_order" and envelope.producer == "order_router":
            _keep(self._arrived_ns, signal, now.boot_ns, ORDERS_MAX)

    def join(self) -> None:
        """Count every way whose three ends are there by now."""
        for signal in [each for each in self._arrived_ns if each in self._cause]:
            began_ns = self._tick_ns.get(self._cause[signal])
            if began_ns is not None:
                self._observe(self._arrived_ns.pop(signal) - began_ns)
                del self._cause[signal]


def _keep(table: dict[str, T], key: str, value: T, most: int) -> None:
    """The first word counts: a repeat is no new message."""
    if key in table:
        return
    if len(table) >= most:
        del table[next(iter(table))]
    table[key] = value
