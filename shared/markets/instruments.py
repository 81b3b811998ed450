"""Facts about each futures product, as data.

Why mills: the tick of ZN is worth 15.625 USD, which is no whole number of cents. In mills
(1/1000 USD) every tick value here is an integer, so money on prices needs no fraction anywhere.
Promises: tick size, tick value and listed months are exchange facts (checked against Lean's
table in the tests). Limits: fee_mills and half_spread_ticks are ASSUMPTIONS for simulation, not
facts; put your broker's own rate in the config. No expiry, margin or price limit data yet.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.kernel.errors import OperatorFault

NANOS_PER_UNIT = 1_000_000_000
MONTH_LETTERS = "FGHJKMNQUVXZ"  # January to December

_QUARTERLY = "HMUZ"
_EVEN_MONTHS = "GJMQVZ"


@dataclass(frozen=True, slots=True)
class Product:
    """One root symbol.

    Args:
        root: exchange symbol without month and year, such as `ES`.
        exchange: CME, CBOT, NYMEX or COMEX.
        name: name for people.
        tick_text: smallest price step as exact decimal text.
        tick_nanos: the same step in 1e-9 price units.
        tick_value_mills: value of one tick for one contract, in 1/1000 USD.
        months: month letters that the exchange lists, January first.
        fee_mills: assumed fee per contract and side, all in, in 1/1000 USD.
        half_spread_ticks: assumed half of the usual spread, rounded outward to whole ticks.
    """

    root: str
    exchange: str
    name: str
    tick_text: str
    tick_nanos: int
    tick_value_mills: int
    months: str
    fee_mills: int
    half_spread_ticks: int


def _product(
    root: str,
    exchange: str,
    name: str,
    *,
    tick: tuple[str, int, int],
    months: str,
    assumed: tuple[int, int],
) -> Product:
    """Spell out one row of the table: tick = text, nanos, mills; assumed = fee, half spread."""
    return Product(root, exchange, name, *tick, months, *assumed)


# fmt: off
_ALL = (
    _product("ES", "CME", "E-mini S&P 500", tick=("0.25", 250_000_000, 12_500),
             months=_QUARTERLY, assumed=(2_250, 1)),
    _product("MES", "CME", "Micro E-mini S&P 500", tick=("0.25", 250_000_000, 1_250),
             months=_QUARTERLY, assumed=(620, 1)),
    _product("NQ", "CME", "E-mini Nasdaq-100", tick=("0.25", 250_000_000, 5_000),
             months=_QUARTERLY, assumed=(2_250, 2)),
    _product("MNQ", "CME", "Micro E-mini Nasdaq-100", tick=("0.25", 250_000_000, 500),
             months=_QUARTERLY, assumed=(620, 2)),
    _product("YM", "CBOT", "E-mini Dow ($5)", tick=("1", 1_000_000_000, 5_000),
             months=_QUARTERLY, assumed=(2_250, 1)),
    _product("MYM", "CBOT", "Micro E-mini Dow", tick=("1", 1_000_000_000, 500),
             months=_QUARTERLY, assumed=(620, 1)),
    _product("RTY", "CME", "E-mini Russell 2000", tick=("0.1", 100_000_000, 5_000),
             months=_QUARTERLY, assumed=(2_250, 1)),
    _product("M2K", "CME", "Micro E-mini Russell 2000", tick=("0.1", 100_000_000, 500),
             months=_QUARTERLY, assumed=(620, 1)),
    _product("6E", "CME", "Euro FX", tick=("0.00005", 50_000, 6_250),
             months=_QUARTERLY, assumed=(2_450, 1)),
    _product("CL", "NYMEX", "WTI crude oil", tick=("0.01", 10_000_000, 10_000),
             months=MONTH_LETTERS, assumed=(2_400, 1)),
    _product("MCL", "NYMEX", "Micro WTI crude oil", tick=("0.01", 10_000_000, 1_000),
             months=MONTH_LETTERS, assumed=(770, 1)),
    _product("GC", "COMEX", "Gold", tick=("0.1", 100_000_000, 10_000),
             months=MONTH_LETTERS, assumed=(2_500, 1)),
    _product("MGC", "COMEX", "Micro gold", tick=("0.1", 100_000_000, 1_000),
             months=_EVEN_MONTHS, assumed=(770, 1)),
    _product("ZN", "CBOT", "10-year T-note", tick=("0.015625", 15_625_000, 15_625),
             months=_QUARTERLY, assumed=(1_700, 1)),
)
# fmt: on

PRODUCTS: dict[str, Product] = {product.root: product for product in _ALL}


def product_of(root: str) -> Product:
    """Return the product of a root symbol; `OperatorFault` if the root is unknown."""
    product = PRODUCTS.get(root)
    if product is None:
        known = ", ".join(PRODUCTS)
        raise OperatorFault(
            "MARKET_UNKNOWN_ROOT", field="root", value=root, fix=f"Use one of {known}."
        )
    return product
