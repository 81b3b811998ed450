"""LEAN bar zips, made up: minute, hour and daily, trades and quotes, every expiry by itself."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from shared.feeds import RowReason
from shared.feeds.csv_trades import ns_from_iso
from shared.feeds.formats import sections_of
from shared.feeds.rows import BarRow, Prices, QuoteBarRow
from shared.markets import parse_contract
from tests.unit.feeds.reading_files import reading, refused

MIDNIGHT_NS = ns_from_iso("2013-10-07T00:00:00Z")
BAR = "60000,1676.25,1677,1676,1676.5,86"
QUOTE = "60000,1676.5,1676.5,1676.25,1676.25,54,1676.75,1677,1676.75,1676.75,0"


def minute_zip(folder: Path, kind: str, **members: str) -> Path:
    return lean_zip(folder / f"20131007_{kind}.zip", f"20131007_{{}}_minute_{kind}_{{}}", members)


def lean_zip(path: Path, pattern: str, members: dict[str, str]) -> Path:
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for instrument, text in members.items():
            archive.writestr(pattern.format(*instrument.split("_")) + ".csv", text)
    return path


def test_minute_trades_of_one_expiry(tmp_path: Path) -> None:
    path = minute_zip(tmp_path, "trade", es_201312=f"{BAR}\n{BAR}\n", es_201403=f"{BAR}\n")
    read = reading(path, "ESZ13")
    prices = Prices(6_705, 6_708, 6_704, 6_706)
    assert list(read) == [
        BarRow(number, MIDNIGHT_NS + 60 * 10**9, 60, prices, 86) for number in (1, 2)
    ]
    counts = read.counts
    assert (counts.rows_in, counts.rows_good, counts.rows_other, counts.rows_bad) == (3, 2, 1, 0)
    assert sections_of(path, parse_contract("ESM14")) == []


def test_minute_quotes_with_an_empty_side(tmp_path: Path) -> None:
    one_sided = "120000,,,,,,1676.75,1677,1676.75,1676.75,9"
    path = minute_zip(tmp_path, "quote", es_201312=f"{QUOTE}\n{one_sided}\n")
    bid, ask = Prices(6_706, 6_706, 6_705, 6_705), Prices(6_707, 6_708, 6_707, 6_707)
    assert list(reading(path, "ESZ13")) == [
        QuoteBarRow(1, MIDNIGHT_NS + 60 * 10**9, 60, bid, 54, ask, 0),
        QuoteBarRow(2, MIDNIGHT_NS + 120 * 10**9, 60, None, 0, ask, 9),
    ]


@pytest.mark.parametrize(("folder", "span_s"), [("hour", 3_600), ("daily", 86_400)])
def test_hour_and_daily_zips_go_by_their_folder(tmp_path: Path, folder: str, span_s: int) -> None:
    text = "20131007 14:00,1676.25,1677,1676,1676.5,86\n20131307 14:00,1,1,1,1,1\n"
    path = lean_zip(tmp_path / folder / "es_trade.zip", "{}_trade_{}", {"es_201312": text})
    read = reading(path, "ESZ13")
    (bar,) = read
    assert isinstance(bar, BarRow) and bar.span_s == span_s
    assert bar.exchange_ns == ns_from_iso("2013-10-07T14:00:00Z")
    assert [(bad.line, bad.reason) for bad in read.bad_rows] == [(2, RowReason.MALFORMED)]
    moved = path.rename(tmp_path / "es_trade.zip")
    assert "folder 'hour' or 'daily'" in str(refused(moved, "ESZ13").value)


@pytest.mark.parametrize(("row", "reason"), [
    ("60000,1676.3,1677,1676,1676.5,8", "OFF_TICK"), ("60000,1677,1676,1676,1676,8", "NOT_A_BAR"),
    ("60000,1676.25,1677,1676.5,1676.5,8", "NOT_A_BAR"), ("0,1676,1676,1676,1676,8", "BACKWARDS"),
    ("60000,1676,1676,1676,1676", "MALFORMED"), ("86400000,1676,1676,1676,1676,8", "MALFORMED"),
    ("60000,1676,1676,1676,1676,1.5", "MALFORMED"),
])  # fmt: skip
def test_bad_bars(tmp_path: Path, row: str, reason: str) -> None:
    read = reading(minute_zip(tmp_path, "trade", es_201312=f"{BAR}\n{row}\n{BAR}\n"), "ESZ13")
    assert len(list(read)) == 2
    assert [(bad.line, bad.reason) for bad in read.bad_rows] == [(2, RowReason(reason))]


def test_a_member_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "20131007_trade.zip"
    lean_zip(path, "20131007_{}_minute_quote_{}", {"es_201312": QUOTE})
    assert refused(path, "ESZ13").code == "FEED_UNKNOWN_FORMAT"
    path.write_bytes(path.read_bytes()[:-30])
    assert refused(path, "ESZ13").code == "FEED_DAMAGED_FILE"
