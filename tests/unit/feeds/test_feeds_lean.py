"""LEAN trade tick zips, made up: other members, bad rows, wrong kinds and damage."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from shared.feeds import BadRow, RowReason, open_feed
from shared.kernel.errors import OperatorFault
from shared.markets import Contract, parse_contract

GC = parse_contract("GCZ13")
GC_MIDNIGHT_NS = 1_381_104_000_000_000_000  # 2013-10-07


def lean_zip(folder: Path, day: str = "20131007", **members: str) -> Path:
    """Write a zip; a keyword such as gc_201312 is one member's instrument, its value the text."""
    path = folder / f"{day}_trade.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for instrument, text in members.items():
            root, month = instrument.split("_")
            archive.writestr(f"{day}_{root}_tick_trade_{month}.csv", text)
    return path


def fault_of(path: Path, contract: Contract = GC) -> OperatorFault:
    with pytest.raises(OperatorFault) as caught:
        list(open_feed(path, contract))
    assert str(path) in f"{caught.value.field} {caught.value.value}"
    return caught.value


def test_lean_rows_other_members_and_zero_quantity(tmp_path: Path) -> None:
    path = lean_zip(
        tmp_path,
        gc_201312="276,1313.7,1,usa,,0\n276,1313.7,1,usa,,0\n277,1313.8,0,usa,,0\n",
        gc_201402="1,1314.0,1,usa,,0\n2,1314.0,1,usa,,0\n",
        si_201312="1,20.0,1,usa,,0\n",
    )
    feed = open_feed(path, GC)
    assert [row[1:] for row in feed] == [
        (GC_MIDNIGHT_NS + 276_000_000, 13_137, 1),
        (GC_MIDNIGHT_NS + 276_000_000, 13_137, 1),
        (GC_MIDNIGHT_NS + 277_000_000, 13_138, 0),
    ]
    counts = feed.counts
    assert (counts.rows_in, counts.rows_good, counts.rows_other, counts.rows_bad) == (6, 3, 3, 0)


@pytest.mark.parametrize(("row", "reason"), [
    ("86400000,1313.7,1,usa,,0", "MALFORMED"), ("-1,1313.7,1,usa,,0", "MALFORMED"),
    ("277.5,1313.7,1,usa,,0", "MALFORMED"), ("277,1313.7,-1,usa,,0", "MALFORMED"),
    ("277,1313.7,1.5,usa,,0", "MALFORMED"), ("277,1313.7,,usa,,0", "MALFORMED"),
    ("277,1313.7,1,usa,0", "MALFORMED"), ("277,1313.7,1,usa,,2", "MALFORMED"),
    ("277,1313.75,1,usa,,0", "OFF_TICK"), ("277,1313.7,1,usa,,1", "SUSPICIOUS"),
    ("275,1313.7,1,usa,,0", "BACKWARDS"),
])  # fmt: skip
def test_bad_lean_rows(tmp_path: Path, row: str, reason: str) -> None:
    good = "276,1313.7,1,usa,,0\n"
    path = lean_zip(tmp_path, gc_201312=f"{good}{row}\n{good}")
    feed = open_feed(path, GC)
    assert len(list(feed)) == 2
    member = f"{path}!20131007_gc_tick_trade_201312.csv"
    assert feed.bad_rows == [BadRow(member, 2, RowReason(reason), row)]


def test_lean_zip_without_the_contract_or_of_another_kind(tmp_path: Path) -> None:
    path = lean_zip(tmp_path, gc_201402="1,1314.0,1,usa,,0\n")
    assert fault_of(path).code == "FEED_NO_ROWS"
    assert fault_of(path, parse_contract("ESH14")).code == "FEED_NO_ROWS"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("20131007_gc_minute_trade_201312.csv", "0,1,1,1,1,1\n")
    assert fault_of(path).code == "FEED_UNKNOWN_FORMAT"


def test_lean_zip_whose_name_is_no_date(tmp_path: Path) -> None:
    path = lean_zip(tmp_path, day="20131341", gc_201312="276,1313.7,1,usa,,0\n")
    assert fault_of(path).code == "FEED_UNKNOWN_FORMAT"


def test_damaged_zip_member_is_a_fault_at_the_latest_at_its_end(tmp_path: Path) -> None:
    path = lean_zip(tmp_path, gc_201312="276,1313.7,1,usa,,0\n" * 50)
    raw = bytearray(path.read_bytes())
    raw[60] ^= 0xFF
    path.write_bytes(raw)
    assert fault_of(path).code == "FEED_DAMAGED_FILE"
    path.write_bytes(bytes(raw[:-10]))
    assert fault_of(path).code == "FEED_DAMAGED_FILE"


def test_zip_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "20131007_trade.zip"
    path.write_text("x")
    assert fault_of(path).code == "FEED_DAMAGED_FILE"


def test_newer_member_names_carry_the_expiry_too(tmp_path: Path) -> None:
    path = tmp_path / "20131007_trade.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("20131007_gc_tick_trade_201312_20131227.csv", "1,1314.0,1,usa,,0\n")
    assert len(list(open_feed(path, GC))) == 1
