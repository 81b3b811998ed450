"""Playing a catalogue: which parts, in which order, and what bars become."""

from __future__ import annotations

import zipfile
from itertools import pairwise
from pathlib import Path

import pytest

from proto_schemas.market_data import Bar, Trade
from services.market_data.bars import BarBuilder
from shared.catalogue import open_recorded
from shared.feeds import BookLevel, Feed, FeedRow, QuoteRow, TradeRow
from shared.feeds.csv_trades import ns_from_iso
from shared.kernel.errors import OperatorFault
from shared.markets import parse_contract
from tests.unit.catalogue.imports import ES, take, trade, trades_csv
from tests.unit.feeds import dbn_files

ESU24 = parse_contract("ESU24")
ESZ13 = parse_contract("ESZ13")
MIDNIGHT_NS = ns_from_iso("2013-10-07T00:00:00Z")
MINUTE_NS = 60 * 10**9
LAST_NS = MINUTE_NS - 1


def lean(folder: Path, kind: str, *rows: str) -> Path:
    path = folder / f"20131007_{kind}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"20131007_es_minute_{kind}_201312.csv", "\n".join(rows) + "\n")
    return path


def played(root: Path) -> list[FeedRow]:
    return list(open_recorded(root, ESZ13))


# --- bars -----------------------------------------------------------------------------------------


def test_a_bar_becomes_four_trades_the_nearer_extreme_first(tmp_path: Path) -> None:
    rows = "0,1676.5,1677.5,1676.25,1677,11", "60000,1676.5,1676.75,1675,1676,0"
    take(tmp_path / "c", lean(tmp_path, "trade", *rows), "ESZ13")
    second = MIDNIGHT_NS + MINUTE_NS
    quarter = MINUTE_NS // 4
    assert played(tmp_path / "c") == [
        TradeRow(1, MIDNIGHT_NS, 6_706, 2),
        TradeRow(2, MIDNIGHT_NS + quarter, 6_705, 2),
        TradeRow(3, MIDNIGHT_NS + 2 * quarter, 6_710, 2),
        TradeRow(4, MIDNIGHT_NS + LAST_NS, 6_708, 5),
        TradeRow(5, second, 6_706, 0),
        TradeRow(6, second + quarter, 6_707, 0),
        TradeRow(7, second + 2 * quarter, 6_700, 0),
        TradeRow(8, second + LAST_NS, 6_704, 0),
    ]


def test_bars_made_from_the_trades_are_the_recorded_ones(tmp_path: Path) -> None:
    """The promise of the approximation, with the ingestor's own bar builder."""
    bars = [(100 + n % 7, 108 + n % 3, 97 - n % 5, 99 + n % 8, n * 3 % 11 + 1) for n in range(40)]
    rows = [
        f"{60_000 * number}," + ",".join(str(price / 4) for price in prices) + f",{volume}"
        for number, (*prices, volume) in enumerate(bars)
    ]
    take(tmp_path / "c", lean(tmp_path, "trade", *rows), "ESZ13")
    built = rebuilt(open_recorded(tmp_path / "c", ESZ13))
    assert [
        (bar.open_ticks, bar.high_ticks, bar.low_ticks, bar.close_ticks, bar.volume_lots)
        for bar in built
    ] == bars[:-1]  # nothing came that could close the last one
    assert [bar.start_ns for bar in built] == [MIDNIGHT_NS + n * MINUTE_NS for n in range(39)]


def rebuilt(feed: Feed) -> list[Bar]:
    builder = BarBuilder()
    trades = (row for row in feed if isinstance(row, TradeRow))
    found = [
        builder.add(Trade(row.row_number, "ESZ13", row.exchange_ns, 0, row.price_ticks,
                          row.quantity_lots)) for row in trades
    ]  # fmt: skip
    return [bar for bar in found if bar is not None]


