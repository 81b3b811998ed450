"""What the watchdog takes for proof at a session's end, and what it does not."""

from __future__ import annotations

from typing import Any

import pytest

from proto_schemas.broker import BrokerPosition
from proto_schemas.control import PeerStatus, Replace, Sighted
from services.watchdog.announce import CONTROL_EVERY_NS
from shared.kernel.clock import MS
from tests.unit.watchdog.fake_account import CONFIG, kennel_with

WAIT_MS = (CONFIG.lease_ttl_ns + CONFIG.wire_delay_ns) // MS
LAG_MS = CONFIG.report_lag_ns // MS
DONE_MS = 5_000
CONTROL_MS = CONTROL_EVERY_NS // MS


def test_an_incomplete_account_of_a_new_life_is_never_flat() -> None:
    """Nothing was seen whole since the restart, so nothing is known, least of all "flat"."""
    kennel = kennel_with(4)
    kennel.account.deaf = True
    kennel.end_stream()
    kennel.start()
    kennel.run_for(WAIT_MS)
    for _ in range(20):
        kennel.show(orders=(), positions=(), complete=False)
        kennel.run_for(100)
    assert kennel.phase == "FLATTENING"
    assert kennel.controls[-1].flat is False


EMPTY: dict[str, Any] = {"orders": (), "positions": ()}


@pytest.mark.parametrize(
    "bad",
    [{"complete": False}, {"session_seq": 5}, {"query_id": 0}],
    ids=["incomplete", "out of sequence", "not asked for"],
)
def test_an_account_that_was_not_accepted_is_never_flat(bad: dict[str, Any]) -> None:
    """The account was seen whole before, so the session was ready; this answer proves nothing."""
    kennel = kennel_with(4)
    kennel.end_stream()
    kennel.run_for(WAIT_MS - 1)
    kennel.account.deaf = True
    kennel.run_for(1)
    for _ in range(20):
        kennel.show(**EMPTY, **bad)
        kennel.run_for(100)
    assert kennel.phase == "FLATTENING"
    assert kennel.controls[-1].flat is False
    kennel.account.deaf = False
    kennel.run_for(DONE_MS)
    assert (kennel.phase, kennel.account.lots) == ("CLOSED", {"ESM18": 0})


def test_old_answers_that_waited_in_our_socket_send_no_second_order() -> None:
    """Paused twice: answers from before the closing order come after it, and look settled."""
    kennel = kennel_with(4)
    kennel.end_stream()
    kennel.run_for(WAIT_MS)
    kennel.account.deaf = True
    kennel.account.fills_at_once = False
    kennel.run_for(LAG_MS + 100)
    waiting = sorted(kennel.core.state().session.queries)
    assert len(waiting) > 3
    held = (BrokerPosition("ESM18", 4),)
    for query_id in waiting:
        kennel.show(query_id, session_seq=0, orders=(), positions=held)
        assert kennel.core.state().session.ready
        kennel.boot_ns += (LAG_MS + 100) * MS
    assert [order.quantity_lots for order in kennel.orders] == [4]
    kennel.account.deaf, kennel.account.fills_at_once = False, True
    kennel.account.fill(kennel.orders[0].client_order_id)
    kennel.run_for(DONE_MS)
    assert (kennel.phase, len(kennel.orders)) == ("CLOSED", 1)


def test_a_report_from_before_flat_closes_nothing() -> None:
    """The ledger comes back in the end, and repeats the last report that it had."""
    kennel = kennel_with(4)
    before_the_end = kennel.core.state().reconcile_id
    kennel.end_stream()
    kennel.run_for(100)
    kennel.reconcile_clean = None
    kennel.give(PeerStatus("venue", True, 2))
    while_ending = kennel.core.state().reconcile_id
    assert while_ending > before_the_end
    kennel.ledger_answers = False
    kennel.run_for(DONE_MS)
    assert kennel.phase == "FLAT"
    for reconcile_id in (before_the_end, while_ending, kennel.core.state().reconcile_id):
        kennel.give(Replace("ledger", "order_state"))
        kennel.report(reconcile_id)
        kennel.give(Sighted("ledger", "order_state"))
        assert kennel.phase == "FLAT"


def test_a_report_asked_for_before_the_end_does_not_count_for_it() -> None:
    kennel = kennel_with(4)
    kennel.reconcile_clean = None
    kennel.give(PeerStatus("venue", True, 2))
    asked_before = kennel.core.state().reconcile_id
    kennel.end_stream()
    kennel.report(asked_before)
    kennel.run_for(CONTROL_MS)
    assert kennel.controls[-1].reconciled is False


def test_our_own_order_that_the_account_does_not_show_yet_is_not_sent_again() -> None:
    """A query may overtake an order: the answer is younger than it and knows nothing of it."""
    kennel = kennel_with(4)
    kennel.end_stream()
    kennel.run_for(WAIT_MS - 1)
    kennel.account.deaf = True
    kennel.run_for(1)
    holds: dict[str, Any] = {
        "session_seq": 0, "orders": (), "positions": (BrokerPosition("ESM18", 4),)
    }  # fmt: skip
    for _ in range(20):
        kennel.show(**holds)
        kennel.run_for(50)
        if kennel.orders:
            break
    for _ in range(8):
        kennel.run_for(50)
        kennel.show(**holds)
    assert [order.quantity_lots for order in kennel.orders] == [4]
    assert kennel.core.state().session.in_flight() == (kennel.orders[0].client_order_id,)
