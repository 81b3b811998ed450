"""A strategy's code as an input: loaded first, changed while flat, the same in every replay."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from proto_schemas.base import Message
from proto_schemas.control import (
    HookCut,
    ReloadRequest,
    Replace,
    Sighted,
    StrategyFile,
    StrategyReloaded,
)
from proto_schemas.enums import Mode
from proto_schemas.ledger import PositionUpdate
from proto_schemas.market_data import Trade
from proto_schemas.signals import Intent
from services.strategy_engine.config import StrategyEngineConfig
from services.strategy_engine.core import StrategyEngineCore
from services.strategy_engine.guard import TimedGuard
from services.strategy_engine.hooks import call_directly
from services.strategy_engine.loader import run_source
from services.strategy_engine.source_file import SourceFile
from shared.kernel.clock import MS
from shared.kernel.errors import OurFault
from shared.kernel.outputs import Event, Log, Output, Reply, Request
from shared.kernel.pack import Unpackable, pack, unpack
from tests.support import bodies, event, now, started
from tests.unit.strategy_engine.rig import ES, MARKET, control

# Counts trades; buys one lot at every second trade of each life of its memory.
CODE = """
from dataclasses import dataclass
from services.strategy_engine.api import Context, Side, Strategy, Trade

@dataclass
class Memory:
    trades: int = 0

class Mine(Strategy):
    name = "mine"

    def __init__(self) -> None:
        self.memory = Memory()

    def on_start(self, ctx: Context) -> None:
        self.started = True

    def on_trade(self, ctx: Context, trade: Trade) -> None:
        self.memory.trades += 1
        if self.memory.trades % 2 == 0:
            ctx.market(Side.BUY, LOTS)
