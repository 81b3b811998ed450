"""Products, contracts and prices: facts, and the sentences of the refusals."""

from __future__ import annotations

import csv
from decimal import Decimal

import pytest

from shared.kernel.errors import OperatorFault
from shared.markets import (
    PRODUCTS,
    PriceError,
    PriceReason,
    parse_contract,
    product_of,
    text_from_ticks,
    ticks_from_nanos,
    ticks_from_text,
)
from tests.real_data import real

LEAN_TABLE = "lean-reference/symbol-properties-database.csv"


def test_ticks_and_values_equal_leans_table() -> None:
    with real(LEAN_TABLE).open(newline="") as stream:
        rows = {(row[0], row[1]): row for row in csv.reader(stream) if len(row) > 6}
    for product in PRODUCTS.values():
        row = rows[(product.exchange.lower(), product.root)]
        multiplier, tick = Decimal(row[5]), Decimal(row[6])
        assert Decimal(product.tick_text) == tick, product.root
        assert product.tick_nanos == tick * 10**9, product.root
        assert product.tick_value_mills == multiplier * tick * 1_000, product.root


@pytest.mark.parametrize(("root", "mills"), [
    ("ES", 12_500), ("NQ", 5_000), ("YM", 5_000), ("RTY", 5_000), ("CL", 10_000),
    ("GC", 10_000), ("ZN", 15_625), ("MES", 1_250), ("MNQ", 500), ("MYM", 500),
    ("M2K", 500), ("MCL", 1_000), ("MGC", 1_000), ("6E", 6_250),
])  # fmt: skip
def test_tick_values(root: str, mills: int) -> None:
    assert product_of(root).tick_value_mills == mills


def test_contract_fields_and_identity() -> None:
    june, september = parse_contract("ESM18"), parse_contract("ESU18")
    assert (june.code, june.product.root, june.month, june.year) == ("ESM18", "ES", 6, 2018)
    assert june != september and len({june, september, parse_contract("ESM18")}) == 2
    assert parse_contract("M2KZ25").product.root == "M2K"
    assert parse_contract("GCV13").month == 10 and parse_contract("CLF30").month == 1


@pytest.mark.parametrize(("code", "hint"), [
    ("XXM18", "Use one of ES"), ("ESN18", "H, M, U, Z"), ("MGCX25", "G, J, M, Q, V, Z"),
    ("ESM8", "write ESM18"), ("M2KM8", "write M2KM18"), ("esm18", "ESM18"), ("ESm18", "ESM18"),
    ("@ES#", "continuous"), ("ES1!", "continuous"), ("@ES", "continuous"), ("ES", "such as ESM18"),
    ("", "such as"), ("ESM2018", "such as ESM18"), (" ESM18", "such as"), ("ESM18\n", "such as"),
    ("M18", "such as"), ("ESM１８", "such as"), ("ESU4-ESZ4", "write"), ("8", "such as"),
])  # fmt: skip
def test_refused_contracts_name_value_and_fix(code: str, hint: str) -> None:
    with pytest.raises(OperatorFault) as caught:
        parse_contract(code)
    assert hint in caught.value.fix
    assert caught.value.field in ("contract", "root")
    assert caught.value.value in (code, code[:-3])


@pytest.mark.parametrize(("root", "text", "ticks"), [
    ("ES", "2670.25", 10_681), ("ES", "2670", 10_680), ("ES", "-0.25", -1), ("ES", "-0", 0),
    ("GC", "1313.8", 13_138), ("CL", "-37.63", -3_763), ("ZN", "110.015625", 7_041),
    ("ZN", "110.5", 7_072), ("YM", "24100", 24_100), ("ES", "2670.250000000", 10_681),
])  # fmt: skip
def test_prices_are_exact(root: str, text: str, ticks: int) -> None:
    assert ticks_from_text(product_of(root), text) == ticks


@pytest.mark.parametrize("text", [
    "1e3", "nan", "inf", "", "+1", " 1", "1 ", "1\n", "1_0", "--1", "-", ".", ".5", "5.", "1.2.3",
    "１", "²", "1,5", "0x1", "1.-5", "-+1", "1234567890", "1.0000000000",
])  # fmt: skip
def test_malformed_prices(text: str) -> None:
    with pytest.raises(PriceError) as caught:
        ticks_from_text(product_of("ES"), text)
    assert caught.value.reason is PriceReason.MALFORMED


@pytest.mark.parametrize(("root", "text"), [
    ("ES", "2670.3"), ("ES", "-0.01"), ("YM", "0.5"), ("ZN", "110.01"), ("ES", "0.000000001"),
])  # fmt: skip
def test_off_tick_prices(root: str, text: str) -> None:
    with pytest.raises(PriceError) as caught:
        ticks_from_text(product_of(root), text)
    assert caught.value.reason is PriceReason.OFF_TICK


def test_price_text_has_the_usual_decimals() -> None:
    assert text_from_ticks(product_of("ES"), 10_682) == "2670.50"
    assert text_from_ticks(product_of("YM"), -5) == "-5"
    assert text_from_ticks(product_of("ZN"), -1) == "-0.015625"
    assert text_from_ticks(product_of("GC"), 0) == "0.0"
    assert ticks_from_nanos(product_of("ES"), 5_139_500_000_000) == 20_558
