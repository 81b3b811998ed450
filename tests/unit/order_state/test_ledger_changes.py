"""Changes in the ledger: whatever the order in which the reports arrive, the same book."""

from __future__ import annotations

from itertools import permutations

import pytest

from proto_schemas.base import Message
from proto_schemas.enums import OrderAction as A
from proto_schemas.enums import OrderState, OrderType
from proto_schemas.ledger import OrderUpdate
from proto_schemas.signals import Nack
from shared.kernel.outputs import Reply
from tests.support import bodies
from tests.unit.order_state.ledger_reports import execution, feed, order_event, ready_core

LIMIT = {"order_type": OrderType.LIMIT, "price_ticks": 99}
SENT = order_event(A.SUBMIT, **LIMIT)
WORKS = order_event(A.WORK, **LIMIT)
ASKED = order_event(A.ASK_REPLACE, revision=1, **LIMIT)
REPLACED = order_event(
    A.REPLACE, revision=1, order_type=OrderType.LIMIT, price_ticks=97, quantity_lots=2
)
REFUSED = order_event(A.REFUSE_CHANGE, revision=1, **LIMIT)
CANCEL_ASKED = order_event(A.ASK_CANCEL, revision=2, **LIMIT)
CANCELLED = order_event(A.CANCEL, **LIMIT)


def book(reports: tuple[Message, ...]) -> tuple[str, int, int | None, int]:
    """State, quantity, price and revision of the one order after these reports."""
    core = ready_core()
    for report in reports:
        feed(core, report)
    [shown] = [each for each in core.current("ledger") if isinstance(each, OrderUpdate)]
    return shown.state.value, shown.quantity_lots, shown.price_ticks, shown.revision


@pytest.mark.parametrize(
    ("reports", "end"),
    [
        ((SENT, WORKS, ASKED), ("PENDING_REPLACE", 3, 99, 0)),
        ((SENT, WORKS, ASKED, REPLACED), ("WORKING", 2, 97, 1)),
        ((SENT, WORKS, ASKED, REFUSED), ("WORKING", 3, 99, 0)),
        ((SENT, ASKED, REPLACED, CANCEL_ASKED), ("PENDING_CANCEL", 2, 97, 1)),
        ((SENT, ASKED, REPLACED, CANCEL_ASKED, CANCELLED), ("CANCELLED", 2, 97, 1)),
        ((SENT, ASKED, REFUSED, CANCEL_ASKED), ("PENDING_CANCEL", 3, 99, 0)),
        ((SENT, WORKS, ASKED, REPLACED, execution(1)), ("PARTIAL_FILL", 2, 97, 1)),
        ((SENT, ASKED, REPLACED, execution(1), execution(2)), ("FILLED", 2, 97, 1)),
    ],
)
def test_the_same_reports_in_any_order_make_the_same_book(
    reports: tuple[Message, ...], end: tuple[str, int, int | None, int]
) -> None:
    assert {book(arrival) for arrival in permutations(reports)} == {end}


def test_a_repeated_report_of_a_change_changes_nothing() -> None:
    assert book((SENT, ASKED, REPLACED, ASKED, REPLACED, WORKS)) == ("WORKING", 2, 97, 1)


def test_another_quantity_in_a_report_that_is_no_replace_is_refused() -> None:
    core = ready_core()
    feed(core, SENT)
    [nack] = bodies(feed(core, order_event(A.WORK, quantity_lots=5, **LIMIT)), Reply)
    assert isinstance(nack, Nack) and nack.code == "FACTS_DIFFER"


def test_a_leg_is_published_with_its_entry() -> None:
    core = ready_core()
    leg = order_event(
        A.SUBMIT, order_type=OrderType.STOP, price_ticks=95, reduce_only=True,
        parent_id="9f3ac21b-77d0-0001-0001-000000000009",
    )  # fmt: skip
    feed(core, leg)
    [shown] = [each for each in core.current("ledger") if isinstance(each, OrderUpdate)]
    assert (shown.parent_id, shown.reduce_only, shown.order_type) == (
        leg.parent_id, True, OrderType.STOP,
    )  # fmt: skip
    assert shown.state is OrderState.SUBMITTED
