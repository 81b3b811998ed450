"""A hook that takes too long or returns something: paused, told why, and the same in a replay."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from textwrap import indent
from time import process_time
from typing import Any

import pytest

from proto_schemas.control import HookCut
from proto_schemas.market_data import Trade
from services.strategy_engine.api import Context, Strategy
from services.strategy_engine.config import StrategyEngineConfig
from services.strategy_engine.core import StrategyEngineCore
from services.strategy_engine.guard import TimedGuard
from services.strategy_engine.hooks import HookOverran
from services.strategy_engine.loader import load_strategy
from shared.kernel.clock import MS
from shared.kernel.errors import OperatorFault
from shared.kernel.outputs import Log, Output, Request
from tests.support import bodies, event
from tests.unit.strategy_engine.rig import ES, Rig, Script, buy

LIMIT_NS = 50 * MS


@pytest.fixture
def guard() -> Iterator[TimedGuard]:
    before = signal.getsignal(signal.SIGPROF)
    made = TimedGuard(LIMIT_NS)
    made.arm()
    yield made
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.signal(signal.SIGPROF, before)


def loop_for_ever(_ctx: Context) -> None:
    while True:
        pass


def loop_and_catch(_ctx: Context) -> None:
    while True:
        with suppress(Exception):
            sum(range(1_000))


def block_for_a_while(_ctx: Context) -> None:
    end_s = process_time() + 2
    while process_time() < end_s:
        pass


def guarded(script: Strategy, guard: Callable[..., object]) -> Rig:
    rig = Rig(script)
    rig.core = StrategyEngineCore(StrategyEngineConfig(ES, script.name), script, guard)
    return rig.ready()


def error_of(outputs: list[Output]) -> Log:
    [log] = [each for each in outputs if isinstance(each, Log) and each.level == "error"]
    return log


@pytest.mark.parametrize("hook", [loop_for_ever, loop_and_catch, block_for_a_while])
def test_a_hook_that_does_not_end_is_cut_off_and_nothing_of_it_leaves(
    guard: TimedGuard, hook: Callable[[Context], None]
) -> None:
    script = Script(buy)
    script.does.append(hook)
    rig = guarded(script, guard)
    began_s = process_time()
    outputs = rig.trade()
    assert process_time() - began_s < 10 * LIMIT_NS / 1e9
    assert bodies(outputs, Request) == []
    log = error_of(outputs)
    assert (log.event, log.fields["hook"]) == ("strategy_too_slow", "on_trade")
    assert (log.fields["intents_withdrawn"], log.fields["limit_ns"]) == (1, 10**9)
    assert "hook_limit_ns" in str(log.fields["fix"])
    assert rig.core.state_word() == "PAUSED"
    heard = len(script.heard)
    assert bodies(rig.trade(), Request) == []
    assert len(script.heard) == heard, "a paused strategy is not called"


def test_a_quick_hook_is_not_touched_however_often_it_is_called(guard: TimedGuard) -> None:
    rig = guarded(Script(), guard)
    for _ in range(2_000):
        rig.trade()
    assert rig.core.state_word() == "TRADING"
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)


def test_an_alarm_that_comes_after_the_hook_hurts_nobody(guard: TimedGuard) -> None:
    guard._on_alarm(signal.SIGPROF, None)


def test_the_verdict_stands_before_its_input_and_a_replay_needs_no_clock(
    guard: TimedGuard,
) -> None:
    script = Script(loop_for_ever)
    rig = guarded(script, guard)
    trade = event(Trade(1, ES, 0, 0, 100, 1))
    live = rig.feed(trade)
    verdict = rig.core.verdict()
    assert verdict == HookCut(trade.envelope.id, 1)
    assert rig.core.verdict() is None, "it is told once"

    called: list[str] = []
    twin = Rig(Script(lambda _ctx: called.append("again")))
    for one, moment in rig.inputs[:-1]:
        twin.core.handle(one, moment)
    twin.core.handle(event(verdict, producer="strategy_engine"), rig.inputs[-1][1])
    assert twin.core.handle(*rig.inputs[-1]) == live
    assert called == []
    state: Any = twin.core._state
    assert state == rig.core._state


def test_nothing_is_cut_off_while_the_journal_is_stepped_again() -> None:
    unarmed = TimedGuard(LIMIT_NS)

    def slow_but_done(_ctx: Context) -> None:
        end_s = process_time() + 3 * LIMIT_NS / 1e9
        while process_time() < end_s:
            pass

    rig = guarded(Script(slow_but_done), unarmed)
    rig.trade()
    assert rig.core.state_word() == "TRADING"


@pytest.mark.parametrize("returned", [1, "BUY", False, [], ("BUY", 2)])
def test_a_hook_that_returns_something_is_paused_and_told_what_to_do(returned: object) -> None:
    class Returns(Script):
        def on_trade(self, ctx: Context, trade: Trade) -> Any:
            buy(ctx)
            return returned

    rig = Rig(Returns()).ready()
    outputs = rig.trade()
    assert bodies(outputs, Request) == []
    log = error_of(outputs)
    assert (log.event, log.fields["hook"]) == ("strategy_returned", "on_trade")
    assert repr(returned) in str(log.fields["value"]) and "ctx" in str(log.fields["fix"])
    assert rig.core.state_word() == "PAUSED"


CATCHES = {
    "except:": "try:\n    pass\nexcept:\n    pass",
    "BaseException": "try:\n    pass\nexcept BaseException:\n    pass",
    "continue in finally": "while ctx:\n    try:\n        pass\n    finally:\n        continue",
    "return in finally": "try:\n    pass\nfinally:\n    return",
    "def __exit__": "class Quiet:\n    def __exit__(self, *_):\n        return True",
}


@pytest.mark.parametrize("what", CATCHES)
def test_what_could_catch_the_alarm_is_refused_at_load(tmp_path: Path, what: str) -> None:
    assert not issubclass(HookOverran, Exception)
    head = "from services.strategy_engine.api import Strategy\n\nclass Mine(Strategy):\n"
    hook = indent(f"def on_trade(self, ctx, trade):\n{indent(CATCHES[what], '    ')}\n", "    ")
    (tmp_path / "mine.py").write_text(f'{head}    name = "mine"\n\n{hook}')
    with pytest.raises(OperatorFault, match="STRATEGY_FORBIDDEN") as caught:
        load_strategy("mine", tmp_path)
    assert what in str(caught.value) and "mine.py:" in str(caught.value)


def test_an_ordinary_try_is_let_in(tmp_path: Path) -> None:
    body = "try:\n    pass\nexcept ValueError:\n    return\nfinally:\n    self.done = True"
    head = "from services.strategy_engine.api import Strategy\n\nclass Mine(Strategy):\n"
    hook = indent(f"def on_trade(self, ctx, trade):\n{indent(body, '    ')}\n", "    ")
    (tmp_path / "mine.py").write_text(f'{head}    name = "mine"\n\n{hook}')
    load_strategy("mine", tmp_path)