"""
ONE, TWO = CODE.replace("LOTS", "1"), CODE.replace("LOTS", "2")
PAUSES = CODE.replace("ctx.market(Side.BUY, LOTS)", "raise ValueError")


class Box:
    """A core with its file in a folder, as the host drives them."""

    def __init__(self, folder: Path, text: str = ONE) -> None:
        self.path = folder / "mine.py"
        self.path.write_text(text)
        self.core = make_core()
        self.file = SourceFile(self.core, "mine", (folder,), call_directly)
        self.inputs: list[tuple[Event, Any]] = []
        self.feed_seq = 0
        self.boot_ns = 1_000 * MS
        self.first: list[Output] = []

    def feed(self, body: Message | Event) -> list[Output]:
        self.boot_ns += MS
        one = body if isinstance(body, Event) else event(body)
        self.inputs.append((one, now(boot_ns=self.boot_ns)))
        return self.core.handle(*self.inputs[-1])

    def ready(self) -> Box:
        self.feed(started("strategy_engine"))
        first = self.file.first_input()
        assert first is not None
        self.first = self.feed(first)
        for body in (Sighted("ledger", "order_state"), Sighted(MARKET, "market_data")):
            self.feed(body)
        self.feed(control(Mode.NORMAL))
        return self

    def trade(self) -> list[Intent]:
        self.feed_seq += 1
        found = bodies(self.feed(Trade(self.feed_seq, ES, 0, 0, 100, 1)), Request)
        return [each for each in found if isinstance(each, Intent)]

    def holds(self, lots: int) -> None:
        self.feed(PositionUpdate("mine", ES, lots, 0, 0, 0, 0, None))

    def reload(self, keep_position: bool = False) -> StrategyReloaded:
        outputs = self.feed(ReloadRequest(keep_position))
        found = self.file.next_input(now(boot_ns=self.boot_ns))
        if found is not None:
            outputs += self.feed(found[0])
        assert self.file.next_input(now(boot_ns=self.boot_ns)) is None, "it is read once"
        [answer] = bodies(outputs, Reply)
        assert isinstance(answer, StrategyReloaded)
        return answer


def make_core() -> StrategyEngineCore:
    return StrategyEngineCore(StrategyEngineConfig(ES, "mine"), load=run_source)


def test_the_file_is_an_input_before_the_first_hook(tmp_path: Path) -> None:
    box = Box(tmp_path)
    box.feed(started("strategy_engine"))
    assert box.core.state_word() == "PAUSED", "no code yet"
    file = box.file.first_input()
    assert isinstance(file, StrategyFile)
    assert (file.code, file.source) == ("OK", ONE)
    assert file.source_hash == sha256(box.path.read_bytes()).hexdigest()
    box.feed(file)
    assert box.core._strategy.started is True  # type: ignore[attr-defined]
    assert box.file.first_input() is None, "a restart needs no file"


def test_a_reload_while_flat_runs_the_new_code_with_a_fresh_memory(tmp_path: Path) -> None:
    box = Box(tmp_path).ready()
    assert [len(box.trade()) for _ in range(3)] == [0, 1, 0]
    [order] = box.core._desk.open_orders
    assert box.reload().code == "STRATEGY_BUSY", "an order is open"
    box.core._desk.state.orders.clear()
    assert box.reload().code == "UNCHANGED"
    box.path.write_text(TWO)
    answer = box.reload()
    assert answer == StrategyReloaded("OK", "", "", "", sha256(TWO.encode()).hexdigest())
    assert box.trade() == [], "the count begins again"
    [intent] = box.trade()
    assert intent.quantity_lots == 2
    assert intent.client_order_id != order.client_order_id


@pytest.mark.parametrize("lots", [1, -2, None])
def test_with_a_position_only_a_person_may_hand_it_over(tmp_path: Path, lots: int | None) -> None:
    box = Box(tmp_path).ready()
    if lots is None:
        box.core._desk.state.blind["ledger"] = True
    else:
        box.holds(lots)
    box.path.write_text(TWO)
    refused = box.reload()
    assert (refused.code, refused.field) == ("STRATEGY_BUSY", "position")
    assert ("not seen" if lots is None else f"{lots} lots") in refused.value
    assert "--keep-position" in refused.fix
    assert refused.source_hash == sha256(ONE.encode()).hexdigest()
    kept = box.reload(keep_position=True)
    assert kept.code == "OK"
    assert box.core._desk.position_lots == lots, "nothing at the broker is touched"


def test_a_position_that_comes_between_question_and_file_counts(tmp_path: Path) -> None:
    box = Box(tmp_path).ready()
    box.path.write_text(TWO)
    assert bodies(box.feed(ReloadRequest(False)), Reply) == []
    box.holds(1)
    found = box.file.next_input(now())
    assert found is not None
    [answer] = bodies(box.feed(found[0]), Reply)
    assert answer.code == "STRATEGY_BUSY"
    assert box.core.running.text == ONE


def test_a_second_question_while_one_waits_is_refused(tmp_path: Path) -> None:
    box = Box(tmp_path).ready()
    box.feed(ReloadRequest(False))
    [answer] = bodies(box.feed(ReloadRequest(True)), Reply)
    assert answer.code == "RELOAD_BUSY"


BAD = {
    "import os": "STRATEGY_FORBIDDEN",
    "def broken(:": "STRATEGY_SYNTAX",
    "1 // 0": "STRATEGY_RAISED",
    "from services.strategy_engine.api import Nope": "STRATEGY_FORBIDDEN",
}


@pytest.mark.parametrize("line", BAD)
def test_a_bad_file_is_named_with_its_line_and_the_old_code_goes_on(
    tmp_path: Path, line: str
) -> None:
    box = Box(tmp_path).ready()
    box.trade()
    box.path.write_text(f"{TWO}{line}\n")
    answer = box.reload()
    last = len(f"{TWO}{line}".splitlines())
    assert (answer.code, answer.field) == (BAD[line], f"{box.path}:{last}")
    assert answer.fix.endswith(".")
    [intent] = box.trade()
    assert intent.quantity_lots == 1, "with the memory that it had"


def test_a_missing_an_endless_and_an_unreadable_file_are_said(tmp_path: Path) -> None:
    box = Box(tmp_path).ready()
    box.path.write_bytes(b"\xff\xfe")
    assert box.reload().code == "STRATEGY_UNREADABLE"
    box.path.write_text("#" * 200_001)
    assert box.reload().code == "STRATEGY_TOO_LONG"
    box.path.unlink()
    assert box.reload().code == "STRATEGY_UNKNOWN"
    guard = TimedGuard(20 * MS)
    guard.arm()
    endless = SourceFile(box.core, "mine", (tmp_path,), guard)
    box.path.write_text(f"{ONE}\nwhile True:\n    pass\n")
    assert endless.read().code == "STRATEGY_TOO_SLOW"
    assert len(box.trade()) + len(box.trade()) == 1, "the old code goes on"


def test_a_first_file_that_is_bad_leaves_it_paused_until_a_reload(tmp_path: Path) -> None:
    box = Box(tmp_path, "import os\n").ready()
    assert [o.event for o in box.first if isinstance(o, Log)] == ["strategy_refused"]
    assert box.core.state_word() == "PAUSED"
    assert box.trade() == []
    box.path.write_text(ONE)
    assert box.reload().code == "OK"
    assert box.core.state_word() == "TRADING"
    assert len(box.trade()) + len(box.trade()) == 1


def test_a_paused_strategy_runs_again_after_a_reload_even_of_the_same_code(tmp_path: Path) -> None:
    box = Box(tmp_path, PAUSES).ready()
    box.trade()
    box.trade()
    assert box.core.state_word() == "PAUSED"
    assert box.reload().code == "OK"
    assert box.core.state_word() == "TRADING"
    box.path.write_text(CODE.replace("self.started = True", "raise ValueError"))
    answer = box.reload()
    assert answer.code == "STRATEGY_PAUSED" and "on_start" in answer.value


def busy_day(folder: Path) -> Box:
    """Two codes, a refused file and a position in between."""
    box = Box(folder).ready()
    for _ in range(3):
        box.trade()
    box.path.write_text("import os\n")
    box.reload(keep_position=True)
    box.path.write_text(TWO)
    box.holds(1)
    box.reload()
    box.reload(keep_position=True)
    for _ in range(3):
        box.trade()
    box.feed(Replace("ledger", "order_state"))
    box.feed(Sighted("ledger", "order_state"))
    return box


def test_a_replay_without_any_folder_comes_to_the_same(tmp_path: Path) -> None:
    box = busy_day(tmp_path)
    box.path.unlink()
    twin = make_core()
    for one, moment in box.inputs:
        twin.handle(one, moment)
    assert pack(twin.state()) == pack(box.core.state())
    assert twin.running.text == TWO
    ids = [order.client_order_id for order in twin._desk.open_orders]
    assert ids == [order.client_order_id for order in box.core._desk.open_orders]


def test_a_checkpoint_brings_code_and_memory_back(tmp_path: Path) -> None:
    box = busy_day(tmp_path)
    saved = pack(box.core.state())
    box.path.unlink()
    fresh = make_core()
    fresh.restore(unpack(saved))
    assert pack(fresh.state()) == saved
    trade = event(Trade(99, ES, 0, 0, 100, 1))
    assert fresh.handle(trade, now()) == box.core.handle(trade, now())


def test_a_checkpoint_that_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    box = busy_day(tmp_path)
    engine, desk, hooks, kept = unpack(pack(box.core.state()))
    fresh = make_core()
    before = pack(fresh.state())
    with pytest.raises(Unpackable):
        fresh.restore([engine, desk, hooks, kept[:-3]])
    assert pack(fresh.state()) == before


def test_an_engine_without_a_loader_says_so(tmp_path: Path) -> None:
    core = StrategyEngineCore(StrategyEngineConfig(ES, "mine"))
    file = SourceFile(core, "mine", (Box(tmp_path).path.parent,), call_directly).read()
    with pytest.raises(OurFault, match="NO_LOADER"):
        core.handle(event(file, producer="strategy_engine"), now())


def test_a_hook_that_was_cut_off_is_cut_off_in_the_new_code_only_where_it_was(
    tmp_path: Path,
) -> None:
    box = Box(tmp_path).ready()
    trade = event(Trade(1, ES, 0, 0, 100, 1))
    box.feed(event(HookCut(trade.envelope.id), producer="strategy_engine"))
    box.feed_seq = 1
    box.feed(trade)
    assert box.core.state_word() == "PAUSED"
    box.path.write_text(TWO)
    assert box.reload().code == "OK"
    assert len(box.trade()) + len(box.trade()) == 1
