"""Coming back: with and without a checkpoint the same, and never from one that does not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import CapturingLogger

from proto_schemas.enums import OrderAction, OrderType, Side
from proto_schemas.ledger import OrderEvent
from services.order_state.config import OrderStateConfig
from services.order_state.core import OrderStateCore
from shared.bus.codec import encode
from shared.kernel.errors import OurFault
from shared.kernel.pack import pack
from shared.runtime import recovery as module
from shared.runtime.engine import Engine
from shared.runtime.record import pack_record
from shared.runtime.recovery import Recovery
from shared.runtime.run_folder import RunFolder
from tests.support import event, now, started
from tests.unit.runtime.runs import make_run

NAME = "order_state"


class Life:
    """One life of a ledger, as the host leads it, without sockets."""

    def __init__(self, run: RunFolder, core: Any = None) -> None:
        self.log = CapturingLogger()
        self.engine = Engine(core or OrderStateCore(OrderStateConfig()), NAME, {})
        log: Any = self.log
        self.recovery = Recovery(run, self.engine, log)
        self.step(started(NAME, self.engine.epoch + 1))

    def step(self, one: Any) -> None:
        moment = now(stream_ns=50 + self.recovery.journal.count)
        step = self.engine.step(one, moment)
        raw = encode(one.envelope, one.body)
        self.recovery.journal.append(pack_record(raw, moment, step.digest))

    def order(self, number: int) -> None:
        body = OrderEvent(
            f"9f3ac21b-77d0-0001-0001-{number:012x}", "order_router", "ema", "ESZ24", Side.BUY,
            1, OrderType.MARKET, OrderAction.CREATE, "NEW", None, None,
        )  # fmt: skip
        self.step(event(body, seq=number))

    def die(self) -> bytes:
        """A kill: nothing is saved. Returns what the engine knew."""
        self.recovery.journal.close()
        return pack(self.engine.memory())

    def told(self) -> list[str]:
        return [call.args[0] for call in self.log.calls]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return make_run(tmp_path)


def lived(run: RunFolder, before: int, after: int) -> bytes:
    """A life with this many orders before its checkpoint and after it; then killed."""
    life = Life(run)
    for number in range(1, before + after + 1):
        life.order(number)
        if number == before:
            life.recovery.save(stream_ns=1_000)
    return life.die()


def memory_after_recovery(run: RunFolder) -> tuple[Recovery, bytes]:
    engine = Engine(OrderStateCore(OrderStateConfig()), NAME, {})
    log: Any = CapturingLogger()
    recovery = Recovery(run, engine, log)
    recovery.journal.close()
    return recovery, pack(engine.memory())


def test_without_a_checkpoint_everything_is_stepped(run: RunFolder) -> None:
    knew = lived(run, 0, 5)
    recovery, knows = memory_after_recovery(run)
    assert (recovery.found.stepped, recovery.found.records) == (6, 6)
    assert recovery.found.checkpoint == "none" and knows == knew


def test_with_one_only_the_rest_is_stepped_and_the_state_is_the_same(run: RunFolder) -> None:
    knew = lived(run, 4, 3)
    recovery, knows = memory_after_recovery(run)
    assert (recovery.found.stepped, recovery.found.records) == (3, 8)
    assert recovery.found.checkpoint == "used" and knows == knew
    run.checkpoint(NAME).unlink()
    recovery, knows = memory_after_recovery(run)
    assert recovery.found.stepped == 8 and knows == knew


def test_the_stream_clock_never_goes_back(run: RunFolder) -> None:
    lived(run, 2, 0)
    life = Life(run)
    life.recovery.save(stream_ns=9_999)
    life.die()
    recovery, _ = memory_after_recovery(run)
    assert recovery.stream_ns == 9_999


def test_a_damaged_checkpoint_costs_time_and_nothing_else(run: RunFolder) -> None:
    knew = lived(run, 4, 3)
    run.checkpoint(NAME).write_bytes(run.checkpoint(NAME).read_bytes()[:-1])
    recovery, knows = memory_after_recovery(run)
    assert recovery.found.stepped == 8 and knows == knew
    assert "damaged" in recovery.found.checkpoint


def test_one_that_does_not_fit_the_journal_is_passed_over(run: RunFolder) -> None:
    lived(run, 4, 0)
    kept = run.checkpoint(NAME).read_bytes()
    run.journal(NAME).unlink()
    knew = lived(run, 0, 2)
    run.checkpoint(NAME).write_bytes(kept)
    recovery, knows = memory_after_recovery(run)
    assert recovery.found.checkpoint == "it does not fit the journal" and knows == knew


def test_memory_of_other_code_is_passed_over(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    knew = lived(run, 4, 1)

    def other_code(_data: bytes) -> Any:
        raise module.Unpackable("had the fields a, today b")

    monkeypatch.setattr(module, "unpack", other_code)
    recovery, knows = memory_after_recovery(run)
    assert "today b" in recovery.found.checkpoint
    assert recovery.found.stepped == 6 and knows == knew


def test_a_config_may_change_over_a_clean_stop_and_over_no_other(run: RunFolder) -> None:
    """Inputs are stepped again under the config that they were first stepped under, or refused."""

    class Other(OrderStateCore):
        """A config that leads to other answers stands for this."""

        def handle(self, event: Any, now: Any) -> Any:
            return super().handle(event, now)[:1]

    lived(run, 3, 0)
    clean = Life(run)
    clean.recovery.save(stream_ns=0)
    clean.die()
    run.config.write_text(run.config.read_text() + "\n# changed\n")
    life = Life(run, Other(OrderStateConfig()))
    assert life.recovery.found.stepped == 0
    life.order(50)
    life.die()
    run.config.write_text(run.config.read_text() + "\n# changed again\n")
    with pytest.raises(OurFault, match="REPLAY_DIFFERS.*config was changed"):
        Life(run)


def test_other_code_on_the_same_config_is_named_as_such(run: RunFolder) -> None:
    class Other(OrderStateCore):
        def handle(self, event: Any, now: Any) -> Any:
            return super().handle(event, now)[:1]

    lived(run, 0, 3)
    with pytest.raises(OurFault, match="other code wrote it"):
        Life(run, Other(OrderStateConfig()))


def test_it_is_due_after_many_records_and_slow_ones_come_more_rarely(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROWS_BETWEEN", 3)
    life = Life(run)
    assert not life.recovery.due()
    life.order(1)
    life.order(2)
    assert life.recovery.due()
    monkeypatch.setattr(module, "SHARE_OF_TIME", 10**9)
    life.recovery.save(stream_ns=0)
    for number in (3, 4, 5):
        life.order(number)
    assert not life.recovery.due(), "it just took its share of the time"
    life.die()


def test_a_long_recovery_asks_for_a_checkpoint(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WORTH_IT_ROWS", 4)
    lived(run, 0, 3)
    life = Life(run)
    assert life.recovery.was_long()
    life.recovery.save(stream_ns=0)
    life.die()
    assert not Life(run).recovery.was_long()


def test_a_state_that_cannot_be_written_is_told_once_and_trading_goes_on(run: RunFolder) -> None:
    life = Life(run)
    core: Any = life.engine.core
    core._state.marks["ESZ24"] = object()
    life.recovery.save(stream_ns=0)
    life.recovery.save(stream_ns=0)
    core._state.marks.clear()
    assert life.told() == ["checkpoint_impossible"]
    assert not run.checkpoint(NAME).exists()
    life.order(1)
    life.die()


def test_a_disk_that_refuses_is_told_and_trading_goes_on(run: RunFolder) -> None:
    life = Life(run)
    run.checkpoint(NAME).with_name(f"{NAME}.checkpoint.new").mkdir()
    life.recovery.save(stream_ns=0)
    assert life.told() == ["checkpoint_failed"]
    life.order(1)
    life.die()
