"""Futures facts: products, contracts, prices in ticks, New York time and trading days. Pure."""

from shared.markets.contracts import Contract, code_as_listed, parse_contract
from shared.markets.instruments import (
    MONTH_LETTERS,
    NANOS_PER_UNIT,
    PRODUCTS,
    Product,
    product_of,
)
from shared.markets.prices import (
    PriceError,
    PriceReason,
    text_from_ticks,
    ticks_from_nanos,
    ticks_from_text,
)
from shared.markets.sessions import (
    NANOS_PER_SECOND,
    SECONDS_PER_DAY,
    SESSION_OPEN_SECOND,
    format_day,
    is_open,
    new_york_day_and_second,
    next_open_ns,
    next_time_of_day_ns,
    next_trading_day_ns,
    trading_day,
    utc_ns_of_new_york,
)

__all__ = [
    "MONTH_LETTERS",
    "NANOS_PER_SECOND",
    "NANOS_PER_UNIT",
    "PRODUCTS",
    "SECONDS_PER_DAY",
    "SESSION_OPEN_SECOND",
    "Contract",
    "PriceError",
    "PriceReason",
    "Product",
    "code_as_listed",
    "format_day",
    "is_open",
    "new_york_day_and_second",
    "next_open_ns",
    "next_time_of_day_ns",
    "next_trading_day_ns",
    "parse_contract",
    "product_of",
    "text_from_ticks",
    "ticks_from_nanos",
    "ticks_from_text",
    "trading_day",
    "utc_ns_of_new_york",
]
