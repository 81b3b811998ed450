"""A strategy in the middle of a burst: what leaves, what is seen, where a replay cuts it off."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from proto_schemas.control import Control, HookCut, Sighted
from proto_schemas.enums import Mode, SessionPhase
from proto_schemas.market_data import MarketBurst, MarketProgress, Trade
from services.strategy_engine.api import Context, Side, Strategy
from services.strategy_engine.config import StrategyEngineConfig, Tunables
from services.strategy_engine.core import StrategyEngineCore
from services.strategy_engine.desk import OPEN_ORDERS_MAX
from services.strategy_engine.hooks import HookOverran, call_directly
from services.strategy_engine.open_orders import CANCEL
from shared.bus.codec import decode, encode
from shared.kernel.clock import SECOND, Now
from shared.kernel.outputs import Event
from shared.kernel.state import state_hash
from shared.runtime.effects import Step, Transmit
from shared.runtime.engine import Engine
from tests.support import event, started

ES = "ESM18"
MARKET = f"market.{ES}"
ROWS = 6
CUT_AT = 4


class EveryTick(Strategy):
    """Buys at each trade; `fails_at`: raises there, after it has asked for its order."""

    name = "every"

    def __init__(self, fails_at: int = 0) -> None:
        self.fails_at = fails_at
        self.called: list[int] = []

    def on_trade(self, ctx: Context, trade: Trade) -> None:
        self.called.append(trade.feed_seq)
        ctx.market(Side.BUY, 1)
        if trade.feed_seq == self.fails_at:
            raise ValueError("a bug")


class Slow:
    """A guard that cuts off one call of the many."""

    def __init__(self, cut_at: int) -> None:
        self.calls, self.cut_at = 0, cut_at

    def __call__(self, hook: Callable[..., object], *arguments: Any) -> object:
        self.calls += hook.__name__ == "on_trade"
        returned = hook(*arguments)
        if self.calls == self.cut_at:
            raise HookOverran
        return returned


class Box:
    """The engine of one strategy, ready to trade, and everything that it was given."""

    def __init__(self, strategy: EveryTick, guard: Callable[..., object] = call_directly) -> None:
        config = StrategyEngineConfig(ES, "every", Tunables(progress_every=4))
        self.strategy = strategy
        self.core = StrategyEngineCore(config, strategy, guard)
        streams = {MARKET: "market_data", "ledger": "order_state"}
        self.engine = Engine(self.core, "strategy_engine", streams)

    def ready(self) -> Box:
        """Both streams are seen, and trading is permitted."""
        self.take(started("strategy_engine"))
        for name, replica in self.engine.replicas.items():
            replica.epoch, replica.seq, replica.sighted = 1, 1, True
            self.core.handle(event(Sighted(name, replica.producer)), Now(0, SECOND))
        self.take(event(Control(1, Mode.NORMAL, SessionPhase.OPEN, "", False, True, None)))
        return self

    def take(self, one: Event) -> Step:
        return self.engine.step(one, Now(1_000, SECOND))


def burst(first: int = 1) -> Event:
    """The next message of the stream."""
    trades = (Trade(n, ES, n, SECOND, 100, 1) for n in range(first, first + ROWS))
    return event(MarketBurst(ES, tuple(trades), (), ()), seq=2)


def intents(step: Step) -> int:
    return sum(isinstance(out, Transmit) and out.kind == "intent" for out in step.effects)


def progress(step: Step) -> list[int]:
    sent = [decode(out.frame).body for out in step.effects if isinstance(out, Transmit)]
    return [body.feed_seq for body in sent if isinstance(body, MarketProgress)]


def test_all_that_a_strategy_wants_in_a_burst_leaves_behind_it_in_order() -> None:
    box = Box(EveryTick()).ready()
    step = box.take(burst())
    assert box.strategy.called == [*range(1, ROWS + 1)]
    assert intents(step) == ROWS
    assert progress(step) == [4], "a report for each so many rows, as for single ones"
    wanted = [out for out in step.effects if isinstance(out, Transmit) and out.kind == "intent"]
    counters = [getattr(decode(out.frame).body, "client_order_id", "") for out in wanted]
    assert counters == sorted(counters)


def test_a_hook_that_raises_in_a_burst_withdraws_its_own_wish_and_the_rest_is_seen() -> None:
    box = Box(EveryTick(fails_at=CUT_AT)).ready()
    step = box.take(burst())
    assert box.strategy.called == [*range(1, CUT_AT + 1)]
    assert intents(step) == CUT_AT - 1
    state: Any = box.core.state()
    assert state[0].feed_seq == ROWS and box.core.state_word() == "PAUSED"
    assert box.core.verdict() is None, "an error repeats itself; only time is no input"


def test_a_hook_that_overran_in_a_burst_is_cut_off_at_the_same_row_in_a_replay() -> None:
    live = Box(EveryTick(), Slow(CUT_AT)).ready()
    one = burst()
    step = live.take(one)
    verdict = live.core.verdict()
    assert verdict == HookCut(one.envelope.id, CUT_AT)
    assert intents(step) == CUT_AT - 1

    twin = Box(EveryTick()).ready()
    note = event(verdict, producer="strategy_engine")
    assert twin.take(decode_again(note)).effects == []
    again = twin.take(one)
    assert again.digest == step.digest
    assert twin.strategy.called == [*range(1, CUT_AT)], "the call that was cut off is not made"
    assert [intents(again), progress(again)] == [intents(step), progress(step)]
    live.strategy.called = twin.strategy.called  # what it noted itself before it was cut
    assert state_hash(twin.core.state()) == state_hash(live.core.state())


def decode_again(one: Event) -> Event:
    return decode(encode(one.envelope, one.body))


@pytest.mark.parametrize("cut_at", [1, ROWS])
def test_the_first_and_the_last_row_of_a_burst_can_be_cut(cut_at: int) -> None:
    live = Box(EveryTick(), Slow(cut_at)).ready()
    one = burst()
    step = live.take(one)
    verdict = live.core.verdict()
    assert verdict is not None
    twin = Box(EveryTick()).ready()
    twin.take(event(verdict, producer="strategy_engine"))
    assert twin.take(one).digest == step.digest
    assert twin.strategy.called == [*range(1, cut_at)]


def test_a_verdict_of_the_version_before_is_about_the_first_call() -> None:
    twin = Box(EveryTick()).ready()
    one = burst()
    twin.take(event(HookCut(one.envelope.id), producer="strategy_engine"))
    assert intents(twin.take(one)) == 0
    assert twin.strategy.called == []


def test_rows_that_were_seen_are_not_shown_again() -> None:
    box = Box(EveryTick()).ready()
    box.take(burst())
    overlapping = burst(first=4)
    box.take(Event(replace(overlapping.envelope, seq=3), overlapping.body))
    assert box.strategy.called == [*range(1, 4 + ROWS)]


class Cancels(EveryTick):
    """Cancels what it asked for a row before, and asks for what nobody may have."""

    def on_trade(self, ctx: Context, trade: Trade) -> None:
        super().on_trade(ctx, trade)
        for order in ctx.open_orders:
            ctx.cancel(order.client_order_id)
        if trade.feed_seq == CUT_AT:
            for _ in range(2 * OPEN_ORDERS_MAX):
                ctx.market(Side.BUY, 1)


def test_nothing_that_a_cut_off_call_did_on_the_desk_is_left() -> None:
    live, twin = Box(Cancels(), Slow(CUT_AT)).ready(), Box(Cancels()).ready()
    one = burst()
    step = live.take(one)
    verdict = live.core.verdict()
    assert verdict is not None
    twin.take(event(verdict, producer="strategy_engine"))
    assert twin.take(one).digest == step.digest
    ours, theirs = (box.core._desk.state for box in (live, twin))
    assert ours == theirs
    assert ours.counter == CUT_AT - 1 and ours.suppressed == {}
    assert [order.change for order in ours.orders.values()] == [CANCEL] * (CUT_AT - 1)


class ChangesThenFails(EveryTick):
    """Asks for a cancel at each row, and goes wrong at one."""

    def __init__(self, returns: bool) -> None:
        super().__init__()
        self.returns = returns

    def on_trade(self, ctx: Context, trade: Trade) -> None:
        super().on_trade(ctx, trade)
        if trade.feed_seq == CUT_AT:
            for order in ctx.open_orders:
                ctx.cancel(order.client_order_id)
            if self.returns:
                return 7  # type: ignore[return-value]
            raise ValueError("a bug")
        ctx.replace(ctx.open_orders[0].client_order_id, 100, 1)


@pytest.mark.parametrize("returns", [True, False])
def test_nothing_that_a_failed_call_did_on_the_desk_is_left(returns: bool) -> None:
    """Also not that a change which was on its way before it seems to be answered."""
    box, twin = Box(ChangesThenFails(returns)).ready(), Box(ChangesThenFails(returns)).ready()
    rows = burst()
    box.take(rows)
    before = MarketBurst(ES, rows.body.trades[: CUT_AT - 1], (), ())  # type: ignore[attr-defined]
    twin.take(Event(rows.envelope, before))
    ours, theirs = (each.core._desk.state for each in (box, twin))
    assert ours.orders == theirs.orders and ours.counter == theirs.counter
