"""What people export: NinjaTrader, IQFeed, minute CSV. Layouts, times, contracts, bad rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.feeds import RowReason, TradeRow
from shared.feeds.csv_trades import ns_from_iso
from shared.feeds.formats import sections_of
from shared.feeds.rows import BarRow, Prices
from shared.markets import parse_contract
from tests.unit.feeds.reading_files import reading, refused, text_file

TICKS_FILE = "ES 12-13.Last.txt"


def at(text: str) -> int:
    return ns_from_iso(f"2013-10-07T{text}Z")


# --- NinjaTrader ----------------------------------------------------------------------------------


def test_ninjatrader_ticks_with_and_without_a_fraction(tmp_path: Path) -> None:
    path = text_file(
        tmp_path,
        TICKS_FILE,
        "20131007 000431;1676.25;3",
        "20131007 000431;1676.25;3",
        "20131007 000431 1230000;1676.5;0",
    )
    assert list(reading(path, "ESZ13")) == [
        TradeRow(1, at("00:04:31"), 6_705, 3),
        TradeRow(2, at("00:04:31"), 6_705, 3),
        TradeRow(3, at("00:04:31.123"), 6_706, 0),
    ]


def test_ninjatrader_tick_replay_takes_last_and_size(tmp_path: Path) -> None:
    row = "20131007 000431 0000001;1676.5;1676.25;1676.5;7"
    path = text_file(tmp_path, TICKS_FILE, row)
    assert list(reading(path, "ESZ13")) == [TradeRow(1, at("00:04:31.0000001"), 6_706, 7)]


def test_ninjatrader_minutes_are_stamped_with_their_end(tmp_path: Path) -> None:
    path = text_file(tmp_path, TICKS_FILE, "20131007 000500;1676.25;1677;1676;1676.5;86")
    bar = BarRow(1, at("00:04:00"), 60, Prices(6_705, 6_708, 6_704, 6_706), 86)
    assert list(reading(path, "ESZ13")) == [bar]


def test_ninjatrader_days(tmp_path: Path) -> None:
    path = text_file(tmp_path, TICKS_FILE, "20131007;1676.25;1677;1676;1676.5;86")
    (bar,) = reading(path, "ESZ13")
    assert isinstance(bar, BarRow) and (bar.exchange_ns, bar.span_s) == (at("00:00:00"), 86_400)


@pytest.mark.parametrize(("row", "reason"), [
    ("20131007 000432;1676.3;1", "OFF_TICK"), ("20131007 250000;1676.25;1", "MALFORMED"),
    ("20131307 000432;1676.25;1", "MALFORMED"), ("20131007 000432;1676.25", "MALFORMED"),
    ("20131007 000432;1676.25;-1", "MALFORMED"), ("20131007 000430;1676.25;1", "BACKWARDS"),
    ("2013-10-07 00:04:32;1676.25;1", "MALFORMED"), ("", "MALFORMED"),
])  # fmt: skip
def test_bad_ninjatrader_rows(tmp_path: Path, row: str, reason: str) -> None:
    good = "20131007 000431;1676.25;3"
    read = reading(text_file(tmp_path, TICKS_FILE, good, row, good), "ESZ13")
    assert len(list(read)) == 2
    assert [(bad.line, bad.reason, bad.text) for bad in read.bad_rows] == [
        (2, RowReason(reason), row)
    ]


def test_ninjatrader_names_decide_the_contract(tmp_path: Path) -> None:
    row = "20131007 000431;1676.25;3"
    for name in ("ES 03-14.Last.txt", "NQ 12-13.Last.txt", "ES 12-14.Last.txt", "ESZ14.txt"):
        assert sections_of(text_file(tmp_path, name, row), parse_contract("ESZ13")) == []
    assert refused(text_file(tmp_path, "ES ##-##.Last.txt", row), "ESZ13").code == (
        "FEED_CONTINUOUS_SYMBOL"
    )
    assert "Last" in str(refused(text_file(tmp_path, "ES 12-13.Bid.txt", row), "ESZ13").value)
    assert len(list(reading(text_file(tmp_path, "mine.txt", row), "ESZ13"))) == 1


# --- IQFeed ---------------------------------------------------------------------------------------

TICK = "2013-10-07 09:30:00.001532,1676.25,3,100,1676.00,1676.25,42,C,43,01,1,7,"


@pytest.mark.parametrize("before", ["", "REQ1,", "REQ1,LH,", "LH,"])
def test_iqfeed_ticks_are_new_york_time(tmp_path: Path, before: str) -> None:
    path = text_file(tmp_path, "@ESZ13.csv", before + TICK, before + TICK, "!ENDMSG!,")
    read = reading(path, "ESZ13")
    assert list(read) == [TradeRow(number, at("13:30:00.001532"), 6_705, 3) for number in (1, 2)]
    assert (read.counts.rows_in, read.counts.rows_bad) == (3, 0)


def test_the_iqfeed_hour_that_a_november_night_shows_twice_is_the_first(tmp_path: Path) -> None:
    """On 3 November 2013 the clocks went from 02:00 back to 01:00; UTC tells the two apart."""
    walls = ("00:59:59", "01:30:00", "02:00:00", "18:00:00")
    night = [TICK.replace("2013-10-07 09:30:00", f"2013-11-03 {wall}") for wall in walls]
    read = reading(text_file(tmp_path, "@ESZ13.csv", *night), "ESZ13")
    assert [row.exchange_ns for row in read if isinstance(row, TradeRow)] == [
        ns_from_iso(f"2013-11-03T{utc}.001532Z")
        for utc in ("04:59:59", "05:30:00", "07:00:00", "23:00:00")
    ]


def test_iqfeed_other_trades_set_no_price(tmp_path: Path) -> None:
    path = text_file(
        tmp_path, "a.csv", TICK, TICK.replace(",C,", ",O,"), TICK.replace(",C,", ",E,")
    )
    read = reading(path, "ESZ13")
    assert [row.row_number for row in read] == [1, 2]
    assert (read.counts.rows_in, read.counts.rows_good) == (3, 3)


def test_iqfeed_bars_have_high_and_low_first(tmp_path: Path) -> None:
    row = "2014-01-07 09:31:00,1677.00,1676.00,1676.25,1676.50,5000,86,12,"
    (bar,) = reading(text_file(tmp_path, "ESH14_1m.csv", row), "ESH14")
    start = ns_from_iso("2014-01-07T14:30:00Z")  # winter: five hours behind
    assert bar == BarRow(1, start, 60, Prices(6_705, 6_708, 6_704, 6_706), 86)


@pytest.mark.parametrize(("row", "reason"), [
    (TICK.replace("1676.25,3", "1676.30,3"), "OFF_TICK"), (TICK[:40], "MALFORMED"),
    (TICK.replace(",C,", ",X,"), "MALFORMED"), (TICK.replace("09:30", "09:29"), "BACKWARDS"),
    ("E,!NO_DATA!,", "MALFORMED"), (TICK.replace("2013-10-07", "2013-10-32"), "MALFORMED"),
])  # fmt: skip
def test_bad_iqfeed_rows(tmp_path: Path, row: str, reason: str) -> None:
    read = reading(text_file(tmp_path, "a.csv", TICK, row, TICK), "ESZ13")
    assert len(list(read)) == 2
    assert [(bad.line, bad.reason) for bad in read.bad_rows] == [(2, RowReason(reason))]


def test_a_first_iqfeed_row_that_is_bad_is_a_bad_row(tmp_path: Path) -> None:
    bad = TICK.replace("2013-10-07", "2013-13-07")
    read = reading(text_file(tmp_path, "a.csv", bad, TICK, TICK), "ESZ13")
    assert len(list(read)) == 2 and read.bad_rows[0].line == 1


def test_iqfeed_bars_of_another_length_are_bad(tmp_path: Path) -> None:
    good = "2014-01-07 09:31:00,1677.00,1676.00,1676.25,1676.50,5000,86,12,"
    read = reading(text_file(tmp_path, "a.csv", good, good.replace("31:00", "31:30")), "ESH14")
    assert len(list(read)) == 1 and read.counts.rows_bad == 1


def test_iqfeed_continuous_symbol_is_refused(tmp_path: Path) -> None:
    fault = refused(text_file(tmp_path, "@ES#.csv", TICK), "ESZ13")
    assert fault.code == "FEED_CONTINUOUS_SYMBOL" and "one expiry" in fault.fix


# --- minute CSV -----------------------------------------------------------------------------------

HEADER = "timestamp_utc,open,high,low,close,volume"


def test_minute_csv_is_stored_by_its_start(tmp_path: Path) -> None:
    rows = "2013-10-07 00:05:00,1676.25,1677,1676,1676.5,0", "x", "2013-10-07 00:06:00,1,1,2,1,1"
    read = reading(text_file(tmp_path, "ESZ3.CME_1min.csv", HEADER, *rows), "ESZ13")
    bar = BarRow(1, at("00:04:00"), 60, Prices(6_705, 6_708, 6_704, 6_706), 0)
    assert list(read) == [bar]
    assert [(bad.line, bad.reason) for bad in read.bad_rows] == [
        (3, RowReason.MALFORMED), (4, RowReason.NOT_A_BAR),
    ]  # fmt: skip


def test_unknown_text_is_refused_with_its_first_line(tmp_path: Path) -> None:
    for line in ("Date,Open,High,Low,Close", "20131007,1676.25", "hello"):
        fault = refused(text_file(tmp_path, "a.csv", line), "ESZ13")
        assert fault.code == "FEED_UNKNOWN_FORMAT" and line in str(fault.value)
