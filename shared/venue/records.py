"""What the exchange remembers, what it reports, and the fixed words it says.

All plain dataclasses, so that the whole account can be hashed, compared and rebuilt.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from proto_schemas.enums import OrderState, OrderType, Side
from shared.kernel.order_states import is_live

ORDER_LOTS_MAX = 1_000
LIVE_ORDERS_MAX = 1_000
FINISHED_ORDERS_MAX = 20_000
KNOWN_IDS_MAX = 200_000

ACCEPTED = "ACCEPTED"
DUPLICATE_CLIENT_ORDER_ID = "DUPLICATE_CLIENT_ORDER_ID"
INSTRUMENT_UNKNOWN = "INSTRUMENT_UNKNOWN"
QUANTITY_TOO_LARGE = "QUANTITY_TOO_LARGE"
REDUCE_ONLY_INCREASES = "REDUCE_ONLY_INCREASES"
TOO_MANY_ORDERS = "TOO_MANY_ORDERS"
NO_MARKET = "NO_MARKET"
CANCELLED_BY_ACCOUNT = "CANCELLED_BY_ACCOUNT"
CANCELLED = "CANCELLED"
REPLACED = "REPLACED"
WORKING = "WORKING"
TRIGGERED = "TRIGGERED"
DAY_ENDED = "DAY_ENDED"
PRICE_MISSING = "PRICE_MISSING"
PRICE_UNEXPECTED = "PRICE_UNEXPECTED"
LEGS_INVALID = "LEGS_INVALID"
ARMED = "ARMED"
PARENT_ENDED = "PARENT_ENDED"
OTHER_LEG_FILLED = "OTHER_LEG_FILLED"
# Why a change was refused: the order stays as it is.
TOO_LATE = "TOO_LATE"
NOT_REPLACEABLE = "NOT_REPLACEABLE"
QUANTITY_RAISED = "QUANTITY_RAISED"
QUANTITY_BELOW_FILLED = "QUANTITY_BELOW_FILLED"


@dataclass(slots=True)
class Order:
    """One order that the exchange has taken or refused; only a refused one has no broker id.

    `live_from_ns`: market events before it do not see the order (latency). `resting`: it has its
    place in the book, with `ahead_lots` of strangers before it; None: nobody can know how many.
    """

    session: str
    client_order_id: str
    correlation_id: str | None
    broker_order_id: str | None
    instrument: str
    side: Side
    quantity_lots: int
    reduce_only: bool
    state: OrderState
    order_type: OrderType = OrderType.MARKET
    price_ticks: int | None = None
    live_from_ns: int = 0
    filled_lots: int = 0
    revision: int = 0
    resting: bool = False
    triggered: bool = False
    ahead_lots: int | None = None
    parent_id: str | None = None
    leg_ids: tuple[str, ...] = ()

    @property
    def held(self) -> bool:
        """A leg whose entry has not traded yet."""
        return self.parent_id is not None and self.state is OrderState.ACKNOWLEDGED

    @property
    def leaves_lots(self) -> int:
        """What may still trade."""
        return self.quantity_lots - self.filled_lots if is_live(self.state) else 0


@dataclass(slots=True)
class Market:
    """One instrument: what it shows, and our orders that wait, first come first.

    `quoted`: the feed has quotes, so the book is the real one; else it is made from the last trade.
    Lots shown are less what our own orders took since the last quote. `bids` and `asks` are the
    levels of the last depth, price to lots.
    """

    last_ticks: int | None = None
    ended: bool = False
    quoted: bool = False
    bid_ticks: int | None = None
    bid_lots: int = 0
    ask_ticks: int | None = None
    ask_lots: int = 0
    bids: dict[int, int] = field(default_factory=dict)
    asks: dict[int, int] = field(default_factory=dict)
    day: int = 0
    next_day_ns: int = 0
    waiting: list[str] = field(default_factory=list)


@dataclass(slots=True)
class ExchangeState:
    """Everything that changes. Ids come from the counters, so they never repeat in an account.

    `finished` keeps the order in which orders ended; the oldest are forgotten from it and from
    `orders` beyond `FINISHED_ORDERS_MAX`. `known_ids` remembers longer, for the duplicate check.
    """

    markets: dict[str, Market]
    orders: dict[str, Order] = field(default_factory=dict)
    finished: deque[str] = field(default_factory=deque)
    known_ids: dict[str, None] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)
    cash_mills: int = 0
    fees_mills: int = 0
    orders_taken: int = 0
    executions: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """An order was acknowledged, rejected, changed or ended; or a change of it was refused."""

    session: str
    correlation_id: str | None
    client_order_id: str
    broker_order_id: str | None
    state: OrderState
    code: str
    exchange_ns: int
    revision: int = 0
    change_refused: bool = False
    quantity_lots: int | None = None
    price_ticks: int | None = None


@dataclass(frozen=True, slots=True)
class Fill:
    """An order traded."""

    session: str
    correlation_id: str | None
    client_order_id: str
    broker_order_id: str
    execution_id: str
    instrument: str
    side: Side
    quantity_lots: int
    price_ticks: int
    fee_mills: int
    leaves_lots: int
    exchange_ns: int


Report = Change | Fill
