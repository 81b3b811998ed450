"""Who may trade: no lease before the watchdog itself sees clearly, and reconciles until clean."""

from __future__ import annotations

import pytest

from proto_schemas.broker import BrokerOrderEvent
from proto_schemas.control import PeerStatus
from proto_schemas.enums import Mode, OrderState, SessionPhase
from proto_schemas.signals import Nack
from services.watchdog.announce import CONTROL_EVERY_NS
from services.watchdog.closing import NAME
from services.watchdog.reconciling import RECONCILE_RETRY_NS
from shared.kernel.clock import MINUTE, MS
from shared.kernel.outputs import Push
from shared.kernel.state import state_hash
from tests.unit.brokers.session_inputs import order_id
from tests.unit.watchdog.fake_account import BOOT, CONFIG, FakeAccount, Kennel, open_kennel

RETRY_MS = RECONCILE_RETRY_NS // MS


def test_a_lease_carries_the_questions_nonce_the_epoch_the_mode_and_its_time() -> None:
    kennel = open_kennel()
    lease = kennel.ask_lease(42)
    assert (lease.nonce, lease.lease_epoch, lease.mode) == (42, 1, Mode.NORMAL)
    assert lease.ttl_ns == CONFIG.lease_ttl_ns
    assert Push("order_router", lease) in kennel.outputs[-1]


def test_nothing_is_granted_before_the_own_session_is_ready() -> None:
    kennel = Kennel(account=FakeAccount(deaf=True))
    kennel.start()
    assert kennel.ask_lease().mode is Mode.HALT
    kennel.report(kennel.core.state().reconcile_id)
    assert kennel.ask_lease().mode is Mode.HALT
    assert kennel.core.state_word() == "RECONCILING"


def test_an_incomplete_account_opens_nothing() -> None:
    kennel = Kennel(account=FakeAccount(complete=False))
    kennel.start()
    kennel.run_for(1_000)
    assert kennel.fetched_ns == []
    assert kennel.ask_lease().mode is Mode.HALT
    kennel.account.complete = True
    kennel.run_for(200)
    assert kennel.ask_lease().mode is Mode.NORMAL


@pytest.mark.parametrize("answer", [None, False], ids=["no report", "a break"])
def test_nothing_is_granted_before_a_clean_reconcile(answer: bool | None) -> None:
    kennel = Kennel(reconcile_clean=answer)
    kennel.start()
    assert kennel.ask_lease().mode is Mode.HALT
    assert len(kennel.fetched_ns) == 1
    kennel.reconcile_clean = True
    kennel.run_for(RETRY_MS)
    assert kennel.ask_lease().mode is Mode.NORMAL
    assert kennel.controls[-1].mode is Mode.NORMAL


def test_a_new_life_needs_a_clean_reconcile_of_its_own() -> None:
    kennel = open_kennel()
    old = kennel.core.state().reconcile_id
    kennel.reconcile_clean = None
    kennel.start()
    kennel.report(old)
    assert kennel.ask_lease().mode is Mode.HALT
    kennel.report(kennel.core.state().reconcile_id)
    lease = kennel.ask_lease()
    assert (lease.mode, lease.lease_epoch) == (Mode.NORMAL, 2)


def test_a_report_of_the_last_life_clears_nothing_even_before_the_account_is_seen() -> None:
    kennel = open_kennel()
    old = kennel.core.state().reconcile_id
    kennel.account.deaf, kennel.reconcile_clean = True, None
    kennel.start()
    kennel.report(old)
    kennel.account.deaf = False
    kennel.run_for(1_000)
    assert kennel.core.state().session.ready
    assert kennel.ask_lease().mode is Mode.HALT


def test_reconcile_is_tried_until_clean_and_then_every_five_minutes() -> None:
    kennel = Kennel(reconcile_clean=False)
    kennel.start()
    kennel.run_for(2 * RETRY_MS)
    assert [at - BOOT for at in kennel.fetched_ns] == [
        0,
        RECONCILE_RETRY_NS,
        2 * RECONCILE_RETRY_NS,
    ]
    kennel.reconcile_clean = True
    kennel.run_for(RETRY_MS)
    clean_ns = kennel.fetched_ns[-1]
    kennel.run_for(11 * 60_000)
    later = [at - clean_ns for at in kennel.fetched_ns if at > clean_ns]
    assert later == [5 * MINUTE, 10 * MINUTE]


