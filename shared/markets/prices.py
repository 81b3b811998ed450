"""Prices are whole numbers of ticks; text and 1e-9 units are only ways in and out.

Why: 2670.25 has an exact integer of ticks (10681), so no price comparison ever meets a rounding.
Promises: exact or refused, never rounded; negative prices are legal (CL in April 2020).
A refusal carries its reason, so that a feed reader can count it without reading the sentence.
Limits: at most nine digits before and nine after the point, so every price fits 64 bits.
"""

from __future__ import annotations

from enum import StrEnum

from shared.markets.instruments import NANOS_PER_UNIT, Product

_MOST_DIGITS = 9


class PriceReason(StrEnum):
    """Why a price was refused."""

    MALFORMED = "MALFORMED"
    OFF_TICK = "OFF_TICK"


class PriceError(ValueError):
    """A price that is no whole number of ticks; `reason` says in which way."""

    def __init__(self, reason: PriceReason, seen: object) -> None:
        self.reason = reason
        super().__init__(f"{reason}: {seen!r}")


def ticks_from_text(product: Product, text: str) -> int:
    """Turn decimal text such as `2670.25` or `-37.63` into price ticks, exactly.

    Raises `PriceError`: MALFORMED for anything but digits with one optional leading minus and one
    optional point between digits, OFF_TICK for a price between two ticks.
    """
    whole, point, fraction = text.removeprefix("-").partition(".")
    if not _is_short_number(whole) or (point and not _is_short_number(fraction)):
        raise PriceError(PriceReason.MALFORMED, text)
    nanos = int(whole) * NANOS_PER_UNIT + int(fraction.ljust(_MOST_DIGITS, "0"))
    return ticks_from_nanos(product, -nanos if text[0] == "-" else nanos)


def ticks_from_nanos(product: Product, nanos: int) -> int:
    """Turn a price in 1e-9 units into price ticks; `PriceError` OFF_TICK between two ticks."""
    ticks, rest_nanos = divmod(nanos, product.tick_nanos)
    if rest_nanos:
        raise PriceError(PriceReason.OFF_TICK, nanos)
    return ticks


def text_from_ticks(product: Product, price_ticks: int) -> str:
    """Write price ticks as decimal text with the product's usual number of decimals."""
    whole, fraction_nanos = divmod(abs(price_ticks) * product.tick_nanos, NANOS_PER_UNIT)
    decimals = len(product.tick_text.partition(".")[2])
    sign = "-" if price_ticks < 0 else ""
    if not decimals:
        return f"{sign}{whole}"
    return f"{sign}{whole}.{fraction_nanos:0{_MOST_DIGITS}d}"[: decimals - _MOST_DIGITS]


def _is_short_number(text: str) -> bool:
    return len(text) <= _MOST_DIGITS and text.isascii() and text.isdigit()