def test_quote_bars_stand_around_their_bar(tmp_path: Path) -> None:
    quotes = (
        "0,1676.25,1677,1676,1676.5,54,1676.5,1677,1676.5,1676.75,9",
        "60000,,,,,,1677,1677.25,1677,1677.25,3",
        "120000,1676,1676,1676,1676,1,1677,1677,1677,1677,1",
    )
    bars = "0,1676.5,1676.5,1676.5,1676.5,4", "60000,1676.5,1676.5,1676.5,1676.5,4"
    take(tmp_path / "c", lean(tmp_path, "quote", *quotes), "ESZ13")
    with pytest.raises(OperatorFault):
        open_recorded(tmp_path / "c", ESZ13)  # quotes alone cannot be played
    take(tmp_path / "c", lean(tmp_path, "trade", *bars), "ESZ13")
    rows = played(tmp_path / "c")
    assert [type(row) for row in rows] == [QuoteRow, *[TradeRow] * 4, QuoteRow] * 2
    first = QuoteRow(1, MIDNIGHT_NS, BookLevel(6_705, 54), BookLevel(6_706, 9))
    last = QuoteRow(6, MIDNIGHT_NS + LAST_NS, BookLevel(6_706, 54), BookLevel(6_707, 9))
    assert (rows[0], rows[5]) == (first, last)
    assert rows[6] == QuoteRow(7, MIDNIGHT_NS + MINUTE_NS, None, BookLevel(6_708, 3))
    assert [row.row_number for row in rows] == list(range(1, 13))


def test_quote_bars_that_overlap_are_played_once_and_in_order(tmp_path: Path) -> None:
    """Two files of quotes, minutes 0 to 3 and 2 to 5: the first says what 2 and 3 were."""
    root = tmp_path / "c"
    bars = [f"{60_000 * n},1676.5,1676.5,1676.5,1676.5,4" for n in range(6)]
    take(root, lean(tmp_path, "trade", *bars), "ESZ13")
    for bid, minutes in (("1676.25", range(4)), ("1676", range(2, 6))):
        prices = f"{bid},{bid},{bid},{bid},1,1677,1677,1677,1677,1"
        rows = [f"{60_000 * n},{prices}" for n in minutes]
        folder = tmp_path / bid
        folder.mkdir()
        take(root, lean(folder, "quote", *rows), "ESZ13")
    feed = open_recorded(root, ESZ13)
    rows_played = list(feed)
    assert (len(rows_played), feed.counts.rows_bad) == (6 * 6, 0)
    opening = [row.bid for row in rows_played if isinstance(row, QuoteRow)][::2]
    assert [level and level.price_ticks for level in opening] == [6_705] * 4 + [6_704] * 2


def test_quote_bars_without_bars_of_their_span_are_named(tmp_path: Path) -> None:
    root = tmp_path / "c"
    take(root, lean(tmp_path, "trade", "0,1676.5,1676.5,1676.5,1676.5,4"), "ESZ13")
    late = "600000,1676,1676,1676,1676,1,1677,1677,1677,1677,1"
    take(root, lean(tmp_path, "quote", late), "ESZ13")
    feed = open_recorded(root, ESZ13)
    assert [(passed.file, passed.why) for passed in feed.passed_over] == [
        ("20131007_quote.zip", "quote_bars of 60 s are not played")
    ]


def test_long_bars_are_not_played(tmp_path: Path) -> None:
    path = tmp_path / "ES 12-13.Last.txt"
    path.write_text("20131007;1676.25;1677;1676;1676.5;86\n")
    take(tmp_path / "c", path, "ESZ13")
    with pytest.raises(OperatorFault) as caught:
        open_recorded(tmp_path / "c", ESZ13)
    assert "bars of 86400 s are not played" in str(caught.value.value)


# --- which parts ----------------------------------------------------------------------------------


