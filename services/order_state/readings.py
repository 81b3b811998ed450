"""What the ledger shows of itself: positions, P&L, and how the last reconcile went."""

from __future__ import annotations

from collections.abc import Mapping

from proto_schemas.ledger import PositionUpdate, ReconcileReport
from services.order_state.ledger import EXECUTION_IDS_MAX, ORDERS_MAX, Books
from shared.kernel.clock import Now
from shared.kernel.readings import Readings, labelled, queue

MONEY = {
    "bulkhead_realised_dollars": "realised_mills",
    "bulkhead_open_dollars": "open_mills",
    "bulkhead_fees_dollars": "fees_mills",
    "bulkhead_position_lots": "position_lots",
}


def readings(
    books: Books, marks: Mapping[str, int], report: ReconcileReport | None, now: Now
) -> Readings:
    """The books at the last marks."""
    updates = [each.update(marks.get(each.instrument)) for each in books.positions.values()]
    found: Readings = {
        ("bulkhead_executions",): len(books.executions),
        ("bulkhead_orders",): len(books.orders),
        **queue("executions", len(books.executions), EXECUTION_IDS_MAX),
        **queue("orders", len(books.orders), ORDERS_MAX),
    }
    for name, field in MONEY.items():
        found |= labelled(name, [(_key(each), getattr(each, field)) for each in updates])
    if report is not None:
        found["bulkhead_reconcile_differences",] = len(report.breaks)
        found["bulkhead_reconcile_age_seconds",] = max(0, now.boot_ns - report.at_ns)
    return found


def _key(update: PositionUpdate) -> tuple[str, str]:
    return update.strategy, update.instrument
