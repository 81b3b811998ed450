"""The eight processes as the lab builds them: real cores, a made-up market, a busy strategy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from proto_schemas.base import Message
from proto_schemas.market_data import FeedEnd, FeedTrade
from proto_schemas.registry import SERVICES, gapless_streams
from services.lab.node import Node
from services.market_data.config import MarketDataConfig
from services.market_data.core import MarketDataCore
from services.monitor.config import MonitorConfig
from services.monitor.core import MonitorCore
from services.order_router.config import RouterConfig
from services.order_router.core import RouterCore
from services.order_state.config import OrderStateConfig
from services.order_state.core import OrderStateCore
from services.risk_engine.config import RiskConfig
from services.risk_engine.core import RiskCore
from services.risk_engine.limits import CEILINGS
from services.strategy_engine.api import Context, Side, Strategy, Trade
from services.strategy_engine.config import StrategyEngineConfig
from services.strategy_engine.core import StrategyEngineCore
from services.venue.config import VenueConfig
from services.venue.core import VenueCore
from services.venue.served_feed import ServedFeed
from services.watchdog.config import WatchdogConfig
from services.watchdog.core import WatchdogCore
from shared.kernel.clock import MS, SECOND
from shared.kernel.errors import OurFault
from shared.kernel.outputs import Core
from shared.runtime.bursts import FeedRow, feed_burst

INSTRUMENT = "ESM30"
STRATEGY = "flipper"
FIRST_ROW_NS = 1_898_946_000 * SECOND  # a morning in New York
ROW_EVERY_STREAM_NS = 200 * MS
ROW_EVERY_BOOT_NS = 5 * MS
BURST_EVERY, BURST_ROWS = 3, 16
OPEN_ORDERS_WANTED = 8
RESTARTS_MAX = 1_000  # kills come far more often here than a box would put up with


class Flipper(Strategy):
    """Trades as often as it can, in every way that there is.

    Every few ticks one step, which follows from the number of ticks alone: to another position
    between -3 and 3 lots at market, a limit order near the market, a bracket, a stop, a cancel or a
    replace of something that works.
    """

    name = STRATEGY

    def __init__(self, every: int) -> None:
        self.every = every
        self.seen = 0

    def on_trade(self, ctx: Context, trade: Trade) -> None:
        """Want a position that follows from the number of trades seen alone."""
        self.seen += 1
        held = ctx.position_lots
        if self.seen % self.every or held is None or not ctx.can_trade:
            return
        number = self.seen // self.every
        match number * 31 % 11:
            case 0 | 1 | 2 | 3 | 4:
                self._flip(ctx, (number * 7919) % 7 - 3 - held)
            case 5 | 6:
                self._bracket(ctx, trade, number)
            case 7:
                self._stop(ctx, trade, held)
            case 8:
                for order in ctx.open_orders[:1]:
                    ctx.cancel(order.client_order_id)
            case _:
                self._replace(ctx, number)

    def _flip(self, ctx: Context, step: int) -> None:
        entries = [order for order in ctx.open_orders if order.parent_id is None]
        if step and not entries:
            ctx.market(Side.BUY if step > 0 else Side.SELL, abs(step))

    def _bracket(self, ctx: Context, trade: Trade, number: int) -> None:
        """A limit order one tick before the market, or at it, with a stop and a target."""
        if len(ctx.open_orders) >= OPEN_ORDERS_WANTED:
            return
        side = Side.BUY if number % 2 else Side.SELL
        price = trade.price_ticks - side.sign * (number % 3 - 1)
        stop, target = price - 3 * side.sign, price + 3 * side.sign
        ctx.limit(side, 1 + number % 2, price, stop_ticks=stop, target_ticks=target)

    def _stop(self, ctx: Context, trade: Trade, held: int) -> None:
        if held:
            side = Side.SELL if held > 0 else Side.BUY
            ctx.stop(side, abs(held), trade.price_ticks + 2 * side.sign, reduce_only=True)

    def _replace(self, ctx: Context, number: int) -> None:
        """Move a limit order or a stop by a tick; sometimes make it smaller."""
        for order in ctx.open_orders:
            if order.price_ticks is not None:
                smaller = order.quantity_lots - (number % 4 == 0 and order.quantity_lots > 1)
                ctx.replace(order.client_order_id, order.price_ticks + number % 3 - 1, smaller)
                return


@dataclass(slots=True)
class MadeUpFeed:
    """The venue's source in the lab: a random walk, one row each 5 ms, up to the core's credit.

    With `bursts` now and then a few rows come at once, and those behind them as much later.
    """

    rows: list[FeedTrade]
    bursts: bool = False
    not_before_ns: int = 0

    def __call__(self, node: Node, boot_ns: int) -> tuple[Message, int] | None:
        """What the venue gets next, if it is due and covered by credit."""
        if node.name != "venue" or self.due_ns(node, boot_ns) != boot_ns:
            return None
        rows = self._next_rows(_window(node))
        self.not_before_ns = boot_ns + ROW_EVERY_BOOT_NS * max(1, len(rows))
        if not rows:
            return FeedEnd(len(self.rows) + 1, INSTRUMENT, len(self.rows), 0, 0), 0
        return rows[0] if len(rows) == 1 else feed_burst(rows), rows[-1].exchange_ns

    def _next_rows(self, feed: ServedFeed) -> list[FeedRow]:
        fed_seq = feed.fed_seq
        many = self.bursts and fed_seq % BURST_EVERY == 0
        wanted = 2 + fed_seq % BURST_ROWS if many else 1
        return [*self.rows[fed_seq : min(fed_seq + wanted, feed.credit_feed_seq)]]

    def due_ns(self, node: Node, boot_ns: int) -> int | None:
        """When the venue should look again; None while only credit can help."""
        if node.name != "venue":
            return None
        feed = _window(node)
        if feed.ended or feed.fed_seq >= feed.credit_feed_seq:
            return None
        return max(boot_ns, self.not_before_ns)


def make_feed(rng: Random, rows: int, bursts: bool = False) -> MadeUpFeed:
    """A seeded market: prices walk by ticks, sizes vary, some rows are exact repeats."""
    price = 20_000
    made = []
    for number in range(1, rows + 1):
        price += rng.choice((-1, 0, 0, 0, 1))
        size = rng.choice((None, 0, 1, 1, 2, 5))
        at_ns = FIRST_ROW_NS + number * ROW_EVERY_STREAM_NS
        made.append(FeedTrade(number, INSTRUMENT, at_ns, price, size))
    return MadeUpFeed(made, bursts)


def make_core(name: str, every: int) -> Core:
    """The real core of one service, with the lab's settings."""
    match name:
        case "venue":
            return VenueCore(VenueConfig(INSTRUMENT))
        case "market_data":
            return MarketDataCore(MarketDataConfig(INSTRUMENT))
        case "strategy_engine":
            return StrategyEngineCore(StrategyEngineConfig(INSTRUMENT, STRATEGY), Flipper(every))
        case "risk_engine":
            return RiskCore(RiskConfig(STRATEGY, INSTRUMENT, CEILINGS["replay"]))
        case "order_router":
            return RouterCore(RouterConfig())
        case "order_state":
            return OrderStateCore(OrderStateConfig())
        case "watchdog":
            return WatchdogCore(WatchdogConfig(restarts_max=RESTARTS_MAX))
    return MonitorCore(MonitorConfig("replay", "lab", INSTRUMENT, STRATEGY))


def make_fleet(every: int) -> dict[str, Node]:
    """All processes, not started."""
    return {
        name: Node(name, _builder(name, every), gapless_streams(name, INSTRUMENT))
        for name in SERVICES
    }


def _builder(name: str, every: int) -> Callable[[], Core]:
    return lambda: make_core(name, every)


def _window(node: Node) -> ServedFeed:
    core = node.engine.core
    if not isinstance(core, VenueCore):
        raise OurFault("CHECK_FAILED", field="the feed's node", value=node.name, fix="The venue.")
    return core.feed
