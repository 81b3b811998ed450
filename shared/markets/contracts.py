"""A contract is one delivery month of one product, written as `ESM18`.

Why so strict: `ESM8` is June 2018 or June 2028, and `@ES#` or `ES1!` changes its meaning at every
roll. An order must never hang on either, so only the full code is accepted.
Promises: equal codes are equal contracts, and only equal codes are; ESM18 is not ESU18.
Limits: years are 2000 to 2099. That a month is listed does not say that it trades already.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NoReturn

from shared.kernel.errors import OperatorFault
from shared.markets.instruments import MONTH_LETTERS, Product, product_of

_CENTURY = 2000
_CONTINUOUS_MARKS = "@#!"
_LISTED = re.compile(rf"([A-Z0-9]{{2,3}})([{MONTH_LETTERS}])([0-9]{{1,2}})")
_EXAMPLE = "Write root, month letter and two-digit year, such as ESM18."


@dataclass(frozen=True, slots=True)
class Contract:
    """One delivery month.

    Args:
        code: the full code, such as `ESM18`; it alone decides equality and hash.
        product: facts of the root.
        month: delivery month, 1 to 12.
        year: delivery year with four digits.
    """

    code: str
    product: Product = field(compare=False)
    month: int = field(compare=False)
    year: int = field(compare=False)


def parse_contract(code: str) -> Contract:
    """Read a code such as `ESM18`.

    Raises `OperatorFault` for an unknown root, a month that the product does not list, a one-digit
    year, lower case, a continuous symbol or any other form.
    """
    _refuse_wrong_form(code)
    root, letter, digits = code[:-3], code[-3], code[-2:]
    product = product_of(root)
    if letter not in product.months:
        _refuse(code, f"{root} lists the months {', '.join(product.months)}.")
    return Contract(code, product, MONTH_LETTERS.index(letter) + 1, _CENTURY + int(digits))


def code_as_listed(symbol: str, year: int, month: int) -> str | None:
    """Turn an exchange symbol with a one-digit year into the full code: `ESH4` to `ESH24`.

    `year` and `month` are a date on which it was listed: the symbol means the first such month at
    or after it. Two digits stand for themselves. None for a spread, an option or any other form.
    """
    parts = _LISTED.fullmatch(symbol)
    if parts is None:
        return None
    root, letter, digits = parts.groups()
    if len(digits) == 2:
        return symbol
    delivery = year - year % 10 + int(digits)
    if (delivery, MONTH_LETTERS.index(letter) + 1) < (year, month):
        delivery += 10
    return f"{root}{letter}{delivery % 100:02d}"


def _refuse_wrong_form(code: str) -> None:
    """Name the mistake where it is a usual one; pass root + month letter + two digits."""
    if any(mark in code for mark in _CONTINUOUS_MARKS):
        _refuse(code, f"A continuous symbol names no contract. {_EXAMPLE}")
    if code != code.upper():
        _refuse(code, f"Write it in capitals: {code.upper()}.")
    if _has_one_digit_year(code):
        _refuse(code, f"A one-digit year is ambiguous; {_two_digit_example(code)}.")
    well_formed = (
        code.isascii()
        and code.isalnum()
        and code[-2:].isdigit()
        and len(code) > 3
        and code[-3] in MONTH_LETTERS
    )
    if not well_formed:
        _refuse(code, _EXAMPLE)


def _has_one_digit_year(code: str) -> bool:
    """True for `ESM8` and for `M2KM8`, but not for `ESM18`."""
    return len(code) > 2 and code[-1:].isdigit() and code[-2] in MONTH_LETTERS


def _two_digit_example(code: str) -> str:
    return f"write {code[:-1]}1{code[-1]}, or the decade that you mean"


def _refuse(code: str, fix: str) -> NoReturn:
    raise OperatorFault("MARKET_BAD_CONTRACT", field="contract", value=code, fix=fix)
