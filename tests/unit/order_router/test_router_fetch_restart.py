"""A fetch for the ledger outlives the router that took it."""

from __future__ import annotations

from proto_schemas.ledger import ReconcileFetch
from services.order_router.core import NAME, REPORT_TIMER
from shared.kernel.clock import SECOND, Now
from shared.kernel.outputs import Request, SetTimer
from tests.support import bodies, event, started
from tests.unit.order_router.router_inputs import (
    account,
    approval,
    at,
    give,
    open_core,
    passed,
)


def test_a_fetch_that_waits_for_the_ledger_is_asked_for_again_after_a_restart() -> None:
    core = open_core()
    passed(core, approval())  # one report is not answered yet
    give(core, ReconcileFetch(7), 1)
    outputs = core.handle(started(NAME, epoch=2), at(2))
    names = [each.name for each in outputs if isinstance(each, SetTimer)]
    assert REPORT_TIMER in names


def test_a_fetch_outlives_a_reboot_of_the_machine() -> None:
    core = open_core()
    give(core, ReconcileFetch(7), 10_000)
    core.handle(started(NAME, epoch=2), Now(0, SECOND))  # the boot clock began again
    query_id = max(core.state().session.queries)
    outputs = core.handle(event(account(0, query_id=query_id)), Now(0, SECOND + 1))
    assert [each.reconcile_id for each in bodies(outputs, Request)] == [7]