def test_the_same_time_is_played_once_from_the_richest(tmp_path: Path) -> None:
    root, folder = tmp_path / "c", tmp_path
    prices = (5528.5, 5528.5, 5528.5, 5528.5)
    quote = dbn_files.mbp_1(b"A", 5528.5, (5528.5, 1), (5528.75, 1))
    deal = dbn_files.mbp_1(b"T", 5528.5, (5528.5, 1), (5528.75, 1), MINUTE_NS)
    tick = dbn_files.trade(5528.5, 1, 0), dbn_files.trade(5528.5, 1, MINUTE_NS)
    made = {
        "bars": ("ohlcv-1m", (dbn_files.ohlcv(prices, 4), dbn_files.ohlcv(prices, 4, MINUTE_NS))),
        "trades": ("trades", tick),
        "quotes": ("mbp-1", (quote, deal)),
    }
    for name, (schema, records) in made.items():
        path = dbn_files.write(folder / f"{name}.dbn", dbn_files.header(schema), *records)
        take(root, path, "ESU24")
        feed = open_recorded(root, ESU24)
        rows = list(feed)
        if name == "bars":
            assert len(rows) == 8
        elif name == "trades":
            assert [type(row) for row in rows] == [TradeRow, TradeRow]
        else:
            assert [type(row) for row in rows] == [QuoteRow, TradeRow]
    assert {passed.file: passed.why for passed in feed.passed_over} == {
        "trades.dbn": "the same time as quotes.dbn",
        "bars.dbn": "partly the same time as quotes.dbn",
    }


def test_bars_are_played_around_the_ticks_that_win(tmp_path: Path) -> None:
    """Ten minutes of bars, ticks in the middle of the fourth and at the end of the sixth."""
    start_ns = dbn_files.START_NS
    bars = [dbn_files.ohlcv((5528.5,) * 4, 4, n * MINUTE_NS) for n in range(10)]
    ticks = [
        dbn_files.trade(5528.5, 1, 3 * MINUTE_NS + MINUTE_NS // 2),
        dbn_files.trade(5528.5, 1, 5 * MINUTE_NS + LAST_NS),
    ]
    root = tmp_path / "c"
    for name, schema, records in (("b", "ohlcv-1m", bars), ("t", "trades", ticks)):
        path = dbn_files.write(tmp_path / f"{name}.dbn", dbn_files.header(schema), *records)
        take(root, path, "ESU24")
    feed = open_recorded(root, ESU24)
    minutes = [(row.exchange_ns - start_ns) // MINUTE_NS for row in feed]
    around = [minute for minute in (0, 1, 2, 6, 7, 8, 9) for _ in range(4)]
    assert minutes == [*around[:12], 3, 5, *around[12:]]
    assert feed.made_of_bars and feed.counts.rows_bad == 0


def test_files_that_overlap_give_each_tick_once(tmp_path: Path) -> None:
    root = tmp_path / "c"
    for start, end in ((10, 20), (0, 15), (15, 30), (30, 40)):
        rows = [trade(second) for second in range(start, end + 1)]
        take(root, trades_csv(tmp_path, *rows, name=f"{start}.csv"))
    seconds = [(row.exchange_ns // 10**9) % 3_600 for row in open_recorded(root, ES)]
    assert seconds == [*range(31), *range(30, 41)]  # 30 is the end of one and the start of another
    assert not open_recorded(root, ES).made_of_bars


def test_parts_are_played_in_order_of_time_whenever_they_came(tmp_path: Path) -> None:
    root = tmp_path / "c"
    for start in (40, 0, 20):
        rows = [trade(second) for second in range(start, start + 20)]
        take(root, trades_csv(tmp_path, *rows, name=f"{start}.csv"))
    feed = open_recorded(root, ES)
    rows_played = list(feed)
    assert [row.row_number for row in rows_played] == list(range(1, 61))
    assert all(row.exchange_ns < after.exchange_ns for row, after in pairwise(rows_played))
    assert (feed.counts.rows_in, feed.counts.rows_bad) == (60, 0)


def test_a_resume_goes_on_in_any_part(tmp_path: Path) -> None:
    root = tmp_path / "c"
    for start in (0, 5):
        rows = [trade(second) for second in range(start, start + 5)]
        take(root, trades_csv(tmp_path, *rows, name=f"{start}.csv"))
    whole = list(open_recorded(root, ES))
    for done in range(11):
        feed = open_recorded(root, ES)
        feed.skip(done)
        assert list(feed) == whole[done:]


def test_other_contracts_are_not_played(tmp_path: Path) -> None:
    root = tmp_path / "c"
    take(root, trades_csv(tmp_path, trade(0), name="a.csv"))
    take(root, trades_csv(tmp_path, trade(1), name="b.csv"), "ESU18")
    assert len(list(open_recorded(root, ES))) == 1