def test_each_try_has_its_own_number() -> None:
    kennel = Kennel(reconcile_clean=False)
    kennel.start()
    first = kennel.core.state().reconcile_id
    kennel.run_for(RETRY_MS)
    assert kennel.core.state().reconcile_id == first + 1


def test_a_reconcile_that_takes_longer_than_a_try_counts_all_the_same() -> None:
    """Each report comes when the next try has begun; only a try of this life is asked for."""
    kennel = Kennel(reconcile_clean=None)
    kennel.start()
    first = kennel.core.state().reconcile_id
    kennel.run_for(RETRY_MS + 100)
    assert kennel.core.state().reconcile_id > first
    assert kennel.ask_lease().mode is Mode.HALT
    kennel.report(first)
    assert kennel.ask_lease().mode is Mode.NORMAL


def test_the_first_sign_of_the_broker_whose_account_was_seen_forbids_nothing() -> None:
    kennel = open_kennel()
    asked = kennel.core.state().session.next_query_id
    kennel.give(PeerStatus("venue", True, 1))
    assert kennel.core.state().session.next_query_id == asked
    assert kennel.ask_lease().mode is Mode.NORMAL


def test_a_broker_that_comes_back_is_reconciled() -> None:
    kennel = open_kennel()
    kennel.give(PeerStatus("venue", True, 1))
    before = len(kennel.fetched_ns)
    kennel.give(PeerStatus("venue", False, 1))
    assert len(kennel.fetched_ns) == before
    kennel.give(PeerStatus("venue", True, 2))
    assert len(kennel.fetched_ns) == before + 1


def test_an_account_that_was_not_accepted_reconciles_nothing() -> None:
    kennel = open_kennel()
    before = len(kennel.fetched_ns)
    kennel.account.deaf = True
    kennel.give(PeerStatus("venue", True, 2))
    kennel.show(session_seq=5)
    assert len(kennel.fetched_ns) == before
    assert kennel.ask_lease().mode is Mode.HALT


def test_a_break_later_on_ends_reconciled() -> None:
    kennel = open_kennel()
    kennel.reconcile_clean = False
    kennel.run_for(5 * 60_000 + 1_000)
    assert kennel.controls[-1].reconciled is False


def test_a_silent_broker_ends_the_lease() -> None:
    kennel = open_kennel()
    kennel.account.deaf = True
    kennel.give(PeerStatus("venue", False, 1))
    assert kennel.ask_lease().mode is Mode.HALT
    kennel.account.deaf = False
    kennel.give(PeerStatus("venue", True, 2))
    assert kennel.ask_lease().mode is Mode.NORMAL


def test_an_order_that_nobody_sent_ends_the_lease() -> None:
    kennel = open_kennel()
    kennel.give(
        BrokerOrderEvent(NAME, 1, order_id(9), "B1", OrderState.ACKNOWLEDGED, "ACCEPTED", 1)
    )
    assert kennel.ask_lease().mode is Mode.HALT
    assert kennel.core.state_word() == "PAUSED"


def test_a_refusal_by_the_ledger_ends_the_lease_and_one_by_the_router_does_not() -> None:
    kennel = open_kennel()
    kennel.give(Nack("BUSY", "", ""), producer="order_router")
    assert kennel.ask_lease().mode is Mode.NORMAL
    kennel.give(Nack("FACTS_DIFFER", "side", "SELL"), producer="order_state")
    assert kennel.ask_lease().mode is Mode.HALT


def test_control_is_repeated_every_second() -> None:
    kennel = open_kennel()
    before = len(kennel.controls)
    kennel.run_for(3 * CONTROL_EVERY_NS // MS)
    assert len(kennel.controls) == before + 3
    assert kennel.controls[-1].control_epoch == 1
    assert kennel.controls[-1].phase is SessionPhase.OPEN


def test_replaying_the_same_inputs_gives_the_same_outputs_and_state() -> None:
    kennel = open_kennel()
    kennel.account.lots["ESM18"] = 4
    kennel.end_stream()
    kennel.run_for(1_600)
    kennel.start()
    kennel.run_for(10_000)
    assert kennel.phase == "CLOSED"
    twin = Kennel().core
    again = [twin.handle(each, now) for each, now in kennel.history]
    assert again == kennel.outputs
    assert state_hash(twin.state()) == state_hash(kennel.core.state())
