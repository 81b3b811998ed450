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

from dataclasses import dataclass, field, replace

from proto_schemas.enums import Mode
from proto_schemas.ledger import OrderUpdate, PositionUpdate
from proto_schemas.market_data import Depth, Quote
from proto_schemas.signals import CancelIntent, Decision, Intent, Leg, ReplaceIntent
from services.strategy_engine.api import Order, Wish
from services.strategy_engine.config import StrategyEngineConfig
from services.strategy_engine.open_orders import (
    CANCEL,
    LEGS_MAX,
    ORDER,
    REPLACE,
    REPLACEABLE,
    OpenOrder,
    leg_prices,
    opened,
    refuse_impossible,
    refuse_impossible_terms,
)
from services.strategy_engine.undo import Undo
from shared.kernel.clock import SECOND, Now
from shared.kernel.ids import ORIGIN_STRATEGY, client_order_id, signal_id
from shared.kernel.order_states import is_live
from shared.kernel.outputs import Request

LEDGER = "ledger"
RISK = "risk_engine"
OPEN_ORDERS_MAX = 1_000
UNANSWERED_GRACE_NS = 5 * SECOND
APPROVED_GRACE_NS = 30 * SECOND


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
    quote: Quote | None = None
    depth: Depth | None = None
    data_ns: int | None = None
    is_behind: bool = False
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
        self.undo = Undo()

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
    def quote(self) -> Quote | None:
        """The last top of the book."""
        return self.state.quote

    @property
    def depth(self) -> Depth | None:
        """The last levels."""
        return self.state.depth

    @property
    def data_age_ns(self) -> int | None:
        """By the boot clock."""
        data_ns = self.state.data_ns
        return None if data_ns is None else max(0, self.now.boot_ns - data_ns)

    @property
    def is_behind(self) -> bool:
        """Whether the newest event was already old when it was seen."""
        return self.state.is_behind

    @property
    def can_trade(self) -> bool:
        """Whether an entry would leave now."""
        return not self._obstacle(reduce_only=False)

    # --- what it may ask ------------------------------------------------------------------------

    def place(self, wish: Wish) -> str | None:
        """Open an order and note its intent, unless something forbids it."""
        refuse_impossible(wish)
        reference_ticks = self._reference_ticks()
        obstacle = self._obstacle(wish.reduce_only)
        if obstacle or reference_ticks is None:
            self._suppress(obstacle or "NO_PRICE")
            return None
        return self._open(wish, reference_ticks)

    def cancel(self, client_order_id: str) -> bool:
        """Note a cancel. One that was asked for and not answered is not asked for twice."""
        order = self.state.orders.get(client_order_id)
        if order is None or order.change == CANCEL:
            return False
        self.undo.keep(client_order_id, order, "change")
        order.change = CANCEL
        subject = f"{CANCEL}:{client_order_id}"
        intent = CancelIntent(self.config.strategy, client_order_id)
        self._wanted.append(
            Request(RISK, intent, self._expires_ns(), order.correlation_id, subject)
        )
        return True

    def replace(self, client_order_id: str, price_ticks: int, quantity_lots: int | None) -> bool:
        """Note new terms for an order that works."""
        order, reference_ticks = self.state.orders.get(client_order_id), self._reference_ticks()
        if order is None or order.change or order.state not in REPLACEABLE:
            return False
        lots = order.quantity_lots if quantity_lots is None else quantity_lots
        refuse_impossible_terms(price_ticks, lots)
        obstacle = self._obstacle(order.reduce_only, another=False)
        if obstacle or reference_ticks is None:
            self._suppress(obstacle or "NO_PRICE")
            return False
        self.undo.keep("counter", self.state, "counter")
        self.state.counter += 1
        change_id = (self.state.epoch << 32) + self.state.counter
        self.undo.keep(client_order_id, order, "change")
        order.change = REPLACE
        intent = ReplaceIntent(
            self.config.strategy, client_order_id, change_id, lots, price_ticks, reference_ticks,
            self._expires_ns(), self.state.data_ns,
        )  # fmt: skip
        subject = f"{REPLACE}:{client_order_id}"
        self._wanted.append(Request(RISK, intent, intent.expires_ns, order.correlation_id, subject))
        return True

    def _reference_ticks(self) -> int | None:
        """The price that is decided on: the last trade, or the bid of a market without one."""
        if self.state.last_price_ticks is not None:
            return self.state.last_price_ticks
        quote = self.state.quote
        return quote.bid.price_ticks if quote is not None and quote.bid is not None else None

    def _suppress(self, reason: str) -> None:
        self.undo.keep("suppressed", self.state, "suppressed")
        self.state.suppressed[reason] = self.state.suppressed.get(reason, 0) + 1

    def _expires_ns(self) -> int:
        return self.now.boot_ns + self.config.tunables.intent_ttl_ns

    def _obstacle(self, reduce_only: bool, another: bool = True) -> str:
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
        full = another and len(state.orders) + 1 + LEGS_MAX > OPEN_ORDERS_MAX
        return "OPEN_ORDERS_FULL" if full else ""

    def _next_id(self) -> str:
        state = self.state
        self.undo.keep("counter", state, "counter")
        state.counter += 1
        return client_order_id(state.install_id, ORIGIN_STRATEGY, state.epoch, state.counter)

    def _open(self, wish: Wish, reference_ticks: int) -> str:
        state, name = self.state, self.config.strategy
        new_id = self._next_id()
        signal = signal_id(name, state.epoch, state.counter)
        expires_ns = self._expires_ns()
        legs = tuple(Leg(self._next_id(), kind, ticks) for kind, ticks in leg_prices(wish))
        intent = Intent(
            new_id, name, self.config.instrument, wish.side, wish.quantity_lots, wish.order_type,
            wish.reduce_only, reference_ticks, expires_ns, wish.price_ticks, legs, state.data_ns,
        )  # fmt: skip
        for order in opened(intent, signal):
            state.orders[order.client_order_id] = order
        self._wanted.append(Request(RISK, intent, expires_ns, signal, f"{ORDER}:{new_id}"))
        return new_id

    # --- for the core ---------------------------------------------------------------------------

    def saw(self, receive_ns: int) -> None:
        """A market event; one that comes late beside a newer one says nothing about our age."""
        state = self.state
        if state.data_ns is None or receive_ns >= state.data_ns:
            state.data_ns = receive_ns
            state.is_behind = self.now.boot_ns - receive_ns > self.config.tunables.behind_after_ns

    def take_wanted(self) -> list[Request]:
        """Intents of the hook that just ended, ready to leave."""
        wanted, self._wanted = self._wanted, []
        return wanted

    def withdraw_wanted(self) -> int:
        """The hook failed: nothing that it wanted leaves; `undo` has the rest. Returns how many."""
        wanted = self.take_wanted()
        for request in wanted:
            if isinstance(request.message, Intent):
                for key in self._family(request.message.client_order_id):
                    del self.state.orders[key]
        return len(wanted)

    def _family(self, entry_id: str) -> list[str]:
        """An entry and its legs, as far as they are open."""
        orders = self.state.orders.items()
        return [key for key, order in orders if entry_id in (key, order.parent_id)]

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

    def decided(self, subject: str, decision: Decision) -> Order | None:
        """Risk's answer to an order or a change; the order as the strategy should see it now."""
        if not subject.startswith(f"{ORDER}:"):
            return self._change_decided(decision)
        if not decision.approved:
            return self._end(decision.client_order_id, "REFUSED", decision.code)
        for key in self._family(decision.client_order_id):
            order = self.state.orders[key]
            if not order.in_ledger:
                order.state = "APPROVED"
                order.forget_ns = order.expires_ns + APPROVED_GRACE_NS
        entry = self.state.orders.get(decision.client_order_id)
        return None if entry is None or entry.in_ledger else entry.view()

    def _change_decided(self, decision: Decision) -> Order | None:
        """The ledger tells of a change that was made; only a refused one is told here."""
        order = self.state.orders.get(decision.client_order_id)
        if order is None:
            return None
        order.change = ""
        return None if decision.approved else replace(order.view(), code=decision.code)

    def refused(self, subject: str, code: str) -> Order | None:
        """Risk could not even read what was asked."""
        word, _, order_id = subject.partition(":")
        if word == ORDER:
            return self._end(order_id, "REFUSED", code)
        return self._change_decided(Decision(order_id, False, code, "", ""))

    def _end(self, order_id: str, word: str, code: str) -> Order | None:
        """An order that the ledger never knew is over, and its legs with it."""
        order = self.state.orders.get(order_id)
        if order is None or order.in_ledger:
            return None
        for key in self._family(order_id):
            if not self.state.orders[key].in_ledger:
                del self.state.orders[key]
        order.state, order.code = word, code
        return order.view()

    # --- silence --------------------------------------------------------------------------------

    def unanswered(self) -> None:
        """A request to risk came to its end: every wish that is past its time waits one grace.

        A change that nobody answered may be asked for again.
        """
        for order in self.state.orders.values():
            order.change = ""
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
        ended = [self._end(order_id, "FORGOTTEN", "NO_NEWS") for order_id in late]
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
        order.learn(update)
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
