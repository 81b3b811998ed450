"""Flat is not reconciled: the session ends only with a reconcile made after flat was proven."""

from __future__ import annotations

from proto_schemas.control import PeerStatus
from tests.unit.watchdog.fake_account import Kennel, open_kennel
from tests.unit.watchdog.test_watchdog_hours import DAYS, at_ten, clock


def reconciled_while_revoking(kennel: Kennel) -> None:
    """A clean reconcile on the broker's return, before anything was closed; none afterwards."""
    kennel.run_for(100)
    kennel.give(PeerStatus("venue", True, 2))
    kennel.reconcile_clean = None
    kennel.run_for(5_000)


def test_flat_is_not_shown_as_reconciled_before_the_last_reconcile() -> None:
    kennel = open_kennel()
    kennel.account.lots["ESM18"] = 4
    kennel.end_stream()
    reconciled_while_revoking(kennel)
    assert kennel.phase == "FLAT"
    assert kennel.controls[-1].reconciled is False


def test_a_session_does_not_open_again_without_its_last_reconcile() -> None:
    day = DAYS["summer"]
    kennel = at_ten(day)
    kennel.stream_to(clock(day, "15:55:00"))
    reconciled_while_revoking(kennel)
    assert kennel.phase == "FLAT"
    kennel.stream_to(clock(day, "18:00:00"))
    assert kennel.phase == "FLAT"
