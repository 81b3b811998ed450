"""The engine around a scripted strategy, and the messages that tests tell it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from proto_schemas.base import Message
from proto_schemas.control import (
    Control,
    Sighted,
)
from proto_schemas.enums import Mode, OrderState, SessionPhase
from proto_schemas.ledger import OrderUpdate, PositionUpdate
from proto_schemas.market_data import Bar, Trade
from proto_schemas.signals import Decision, Intent
from services.strategy_engine.api import Context, Order, Side, Strategy
from services.strategy_engine.config import StrategyEngineConfig, Tunables
from services.strategy_engine.core import StrategyEngineCore
from shared.kernel.clock import MS
from shared.kernel.outputs import Event, Output, Request
from tests.support import bodies, event, now, started

ES = "ESM18"
MARKET = f"market.{ES}"


class Script(Strategy):
    """Does what the test says, and notes what it was told."""

    name = "script"

    def __init__(self, does: Callable[[Context], object] | None = None) -> None:
        self.does = [] if does is None else [does]
        self.heard: list[str] = []

    def on_start(self, ctx: Context) -> None:
        self.heard.append("start")

    def on_trade(self, ctx: Context, trade: Trade) -> None:
        self.heard.append(f"trade {trade.feed_seq}")
        for do in self.does:
            do(ctx)

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        self.heard.append(f"bar {bar.start_ns}")

    def on_order(self, ctx: Context, order: Order) -> None:
        self.heard.append(f"{order.state} {order.code}")


class Rig:
    """A core and the moment; `feed` handles one input."""

    def __init__(self, strategy: Strategy, tunables: Tunables | None = None) -> None:
        config = StrategyEngineConfig(ES, strategy.name, tunables or Tunables())
        self.core = StrategyEngineCore(config, strategy)
        self.boot_ns = 1_000 * MS
        self.feed_seq = 0
        self.inputs: list[tuple[Event, Any]] = []

    def feed(self, body: Message | Event, **about: Any) -> list[Output]:
        one = body if isinstance(body, Event) else event(body, **about)
        if isinstance(body, Decision):  # the engine hands the command's subject back
            one = replace(one, subject=f"order:{body.client_order_id}")
        moment = now(boot_ns=self.boot_ns)
        self.inputs.append((one, moment))
        return self.core.handle(one, moment)

    def start(self, epoch: int = 1) -> list[Output]:
        return self.feed(started("strategy_engine", epoch))

    def ready(self) -> Rig:
        self.start()
        self.feed(Sighted("ledger", "order_state"))
        self.feed(Sighted(MARKET, "market_data"))
        self.feed(control(Mode.NORMAL))
        return self

    def trade(self, price_ticks: int = 100) -> list[Output]:
        self.feed_seq += 1
        return self.feed(Trade(self.feed_seq, ES, 0, self.boot_ns, price_ticks, 1))

    def intent(self) -> Intent:
        [found] = bodies(self.trade(), Request)
        return found

    def seen(self) -> dict[str, Any]:
        """What the strategy sees at the next trade."""
        view: dict[str, Any] = {}

        def look(ctx: Context) -> None:
            for key in ("position_lots", "open_orders", "can_trade", "last_price_ticks"):
                view[key] = getattr(ctx, key)

        script: Any = self.core._strategy
        before, script.does = script.does, [look]
        self.trade()
        script.does = before
        return view


def buy(ctx: Context) -> None:
    ctx.market(Side.BUY, 2)


def control(mode: Mode) -> Control:
    return Control(1, mode, SessionPhase.OPEN, "", True, True, None)


def order_update(order_id: str, state: OrderState, filled_lots: int = 0) -> OrderUpdate:
    return OrderUpdate(
        order_id, "order_router", "script", ES, Side.BUY, 2, filled_lots, 0, state, "OK"
    )


def position(lots: int, strategy: str = "script", instrument: str = ES) -> PositionUpdate:
    return PositionUpdate(strategy, instrument, lots, 0, 0, 0, 0, None)


def decision(intent: Intent, approved: bool, code: str = "OK") -> Decision:
    return Decision(intent.client_order_id, approved, code, "3", "4")
