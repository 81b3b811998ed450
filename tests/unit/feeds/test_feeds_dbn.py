"""Databento files, made up record by record: rows, versions, contracts, bad rows and damage."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import zstandard

from shared.feeds import BookLevel, QuoteRow, RowReason, TradeRow, open_feed
from shared.kernel.errors import OperatorFault
from shared.markets import code_as_listed, parse_contract
from tests.unit.feeds.dbn_files import (
    ESU4,
    NQU4,
    START_NS,
    UNDEFINED_PRICE,
    UNDEFINED_TIME,
    header,
    mbp_1,
    trade,
    write,
)

ES = parse_contract("ESU24")
NONE = (float("inf"), 0)


def without_time(record: bytes) -> bytes:
    return record[:8] + UNDEFINED_TIME.to_bytes(8, "little") + record[16:]


def fault_of(path: Path) -> OperatorFault:
    with pytest.raises(OperatorFault) as caught:
        list(open_feed(path, ES))
    assert str(path) in caught.value.field
    return caught.value


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("name", ["a.dbn", "a.dbn.zst"])
def test_trades_of_the_contract_in_every_version(tmp_path: Path, version: int, name: str) -> None:
    path = write(
        tmp_path / name,
        header("trades", version=version),
        trade(5528.75, 2, 0),
        trade(20_000.25, 1, 1, NQU4),
        trade(5528.75, 2, 1),
        trade(5528.75, 2, 1),
        trade(-5528.5, 0, 2),
    )
    feed = open_feed(path, ES)
    assert list(feed) == [
        TradeRow(1, START_NS, 22_115, 2),
        TradeRow(2, START_NS + 1, 22_115, 2),
        TradeRow(3, START_NS + 1, 22_115, 2),
        TradeRow(4, START_NS + 2, -22_114, 0),
    ]
    counts = feed.counts
    assert (counts.rows_in, counts.rows_good, counts.rows_other, counts.rows_bad) == (5, 4, 1, 0)


def test_mbp_1_is_a_trade_or_else_the_top_of_the_book(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.dbn",
        header("mbp-1"),
        mbp_1(b"A", 5528.5, (5528.5, 29), (5528.75, 6)),
        mbp_1(b"T", 5528.75, (5528.5, 29), (5528.75, 6), 1),
        mbp_1(b"C", 5528.75, NONE, (5528.75, 4), 1),
        mbp_1(b"R", 5528.75, NONE, NONE, 2),
    )
    assert list(open_feed(path, ES)) == [
        QuoteRow(1, START_NS, BookLevel(22_114, 29), BookLevel(22_115, 6)),
        TradeRow(2, START_NS + 1, 22_115, 3),
        QuoteRow(3, START_NS + 1, None, BookLevel(22_115, 4)),
        QuoteRow(4, START_NS + 2, None, None),
    ]


def test_tbbo_is_the_book_before_a_trade_and_then_the_trade(tmp_path: Path) -> None:
    quote = (5528.5, 29), (5528.75, 6)
    records = mbp_1(b"T", 5528.75, *quote), mbp_1(b"T", 5528.5, *quote, 5)
    feed = open_feed(write(tmp_path / "a.dbn", header("tbbo"), *records), ES)
    rows = list(feed)
    assert [type(row) for row in rows] == [QuoteRow, TradeRow] * 2
    assert [row.row_number for row in rows] == [1, 2, 3, 4]
    assert (rows[2].exchange_ns, feed.counts.rows_in, feed.counts.rows_good) == (START_NS + 5, 2, 2)
    resumed = open_feed(tmp_path / "a.dbn", ES, start_after=3)
    assert list(resumed) == rows[3:]


@pytest.mark.parametrize(("record", "reason", "text"), [
    (trade(5528.8, 1, 0), "OFF_TICK", "price = 5528800000000"),
    (trade(float("inf"), 1, 0), "MALFORMED", "price is undefined"),
    (without_time(trade(5528.75, 1, 0)), "MALFORMED", "ts_event is undefined"),
    (trade(5528.75, 1, -1), "BACKWARDS", "TradeRow"),
])  # fmt: skip
def test_bad_records_name_the_field(tmp_path: Path, record: bytes, reason: str, text: str) -> None:
    good = trade(5528.75, 1, 0)
    feed = open_feed(write(tmp_path / "a.dbn", header("trades"), good, record, good), ES)
    assert len(list(feed)) == 2
    (bad,) = feed.bad_rows
    assert (bad.line, bad.reason) == (2, RowReason(reason)) and text in bad.text


def test_off_tick_and_doubtful_quotes(tmp_path: Path) -> None:
    off_tick = mbp_1(b"A", 5528.5, (5528.5, 1), (5528.8, 1))
    doubtful = bytearray(mbp_1(b"A", 5528.5, (5528.5, 1), (5528.75, 1)))
    doubtful[30] = 1 << 2
    good = mbp_1(b"A", 5528.5, (5528.5, 1), (5528.75, 1))
    path = write(tmp_path / "a.dbn", header("mbp-1"), off_tick, bytes(doubtful), good)
    feed = open_feed(path, ES)
    assert len(list(feed)) == 1
    assert [(bad.reason, bad.text.split()[0]) for bad in feed.bad_rows] == [
        (RowReason.OFF_TICK, "ask_px_00"), (RowReason.SUSPICIOUS, "flags"),
    ]  # fmt: skip


def test_a_record_that_is_longer_than_its_kind_is_read(tmp_path: Path) -> None:
    longer = bytearray(trade(5528.75, 1, 0) + bytes(8))
    longer[0] = 56 // 4
    assert len(list(open_feed(write(tmp_path / "a.dbn", header("trades"), bytes(longer)), ES))) == 1


def test_an_id_means_the_contract_on_its_days_only(tmp_path: Path) -> None:
    days = (20240630, 20240701)  # START_NS is on the day after
    path = write(tmp_path / "a.dbn", header("trades", days=days), trade(5528.75, 1, 0))
    assert fault_of(path).code == "FEED_NO_ROWS"


def test_files_of_other_contracts_and_of_no_contract(tmp_path: Path) -> None:
    other = write(tmp_path / "a.dbn", header("trades", {"ESZ4": 1}), trade(1, 1, 0, 1))
    assert fault_of(other).code == "FEED_NO_ROWS"
    spread = write(tmp_path / "b.dbn", header("trades", {"ESU4-ESZ4": 1}), trade(1, 1, 0, 1))
    assert fault_of(spread).code == "FEED_NO_ROWS"
    table = {"ES.c.0": ESU4}
    continuous = write(tmp_path / "c.dbn", header("trades", table, symbols_are=3), trade(1, 1, 0))
    fault = fault_of(continuous)
    assert fault.code == "FEED_CONTINUOUS_SYMBOL" and "ES.c.0" in str(fault.value)
    definitions = write(tmp_path / "d.dbn", header("definition"))
    assert "schema definition" in str(fault_of(definitions).value)
    assert "schema number 99" in str(fault_of(write(tmp_path / "e.dbn", header("new"))).value)


def test_a_table_that_goes_from_ids_to_symbols_is_read_too(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dbn", header("trades", symbols_are=0), trade(5528.75, 1, 0))
    assert len(list(open_feed(path, ES))) == 1


@pytest.mark.parametrize("table", [{}, {"118": 118}])
def test_a_file_without_symbols_is_refused(tmp_path: Path, table: dict[str, int]) -> None:
    path = write(tmp_path / "a.dbn", header("trades", table), trade(5528.75, 1, 0))
    assert fault_of(path).code == "FEED_NO_SYMBOLS"


@pytest.mark.parametrize(("data", "why"), [
    (b"", "cut off"), (b"DBN", "cut off"), (b"DBN\x01\xff\x00\x00\x00", "cut off"),
    (b"PAR1\x01\0\0\0", "50 41 52"), (b"DBN\x04\0\0\0\0", "44 42 4e 04"),
    (b"DBN\x01\xff\xff\xff\xff", "at most"), (b"DBN\x01\x04\0\0\0abcd", "within a field"),
    (header("trades") + trade(1, 1, 0)[:-1], "record 1 is cut off"),
    (header("trades") + trade(1, 1, 0) + b"\x04" + bytes(15), "record 2: field length = 16"),
    (header("trades") + bytes(20), "record 1: field length = 0"),
    (header("trades", days=(20241301, 20241302)), "month must be"),
])  # fmt: skip
def test_damage_is_named(tmp_path: Path, data: bytes, why: str) -> None:
    path = tmp_path / "a.dbn"
    path.write_bytes(data)
    fault = fault_of(path)
    assert fault.code == "FEED_DAMAGED_FILE" and why in str(fault.value)


def test_a_cut_zstd_file_gives_its_rows_then_the_fault(tmp_path: Path) -> None:
    noise = os.urandom(500_000)
    records = [trade(5528.75, noise[n] + 256 * noise[-n], n) for n in range(100_000)]
    path = write(tmp_path / "a.dbn.zst", header("trades"), *records)
    whole = path.read_bytes()
    for cut in (len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        feed = open_feed(path, ES)
        with pytest.raises(OperatorFault) as caught:
            for _ in feed:
                pass
        assert caught.value.code == "FEED_DAMAGED_FILE" and "zstd frame" in str(caught.value.value)
        assert feed.counts.rows_good > 10_000
    path.write_bytes(b"no zstd at all")
    assert fault_of(path).code == "FEED_DAMAGED_FILE"


def test_several_zstd_frames_are_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a.dbn.zst"
    parts = header("trades"), trade(5528.75, 1, 0)[:20], trade(5528.75, 1, 0)[20:]
    path.write_bytes(b"".join(zstandard.compress(part) for part in parts))
    assert len(list(open_feed(path, ES))) == 1


def test_undefined_price_is_the_largest_integer() -> None:
    assert trade(float("inf"), 1, 0)[16:24] == UNDEFINED_PRICE.to_bytes(8, "little")


@pytest.mark.parametrize(("symbol", "listed", "code"), [
    ("ESH4", (2023, 12), "ESH24"), ("ESH4", (2024, 3), "ESH24"), ("ESH4", (2024, 4), "ESH34"),
    ("ESU4", (2024, 7), "ESU24"), ("ESM0", (2019, 12), "ESM20"), ("M2KZ5", (2025, 1), "M2KZ25"),
    ("CLZ31", (2024, 1), "CLZ31"), ("6EH4", (2024, 1), "6EH24"), ("ESU4-ESZ4", (2024, 1), None),
    ("ES.c.0", (2024, 1), None), ("ESH4 C4800", (2024, 1), None), ("", (2024, 1), None),
])  # fmt: skip
def test_listed_symbols(symbol: str, listed: tuple[int, int], code: str | None) -> None:
    assert code_as_listed(symbol, *listed) == code
