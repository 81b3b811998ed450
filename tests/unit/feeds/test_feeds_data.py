"""Feeds over real data (when it is beside the checkout) and over the sample that ships."""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import pytest

from shared.feeds import SAMPLE_PATH, Feed, FeedCounts, QuoteRow, TradeRow, open_feed
from shared.feeds.samples.generate import sample_text, write_sample
from shared.kernel.errors import OperatorFault
from shared.markets import format_day, new_york_day_and_second, parse_contract, trading_day
from tests.real_data import real

SAMPLE_MAX_BYTES = 120_000
NS_PER_MINUTE = 60 * 10**9


def test_es_2018_is_read_to_the_last_row() -> None:
    feed = open_feed(real("es-trades-2018"), parse_contract("ESM18"))
    rows = list(feed)
    assert feed.counts == FeedCounts(rows_in=59_976, rows_good=59_976)
    assert (min(row.price_ticks for row in rows), max(row.price_ticks for row in rows)) == (
        10_671, 10_717,
    )  # fmt: skip
    assert len({row.exchange_ns for row in rows}) == 40_397  # `cut -d, -f1 | sort -u` agrees
    assert [passed.file for passed in feed.passed_over] == ["SOURCE.md"]


def test_gc_2013_counts_every_row_of_every_member() -> None:
    folder = real("lean-gc/tick")
    feed = open_feed(folder, parse_contract("GCZ13"))
    rows = list(feed)
    assert feed.counts == FeedCounts(rows_in=92_514, rows_good=91_740, rows_other=774)
    first_day = [row for row in rows if row.exchange_ns < 1_381_190_400_000_000_000]
    assert (len(first_day), len(rows) - len(first_day)) == (39_702, 52_038)
    assert sum(row.quantity_lots == 0 for row in rows) > 100
    assert [passed.file for passed in feed.passed_over] == [
        "20131007_openinterest.zip", "20131008_openinterest.zip",
    ]  # fmt: skip


def test_other_real_files_are_refused() -> None:
    for folder, contract in (("lean-gc/minute", "GCZ13"), ("xcme-6e", "ESH24"),
                             ("databento-es", "ESZ24"), ("es-trades-2018", "NQM18")):  # fmt: skip
        with pytest.raises(OperatorFault):
            next(open_feed(real(folder), parse_contract(contract)))


@pytest.mark.parametrize(("file", "code", "rows", "trades", "quotes"), [
    ("databento-es/futures_mbp-1_2024-07-01T23-58_2024-07-02T00-02", "ESU24", 2_288, 120, 2_168),
    ("databento-es/futures_trades_2024-07-01T23-58_2024-07-02T00-02", "ESU24", 120, 120, 0),
    ("dbn-format-samples/test_data.mbp-1", "ESH21", 4, 0, 4),
    ("dbn-format-samples/test_data.tbbo", "ESH21", 4, 4, 4),
    ("dbn-format-samples/test_data.trades", "ESH21", 4, 4, 0),
])  # fmt: skip
def test_databento_files(file: str, code: str, rows: int, trades: int, quotes: int) -> None:
    feed = open_feed(real(f"{file}.dbn.zst"), parse_contract(code))
    read = list(feed)
    assert feed.counts == FeedCounts(rows_in=rows, rows_good=rows)
    assert sum(isinstance(row, TradeRow) for row in read) == trades
    assert sum(isinstance(row, QuoteRow) for row in read) == quotes
    tops = [row for row in read if isinstance(row, QuoteRow)]
    assert all(top.bid and top.ask and top.bid < top.ask for top in tops)


def test_databento_trades_lie_within_the_quotes_around_them() -> None:
    """Prices, sizes and order are decoded as meant, or trades would be anywhere."""
    file = "databento-es/futures_mbp-1_2024-07-01T23-58_2024-07-02T00-02.dbn.zst"
    top: QuoteRow | None = None
    for row in open_feed(real(file), parse_contract("ESU24")):
        if isinstance(row, QuoteRow):
            top = row
        elif isinstance(row, TradeRow) and top is not None and top.bid and top.ask:
            assert top.bid.price_ticks <= row.price_ticks <= top.ask.price_ticks


def test_sample_is_what_its_script_makes(tmp_path: Path) -> None:
    shipped = SAMPLE_PATH.read_bytes()
    assert len(shipped) < SAMPLE_MAX_BYTES
    assert gzip.decompress(shipped).decode() == sample_text()
    write_sample(tmp_path / "a.csv.gz")
    write_sample(tmp_path / "b.csv.gz")
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()


def sample() -> Feed:
    return open_feed(SAMPLE_PATH, parse_contract("ESM30"))


def test_sample_is_one_session_of_clean_rows() -> None:
    feed = sample()
    rows = list(feed)
    assert feed.counts.rows_bad == 0 and 7_500 < len(rows) < 8_500
    assert {format_day(trading_day(row.exchange_ns)) for row in rows} == {"2030-03-05"}
    assert new_york_day_and_second(rows[0].exchange_ns)[1] // 60 == 9 * 60 + 30
    pairs = list(itertools.pairwise(rows))
    assert sum(row[1:] == after[1:] for row, after in pairs) > 100
    assert max(abs(row.price_ticks - after.price_ticks) for row, after in pairs) == 1


def test_sample_makes_averages_cross() -> None:
    closes = {row.exchange_ns // NS_PER_MINUTE: row.price_ticks for row in sample()}
    assert len(closes) > 170
    assert crosses(list(closes.values())) >= 6


def crosses(closes: list[int]) -> int:
    """Count sign changes of EMA 5 - EMA 20; floats are fine for an indicator."""
    fast = slow = float(closes[0])
    signs = []
    for close in closes:
        fast += (close - fast) * 2 / 6
        slow += (close - slow) * 2 / 21
        if fast != slow:
            signs.append(fast > slow)
    return sum(sign != after for sign, after in itertools.pairwise(signs))
