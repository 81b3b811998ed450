"""The kill switch: latch first, then shut, cancel, close, prove, and stay stopped until resumed."""

from __future__ import annotations

import json

import pytest

from proto_schemas.broker import CancelOthers
from proto_schemas.control import KillRequest, KillSeen, LatchSeen, ResumeRequest
from proto_schemas.enums import Mode, Side
from proto_schemas.signals import Ack, Nack
from services.watchdog.latch import CLEAR, DAMAGED_ID, FILE, read_latch
from shared.kernel.outputs import Barrier, Reply, Send, Store
from tests.support import bodies
from tests.unit.watchdog.fake_account import Kennel, kennel_with, open_kennel

FLAT_BY_MS = 4_000
KILL = KillRequest("cli", "something is wrong")


def killed(lots: int = 4) -> Kennel:
    kennel = kennel_with(lots)
    kennel.give(KILL, producer="cli-1")
    return kennel


def kill_id(kennel: Kennel) -> str:
    latch = kennel.core.state().latch
    assert latch is not None
    return latch.kill_id


def resume(kennel: Kennel, wanted: str, operator: str = "ada", reason: str = "found it") -> object:
    kennel.give(ResumeRequest(wanted, operator, reason), producer="cli-1")
    (answer,) = bodies(kennel.outputs[-1], Reply)
    return answer


def test_the_latch_is_on_disk_before_anything_else_leaves() -> None:
    kennel = killed()
    outputs = kennel.outputs[-1]
    assert isinstance(outputs[0], Store) and outputs[0].name == FILE
    assert json.loads(outputs[0].data)["kill_id"] == kill_id(kennel)
    assert isinstance(outputs[1], Barrier)
    assert bodies(outputs, Reply) == [Ack()]


def test_a_kill_shuts_at_once_and_ends_flat_reconciled_and_latched() -> None:
    kennel = killed(lots=4)
    assert kennel.controls[-1].mode is Mode.HALT
    assert kennel.ask_lease().mode is Mode.HALT
    kennel.run_for(FLAT_BY_MS)
    assert [(order.side, order.quantity_lots, order.reduce_only) for order in kennel.orders] == [
        (Side.SELL, 4, True)
    ]
    last = kennel.controls[-1]
    assert (str(last.phase), last.flat, last.reconciled) == ("FLAT", True, True)
    assert last.kill_id == kill_id(kennel)
    assert kennel.core.state_word() == "KILLED"


def test_orders_of_others_are_cancelled_once_nobody_can_send_any_more() -> None:
    kennel = killed()
    before = [each for outputs in kennel.outputs for each in bodies(outputs, Send)]
    assert not any(isinstance(each, CancelOthers) for each in before)
    kennel.run_for(FLAT_BY_MS)
    sent = [each for outputs in kennel.outputs for each in bodies(outputs, Send)]
    assert [each for each in sent if isinstance(each, CancelOthers)] == [CancelOthers("watchdog")]


def test_a_second_kill_joins_the_first() -> None:
    kennel = killed()
    first = kill_id(kennel)
    kennel.give(KillSeen("file", "KILL"))
    kennel.run_for(FLAT_BY_MS)
    assert kill_id(kennel) == first
    assert sum(order.quantity_lots for order in kennel.orders) == 4


@pytest.mark.parametrize("wait_ms", [0, 700, 1_600, 1_900, 5_000])
def test_a_restart_at_any_moment_ends_flat_and_stays_latched(wait_ms: int) -> None:
    kennel = killed()
    first = kill_id(kennel)
    kennel.run_for(wait_ms)
    kennel.start()
    assert kennel.ask_lease().mode is Mode.HALT
    kennel.run_for(FLAT_BY_MS)
    last = kennel.controls[-1]
    assert (str(last.phase), last.flat, last.kill_id) == ("FLAT", True, first)
    assert sum(order.quantity_lots for order in kennel.orders) == 4


def test_what_still_appears_after_flat_is_closed_too() -> None:
    kennel = killed()
    kennel.run_for(FLAT_BY_MS)
    kennel.account.lots["ESM18"] = -2
    kennel.run_for(FLAT_BY_MS)
    assert (kennel.orders[-1].side, kennel.orders[-1].quantity_lots) == (Side.BUY, 2)
    assert (kennel.phase, kennel.controls[-1].flat) == ("FLAT", True)


def test_only_the_right_id_with_a_name_and_a_reason_resumes_and_only_when_flat() -> None:
    kennel = killed()
    wanted = kill_id(kennel)
    assert isinstance(resume(kennel, wanted), Nack)  # not flat yet
    kennel.run_for(FLAT_BY_MS)
    for wrong in (("kill-9-9", "ada", "x"), (wanted, " ", "x"), (wanted, "ada", " ")):
        answer = resume(kennel, *wrong)
        assert isinstance(answer, Nack)
    assert kennel.ask_lease().mode is Mode.HALT
    assert resume(kennel, wanted) == Ack()
    stores = [each for each in kennel.outputs[-1] if isinstance(each, Store)]
    assert stores == [Store(FILE, CLEAR)]
    assert kennel.ask_lease().mode is Mode.NORMAL
    assert kennel.controls[-1].kill_id is None


def test_resume_without_a_kill_is_refused() -> None:
    answer = resume(open_kennel(), "kill-1-1")
    assert isinstance(answer, Nack) and answer.code == "NOT_KILLED"


def test_a_latch_that_only_the_files_know_of_holds() -> None:
    kennel = open_kennel()
    kennel.give(LatchSeen("kill-7-1", "from another life", False))
    assert kill_id(kennel) == "kill-7-1"
    assert kennel.ask_lease().mode is Mode.HALT


def test_damage_reads_as_latched_and_nothing_at_all_only_on_a_first_start_as_clear() -> None:
    assert read_latch(None, False, first_start=True) == LatchSeen(None, "", False)
    assert read_latch(None, False, first_start=False).damaged
    assert read_latch(b"{", False, first_start=True).damaged
    assert read_latch(CLEAR, True, first_start=False) == LatchSeen(None, "", True)
    kennel = open_kennel()
    kennel.give(LatchSeen(None, "", True))
    assert kill_id(kennel) == DAMAGED_ID


def test_files_that_say_clear_do_not_lift_a_latch_and_are_mended() -> None:
    kennel = killed()
    first = kill_id(kennel)
    kennel.give(LatchSeen(None, "", False))
    assert kill_id(kennel) == first
    (store,) = [each for each in kennel.outputs[-1] if isinstance(each, Store)]
    assert json.loads(store.data)["kill_id"] == first
