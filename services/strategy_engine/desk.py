"""The desk behind a strategy's `ctx`: what the strategy sees, and its orders from wish to end.

Theory of operation. An order is open from the moment the strategy wants it, because from then on
it may reach the market. It ends when risk refuses it or the ledger says that it ended. Silence ends
it only when it is certain to stay: nobody acts on an intent after `expires_ns`, so an order that
the ledger has not heard of long after that will hardly trade any more. The two waits differ:
without risk's answer only a message in flight can still surprise us; with an approval a router may
have sent the order and died before telling, so that wait is a restart's length. Neither wait counts
while the ledger is away. Should a forgotten order show up in the ledger, it is open again.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from proto_schemas.enums import Mode, OrderType, Side
from proto_schemas.ledger import OrderUpdate, PositionUpdate
from proto_schemas.signals import Decision, Intent
from services.strategy_engine.api import Order
from services.strategy_engine.config import StrategyEngineConfig
from shared.kernel.clock import SECOND, Now
from shared.kernel.ids import ORIGIN_STRATEGY, client_order_id, signal_id
from shared.kernel.order_states import is_live
from shared.kernel.outputs import Request

LEDGER = "ledger"
RISK = "risk_engine"
OPEN_ORDERS_MAX = 1_000
QUANTITY_LOTS_MAX = 100_000
UNANSWERED_GRACE_NS = 5 * SECOND
APPROVED_GRACE_NS = 30 * SECOND


@dataclass(slots=True)
class OpenOrder:
    """An order that may still trade. `forget_ns` (boot clock): when its silence becomes its end."""

    client_order_id: str
    correlation_id: str
    side: Side
    quantity_lots: int
    expires_ns: int
    state: str = "WANTED"
    filled_lots: int = 0
    code: str = "OK"
    in_ledger: bool = False
    in_doubt: bool = False
    forget_ns: int | None = None

    def view(self) -> Order:
        """What the strategy may see of it."""
        return Order(
            self.client_order_id, self.side, self.quantity_lots, self.filled_lots, self.state,
            self.code,
        )  # fmt: skip


@dataclass(slots=True)
class DeskState:
    """Everything the desk remembers."""

    install_id: str = ""
    epoch: int = 0
    counter: int = 0
    mode: Mode = Mode.HALT
    blind: dict[str, bool] = field(default_factory=dict)
    position_lots: int = 0
    last_price_ticks: int | None = None
    orders: dict[str, OpenOrder] = field(default_factory=dict)
    suppressed: dict[str, int] = field(default_factory=dict)


class Desk:
    """One strategy's position, orders and permissions. Implements `api.Desk`."""

    def __init__(self, config: StrategyEngineConfig) -> None:
        self.config = config
        self.market_stream = f"market.{config.instrument}"
        self.state = DeskState()
        self.now = Now(0, 0)
        self._wanted: list[Request] = []

    # --- what the strategy sees -----------------------------------------------------------------

    @property
    def stream_ns(self) -> int:
        """Market time of the input that is handled now."""
        return self.now.stream_ns

    @property
    def instrument(self) -> str:
        """The one contract of this run."""
        return self.config.instrument

    @property
    def position_lots(self) -> int | None:
        """None while the ledger is blind: an old number is worse than none."""
        return None if self.state.blind.get(LEDGER, True) else self.state.position_lots

    @property
    def open_orders(self) -> tuple[Order, ...]:
        """Oldest first."""
        return tuple(order.view() for order in self.state.orders.values())

    @property
    def last_price_ticks(self) -> int | None:
        """Price of the last trade."""
        return self.state.last_price_ticks

    @property
    def can_trade(self) -> bool:
        """Whether an entry would leave now."""
        return not self._obstacle(reduce_only=False)

    def market(self, side: Side, quantity_lots: int, reduce_only: bool) -> str | None:
        """Open an order and note its intent, unless something forbids it."""
        _refuse_impossible(side, quantity_lots, reduce_only)
        obstacle = self._obstacle(reduce_only)
        if obstacle or self.state.last_price_ticks is None:
            reason = obstacle or "NO_PRICE"
            self.state.suppressed[reason] = self.state.suppressed.get(reason, 0) + 1
            return None
        return self._open(side, quantity_lots, reduce_only, self.state.last_price_ticks)

    def _obstacle(self, reduce_only: bool) -> str:
        """Why nothing may leave, or empty text. Risk and the gate check all this again."""
        state = self.state
        if state.blind.get(LEDGER, True):
            return "BLIND_LEDGER"
        # While the market is caught up after a gap, its prices are old: see, but do not act.
        if state.blind.get(self.market_stream, True):
            return "BLIND_MARKET"
        if state.mode is Mode.HALT:
            return "HALT"
        if state.mode is Mode.REDUCE_ONLY and not reduce_only:
            return "REDUCE_ONLY"
        if state.last_price_ticks is None:
            return "NO_PRICE"
        return "OPEN_ORDERS_FULL" if len(state.orders) >= OPEN_ORDERS_MAX else ""

    def _open(self, side: Side, lots: int, reduce_only: bool, reference_ticks: int) -> str:
        state, name = self.state, self.config.strategy
        state.counter += 1
        new_id = client_order_id(state.install_id, ORIGIN_STRATEGY, state.epoch, state.counter)
        signal = signal_id(name, state.epoch, state.counter)
        expires_ns = self.now.boot_ns + self.config.tunables.intent_ttl_ns
        intent = Intent(
            new_id, name, self.config.instrument, side, lots, OrderType.MARKET, reduce_only,
            reference_ticks, expires_ns,
        )  # fmt: skip
        state.orders[new_id] = OpenOrder(new_id, signal, side, lots, expires_ns)
        self._wanted.append(Request(RISK, intent, expires_ns, signal))
        return new_id

    # --- for the core ---------------------------------------------------------------------------

    def take_wanted(self) -> list[Request]:
        """Intents of the hook that just ended, ready to leave."""
        wanted, self._wanted = self._wanted, []
        return wanted

    def withdraw_wanted(self) -> int:
        """The hook raised: nothing that it wanted leaves. Returns how many."""
        wanted = self.take_wanted()
        for request in wanted:
            if isinstance(request.message, Intent):
                del self.state.orders[request.message.client_order_id]
        return len(wanted)

    def open_epoch(self, install_id: str, epoch: int) -> None:
        """A new life: ids count from 1 in the new epoch, and nothing is seen yet."""
        state = self.state
        state.install_id, state.epoch, state.counter = install_id, epoch, 0
        state.blind = {LEDGER: True, self.market_stream: True}
        state.mode = Mode.HALT  # until the watchdog says otherwise: it repeats it every second

    @property
    def sighted(self) -> bool:
        """Both streams are whole."""
        return not any(self.state.blind.values()) and bool(self.state.blind)

    def decided(self, decision: Decision) -> Order | None:
        """Risk's answer; the changed order, if there is one."""
        if decision.approved:
            order = self.state.orders.get(decision.client_order_id)
            if order is None or order.in_ledger:
                return None
            order.state = "APPROVED"
            order.forget_ns = order.expires_ns + APPROVED_GRACE_NS
            return order.view()
        return self._end(decision.client_order_id, "REFUSED", decision.code)

    def refused(self, correlation_id: str | None, code: str) -> Order | None:
        """Risk could not even read the intent (a Nack names no order, only our correlation id)."""
        for order in self.state.orders.values():
            if order.correlation_id == correlation_id:
                return self._end(order.client_order_id, "REFUSED", code)
        return None

    def _end(self, order_id: str, word: str, code: str) -> Order | None:
        order = self.state.orders.get(order_id)
        if order is None or order.in_ledger:
            return None
        del self.state.orders[order_id]
        order.state, order.code = word, code
        return order.view()

    # --- silence --------------------------------------------------------------------------------

    def unanswered(self) -> None:
        """A request to risk came to its end: every wish that is past its time waits one grace."""
        for order in self.state.orders.values():
            if order.state == "WANTED" and order.expires_ns <= self.now.boot_ns:
                order.state = "UNANSWERED"
                order.forget_ns = self.now.boot_ns + UNANSWERED_GRACE_NS

    def next_forget_ns(self) -> int | None:
        """When to look for orders that nobody reported, boot clock."""
        times = [o.forget_ns for o in self.state.orders.values() if o.forget_ns is not None]
        return min(times, default=None)

    def postpone(self) -> None:
        """The ledger was away: what it has to tell may still be on its way."""
        for order in self.state.orders.values():
            if order.forget_ns is not None:
                order.forget_ns = max(order.forget_ns, self.now.boot_ns + UNANSWERED_GRACE_NS)

    def forget(self) -> list[Order]:
        """End the orders whose silence has lasted long enough."""
        late = [
            order.client_order_id
            for order in self.state.orders.values()
            if order.forget_ns is not None and order.forget_ns <= self.now.boot_ns
        ]
        ended = [self._end(order_id, "EXPIRED", "NO_NEWS") for order_id in late]
        return [order for order in ended if order is not None]

    # --- the ledger -----------------------------------------------------------------------------

    def order_update(self, update: OrderUpdate) -> Order | None:
        """The truth about one order; the order if that is news. Repeats are none."""
        if not self._ours(update.strategy, update.instrument):
            return None
        orders, order_id = self.state.orders, update.client_order_id
        order = orders.get(order_id)
        if order is None:
            if not is_live(update.state):
                return None
            order = OpenOrder(order_id, "", update.side, update.quantity_lots, 0)
            orders[order_id] = order
        before = order.view()
        order.state, order.code = update.state.value, update.code
        order.filled_lots = update.filled_lots
        order.in_ledger, order.in_doubt, order.forget_ns = True, False, None
        if not is_live(update.state):
            del orders[order_id]
        after = order.view()
        return after if after != before else None

    def position_update(self, update: PositionUpdate) -> None:
        """The truth about our position."""
        if self._ours(update.strategy, update.instrument):
            self.state.position_lots = update.position_lots

    def replace_ledger(self) -> None:
        """Forget the ledger's words; wishes that it has never heard of stay ours."""
        self.state.position_lots = 0
        for order in self.state.orders.values():
            order.in_doubt = order.in_ledger

    def sight(self, stream: str) -> None:
        """The stream is whole: what the ledger no longer names has ended meanwhile."""
        self.state.blind[stream] = False
        if stream == LEDGER:
            orders = self.state.orders
            self.state.orders = {key: o for key, o in orders.items() if not o.in_doubt}
            self.postpone()

    def _ours(self, strategy: str, instrument: str) -> bool:
        return (strategy, instrument) == (self.config.strategy, self.config.instrument)


def _refuse_impossible(side: object, quantity_lots: object, reduce_only: object) -> None:
    """Foreign code may pass anything; its types are only promises."""
    whole = type(quantity_lots) is int and 1 <= quantity_lots <= QUANTITY_LOTS_MAX
    if not (whole and isinstance(side, Side) and type(reduce_only) is bool):
        raise ValueError(f"no such order: {side!r} {quantity_lots!r} {reduce_only!r}")
