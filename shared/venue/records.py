"""What the exchange remembers, what it reports, and the fixed words it says.

All plain dataclasses, so that the whole account can be hashed, compared and rebuilt.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from proto_schemas.enums import OrderState, Side
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


@dataclass(slots=True)
class Order:
    """One order that the exchange has taken or refused; only a refused one has no broker id."""

    session: str
    client_order_id: str
    correlation_id: str | None
    broker_order_id: str | None
    instrument: str
    side: Side
    quantity_lots: int
    reduce_only: bool
    state: OrderState
    filled_lots: int = 0

    @property
    def leaves_lots(self) -> int:
        """What may still trade."""
        return self.quantity_lots - self.filled_lots if is_live(self.state) else 0


@dataclass(slots=True)
class Market:
    """One instrument: its last trade, and the orders that wait, first come first."""

    last_ticks: int | None = None
    ended: bool = False
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
    """An order was acknowledged, rejected or cancelled."""

    session: str
    correlation_id: str | None
    client_order_id: str
    broker_order_id: str | None
    state: OrderState
    code: str
    exchange_ns: int


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
