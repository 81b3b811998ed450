"""Databento's mbo, bbo, ohlcv and definitions: made-up files, and a book beside a simple twin."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from shared.feeds import BookLevel, QuoteRow, RowReason, TradeRow, order_book
from shared.feeds.order_book import ASK, BID, BookError, OrderBook
from shared.feeds.rows import BarRow, DefinitionRow, Prices
from tests.unit.feeds.dbn_files import (
    START_NS,
    UNDEFINED_TIME,
    Order,
    bbo,
    definition,
    header,
    mbo,
    ohlcv,
    write,
)
from tests.unit.feeds.reading_files import reading, refused

BUY, SELL = Order(1, b"B", 5528.5, 3), Order(2, b"A", 5528.75, 4)
INFINITY = float("inf")


def mbo_rows(folder: Path, *records: bytes) -> list[object]:
    return [row[1:] for row in reading(write(folder / "a.dbn", header("mbo"), *records), "ESU24")]


def test_a_snapshot_builds_the_book_and_tells_nothing(tmp_path: Path) -> None:
    snapshot = mbo(b"A", BUY, -10, snapshot=True), mbo(b"A", SELL, -5, snapshot=True)
    bid, ask = BookLevel(22_114, 3), BookLevel(22_115, 4)
    more = mbo(b"A", Order(3, b"B", 5528.5, 1), 7)
    assert mbo_rows(tmp_path, *snapshot, more) == [(START_NS + 7, BookLevel(22_114, 4), ask)]
    with_last = mbo(b"A", SELL, -5)
    assert mbo_rows(tmp_path, snapshot[0], with_last) == [(START_NS - 5, bid, ask)]


def test_a_trade_comes_as_it_is_and_the_quote_at_the_end_of_the_event(tmp_path: Path) -> None:
    rows = mbo_rows(
        tmp_path,
        mbo(b"A", BUY),
        mbo(b"A", SELL),
        mbo(b"T", Order(9, b"B", 5528.75, 4), 1, 0),
        mbo(b"F", SELL, 1, 0),
        mbo(b"C", SELL, 1),
        mbo(b"N", BUY, 2),
    )
    bid = BookLevel(22_114, 3)
    assert rows == [
        (START_NS, bid, None),
        (START_NS, bid, BookLevel(22_115, 4)),
        (START_NS + 1, 22_115, 4),
        (START_NS + 1, bid, None),
    ]


def test_changes_below_the_top_and_half_events_say_nothing(tmp_path: Path) -> None:
    deep = Order(3, b"B", 5520.0, 100)
    read = reading(
        write(
            tmp_path / "a.dbn", header("mbo"), mbo(b"A", BUY), mbo(b"A", deep, 1),
            mbo(b"M", Order(3, b"B", 5521.0, 9), 2), mbo(b"A", SELL, 3, 0), mbo(b"C", SELL, 3),
        ),
        "ESU24",
    )  # fmt: skip
    assert len(list(read)) == 1
    assert (read.counts.rows_in, read.counts.rows_good) == (5, 5)


def test_modify_cancel_in_part_and_clear(tmp_path: Path) -> None:
    better = Order(1, b"B", 5528.75, 5)
    rows = mbo_rows(
        tmp_path,
        mbo(b"A", BUY),
        mbo(b"M", better, 1),
        mbo(b"C", Order(1, b"B", 5528.75, 2), 2),
        mbo(b"R", BUY, 3),
    )
    assert [row[1] for row in rows] == [
        BookLevel(22_114, 3), BookLevel(22_115, 5), BookLevel(22_115, 3), None,
    ]  # fmt: skip


def test_records_that_do_not_fit_the_book_are_named(tmp_path: Path) -> None:
    read = reading(
        write(
            tmp_path / "a.dbn", header("mbo"), mbo(b"A", BUY), mbo(b"C", SELL, 1),
            mbo(b"A", Order(5, b"N", 5528.5, 1), 2), mbo(b"X", BUY, 3),
            mbo(b"A", Order(6, b"B", 5528.625, 1), 4),
        ),
        "ESU24",
    )  # fmt: skip
    list(read)
    assert [(bad.line, bad.reason, bad.text.split(" ")[0]) for bad in read.bad_rows] == [
        (2, RowReason.MALFORMED, "order_id"), (3, RowReason.MALFORMED, "side"),
        (4, RowReason.MALFORMED, "action"), (5, RowReason.OFF_TICK, "price"),
    ]  # fmt: skip


def test_the_top_equals_that_of_a_simple_twin() -> None:
    """Any order of adds, changes and cancels; the twin sorts everything each time."""
    chance = random.Random(7)
    book, twin = OrderBook(), dict[int, tuple[bytes, int, int]]()
    for _ in range(5_000):
        number = chance.randrange(60)
        if number in twin and chance.random() < 0.5:
            side, price, lots = twin.pop(number)
            cut = chance.randint(1, lots + 1)
            book.reduce(number, cut)
            if lots > cut:
                twin[number] = side, price, lots - cut
        else:
            order = chance.choice((BID, ASK)), chance.randrange(-20, 20), chance.randint(1, 9)
            book.put(number, *order)
            twin[number] = order
        assert book.top() == (best(twin, BID, max), best(twin, ASK, min))
    book.clear()
    assert book.top() == (None, None)
    with pytest.raises(BookError):
        book.reduce(1, 1)


def test_a_full_book_takes_no_new_order_but_new_terms_of_one_that_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(order_book, "ORDERS_MAX", 2)
    book = OrderBook()
    book.put(1, BID, 100, 1)
    book.put(2, ASK, 102, 1)
    book.put(2, ASK, 101, 5)
    assert book.top() == (BookLevel(100, 1), BookLevel(101, 5))
    with pytest.raises(BookError, match="more than 2"):
        book.put(3, BID, 99, 1)


def best(twin: dict[int, tuple[bytes, int, int]], side: bytes, pick: object) -> BookLevel | None:
    prices = [price for found, price, _ in twin.values() if found == side]
    if not prices:
        return None
    price = pick(prices)  # type: ignore[operator]
    lots = sum(size for found, at, size in twin.values() if (found, at) == (side, price))
    return BookLevel(price, lots)


def test_bbo_samples_have_the_time_of_the_sample(tmp_path: Path) -> None:
    record = bbo((5528.5, 3), (INFINITY, 0), 60)
    path = write(tmp_path / "a.dbn", header("bbo-1m"), record)
    assert list(reading(path, "ESU24")) == [QuoteRow(1, START_NS + 69, BookLevel(22_114, 3), None)]


def test_ohlcv_bars(tmp_path: Path) -> None:
    good = ohlcv((5528.5, 5529.0, 5528.25, 5528.75), 12)
    bad = ohlcv((5528.5, 5528.0, 5528.25, 5528.75), 12)
    read = reading(write(tmp_path / "a.dbn", header("ohlcv-1m"), good, bad), "ESU24")
    assert list(read) == [BarRow(1, START_NS, 60, Prices(22_114, 22_116, 22_113, 22_115), 12)]
    assert read.bad_rows[0].reason == RowReason.NOT_A_BAR


@pytest.mark.parametrize("size", [360, 400, 520])
def test_definitions_of_every_version(tmp_path: Path, size: int) -> None:
    good = definition(0.25, 77, 5000.0, INFINITY, size)
    no_expiry = definition(0.25, UNDEFINED_TIME, INFINITY, 6000.0, size)
    other_tick = definition(0.5, 77, 5000.0, 6000.0, size)
    path = write(tmp_path / "a.dbn", header("definition"), good, no_expiry, other_tick)
    read = reading(path, "ESU24")
    assert list(read) == [
        DefinitionRow(1, START_NS, 250_000_000, 77, 20_000, None),
        DefinitionRow(2, START_NS, 250_000_000, None, None, 24_000),
    ]
    assert "min_price_increment = 500000000" in read.bad_rows[0].text


def test_other_schemas_are_refused_by_name(tmp_path: Path) -> None:
    fault = refused(write(tmp_path / "a.dbn", header("new")), "ESU24")
    assert fault.code == "FEED_UNKNOWN_FORMAT" and "number 99" in str(fault.value)


def test_trades_are_read_as_before(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dbn", header("mbo"), mbo(b"T", Order(0, b"N", 5528.5, 0)))
    assert list(reading(path, "ESU24")) == [TradeRow(1, START_NS, 22_114, 0)]
