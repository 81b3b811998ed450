"""The simulated exchange: one account, plain state, integer ticks, no I/O and no clock."""

from shared.venue.exchange import Exchange
from shared.venue.records import (
    DUPLICATE_CLIENT_ORDER_ID,
    FINISHED_ORDERS_MAX,
    INSTRUMENT_UNKNOWN,
    KNOWN_IDS_MAX,
    LIVE_ORDERS_MAX,
    NO_MARKET,
    ORDER_LOTS_MAX,
    QUANTITY_TOO_LARGE,
    REDUCE_ONLY_INCREASES,
    TOO_MANY_ORDERS,
    Change,
    ExchangeState,
    Fill,
    Market,
    Order,
    Report,
)

__all__ = [
    "DUPLICATE_CLIENT_ORDER_ID",
    "FINISHED_ORDERS_MAX",
    "INSTRUMENT_UNKNOWN",
    "KNOWN_IDS_MAX",
    "LIVE_ORDERS_MAX",
    "NO_MARKET",
    "ORDER_LOTS_MAX",
    "QUANTITY_TOO_LARGE",
    "REDUCE_ONLY_INCREASES",
    "TOO_MANY_ORDERS",
    "Change",
    "Exchange",
    "ExchangeState",
    "Fill",
    "Market",
    "Order",
    "Report",
]
