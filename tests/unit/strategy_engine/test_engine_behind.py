"""A strategy that sees the market late: what it is told, and what its intents say."""

from __future__ import annotations

from proto_schemas.control import Control, Sighted, TimerFired
from proto_schemas.enums import Mode, SessionPhase
from proto_schemas.market_data import Level, MarketProgress, Quote, Trade
from proto_schemas.signals import Intent
from services.strategy_engine.api import Context, Side, Strategy
from services.strategy_engine.config import StrategyEngineConfig, Tunables
from services.strategy_engine.core import StrategyEngineCore
from shared.kernel.clock import MS, SECOND, Now
from shared.kernel.outputs import Log, Output, Request, Send
from tests.support import bodies, event, started

ES = "ESM18"
LIMIT_NS = Tunables().behind_after_ns


class Watcher(Strategy):
    """Notes what it is told of its own lag, and wants a lot at each trade."""

    name = "watcher"

    def __init__(self) -> None:
        self.ages: list[int | None] = []
        self.behind: list[bool] = []
        self.quotes: list[int] = []

    def on_trade(self, ctx: Context, trade: Trade) -> None:
        self.ages.append(ctx.data_age_ns)
        self.behind.append(ctx.is_behind)
        ctx.market(Side.BUY, 1)

    def on_quote(self, ctx: Context, quote: Quote) -> None:
        self.quotes.append(quote.feed_seq)


class Rig:
    """A core that may trade; `trade` and `quote` are seen so long after they came in."""

    def __init__(self) -> None:
        self.strategy = Watcher()
        self.core = StrategyEngineCore(StrategyEngineConfig(ES, "watcher"), self.strategy)
        self.boot_ns = 100 * SECOND
        self.take(started("strategy_engine"))
        self.take(event(Sighted("ledger", "order_state")))
        self.take(event(Sighted(f"market.{ES}", "market_data")))
        self.take(event(Control(1, Mode.NORMAL, SessionPhase.OPEN, "", False, True, None)))

    def take(self, one: object) -> list[Output]:
        return self.core.handle(one, Now(SECOND, self.boot_ns))  # type: ignore[arg-type]

    def trade(self, feed_seq: int, age_ns: int) -> list[Output]:
        return self.take(event(Trade(feed_seq, ES, 1, self.boot_ns - age_ns, 100, 1)))

    def quote(self, feed_seq: int, age_ns: int) -> list[Output]:
        levels = Level(99, 1), Level(101, 1)
        return self.take(event(Quote(feed_seq, ES, 1, self.boot_ns - age_ns, *levels)))


def said(outputs: list[Output]) -> list[str]:
    return [output.event for output in outputs if isinstance(output, Log)]


def test_it_is_behind_by_the_age_of_what_it_sees_and_that_is_said_once() -> None:
    rig = Rig()
    ages = (0, LIMIT_NS, LIMIT_NS + 1, LIMIT_NS + 2, 5 * MS)
    logs = []
    for feed_seq, age_ns in enumerate(ages, 1):
        rig.boot_ns += SECOND
        logs += said(rig.trade(feed_seq, age_ns))
    assert rig.strategy.ages == list(ages)
    assert rig.strategy.behind == [False, False, True, True, False]
    assert logs == ["strategy_behind", "strategy_caught_up"]


def test_an_intent_says_on_what_market_it_rests() -> None:
    rig = Rig()
    (intent,) = bodies(rig.trade(1, 3 * SECOND), Request)
    assert isinstance(intent, Intent) and intent.data_ns == rig.boot_ns - 3 * SECOND


def test_a_quote_that_was_held_back_comes_after_younger_trades_and_is_seen() -> None:
    rig = Rig()
    rig.quote(1, 0)
    rig.trade(5, 0)
    rig.quote(3, 2 * LIMIT_NS)
    assert rig.strategy.quotes == [1, 3]
    assert rig.trade(6, 0) and rig.strategy.behind == [False, False], "it is old, we are not late"
    rig.quote(3, 0)
    rig.trade(5, 0)
    assert rig.strategy.quotes == [1, 3] and len(rig.strategy.ages) == 2, "repeats are no news"


def test_the_progress_is_the_highest_row_and_never_falls() -> None:
    rig = Rig()
    rig.trade(50, 0)
    rig.quote(40, 0)
    assert bodies(rig.take(event(TimerFired("progress"))), Send) == [
        MarketProgress("strategy_engine", 50)
    ]
