"""Every set of real data that lies beside the checkout, imported: counts as its SOURCE.md says."""

from __future__ import annotations

import itertools
import zipfile
from pathlib import Path

import pytest

from shared.catalogue import Manifest, open_recorded
from shared.feeds import TradeRow
from shared.kernel.errors import OperatorFault
from shared.markets import MONTH_LETTERS, parse_contract
from tests.real_data import DATA, real
from tests.unit.catalogue.imports import stored, take

ES_MINUTES = "lean-es/minute"


def said(path: Path) -> str:
    """The SOURCE.md of the set that a file belongs to."""
    folder = DATA / path.relative_to(DATA).parts[0]
    return (folder / "SOURCE.md").read_text(encoding="utf-8")


# file, contract, rows in the file (as in SOURCE.md), of them the contract's
@pytest.mark.parametrize(("file", "code", "rows_in", "mine"), [
    ("es-trades-2018/ESM8_20180507_trades_a.csv.gz", "ESM18", 59_976, 59_976),
    ("xcme-6e/6EH4.XCME_1min_bars_20240101_20240131.csv.gz", "6EH24", 29_996, 29_996),
    ("lean-gc/tick/20131007_trade.zip", "GCZ13", 40_192, 39_702),
    ("lean-gc/tick/20131008_trade.zip", "GCZ13", 52_322, 52_038),
    ("databento-es/esh4-glbx-mdp3-20231224.mbo.dbn.zst", "ESH24", 8_725, 8_725),
    ("databento-es/esh4-glbx-mdp3-20231225.mbo.dbn.zst", "ESH24", 68_792, 68_792),
    ("databento-es/futures_mbp-1_2024-07-01T23-58_2024-07-02T00-02.dbn.zst", "ESU24", 2_288, 2_288),
    ("databento-es/futures_trades_2024-07-01T23-58_2024-07-02T00-02.dbn.zst", "ESU24", 120, 120),
    ("databento-es/futures_ohlcv-1m_2024-07-01T23-40_2024-07-02T00-10.dbn.zst", "NQU24", 60, 30),
    ("databento-es/futures_ohlcv-1m_2024-05-09T09-55_2024-05-09T10-05.dbn.zst", "ESM24", 20, 10),
    ("databento-es/futures_bbo-1m_2024-05-09T09-55_2024-05-09T10-05.dbn.zst", "NQM24", 20, 10),
    ("databento-es/definition-glbx-es-fut.dbn.zst", "ESM23", 2, 2),
    ("databento-es/futures_definition_2024-07-01.dbn.zst", "ESU24", 2, 1),
    ("databento-es/futures_definition_2024-05-09.dbn.zst", "NQM24", 2, 1),
])  # fmt: skip
def test_rows_as_said(tmp_path: Path, file: str, code: str, rows_in: int, mine: int) -> None:
    path = real(file)
    assert f"{rows_in:,}" in said(path)
    (entry,) = take(tmp_path / "c", path, code).added
    assert (entry.rows_in, entry.rows_other, entry.rows_bad) == (rows_in, rows_in - mine, 0)
    rows = stored(tmp_path / "c")
    assert len(rows) == entry.rows_out
    assert ".mbo." in file or entry.rows_out == mine
    again = take(tmp_path / "c", path, code)
    assert (again.added, len(again.already)) == ([], 1)


def test_mbo_gives_the_trades_and_lots_that_are_said(tmp_path: Path) -> None:
    path = real("databento-es/esh4-glbx-mdp3-20231225.mbo.dbn.zst")
    (entry,) = take(tmp_path / "c", path, "ESH24").added
    feed = open_recorded(tmp_path / "c", parse_contract("ESH24"))
    trades = [row for row in feed if isinstance(row, TradeRow)]
    lots = sum(row.quantity_lots or 0 for row in trades)
    assert f"{len(trades):,} trades, {lots:,} contracts" in said(path)
    assert entry.trades == len(trades) and entry.quotes > 20_000


def test_zero_lots_and_twins_of_gold_are_kept(tmp_path: Path) -> None:
    path = real("lean-gc/tick/20131007_trade.zip")
    take(tmp_path / "c", path, "GCZ13")
    rows = [row[:3] for row in stored(tmp_path / "c")]
    with zipfile.ZipFile(path) as archive:
        text = archive.read("20131007_gc_tick_trade_201312.csv").decode()
    fields = [line.split(",") for line in text.splitlines()]
    assert sum(lots == 0 for _, _, lots in rows) == sum(field[2] == "0" for field in fields) > 0
    twins = sum(row == after for row, after in itertools.pairwise(rows))
    assert twins == sum(a[:3] == b[:3] for a, b in itertools.pairwise(fields)) > 0


@pytest.mark.parametrize("schema", [
    "bbo-1m", "bbo-1s", "definition", "mbo", "mbp-1", "ohlcv-1d", "ohlcv-1h", "ohlcv-1m",
    "ohlcv-1s", "tbbo", "trades",
])  # fmt: skip
def test_the_format_samples(tmp_path: Path, schema: str) -> None:
    path = real(f"dbn-format-samples/test_data.{schema}.dbn.zst")
    (entry,) = take(tmp_path / "c", path, "ESH21").added
    assert (entry.rows_in, entry.rows_bad) in {(rows, 0) for rows in (1, 2, 3, 4)}


@pytest.mark.parametrize("schema", ["mbp-10", "statistics", "status"])
def test_samples_of_other_schemas_are_refused_by_name(tmp_path: Path, schema: str) -> None:
    path = real(f"dbn-format-samples/test_data.{schema}.dbn.zst")
    with pytest.raises(OperatorFault) as caught:
        take(tmp_path / "c", path, "ESH21")
    assert f"schema {schema} " in str(caught.value.value)


def lines_of_members(path: Path) -> dict[str, int]:
    """Contract -> lines, of every member of a LEAN zip."""
    with zipfile.ZipFile(path) as archive:
        counts = {name: len(archive.read(name).splitlines()) for name in archive.namelist()}
    root = next(iter(counts)).split("_")[1 if path.name[0].isdigit() else 0].upper()
    return {
        f"{root}{MONTH_LETTERS[int(month[4:]) - 1]}{month[2:4]}": lines
        for name, lines in counts.items()
        for month in [name.removesuffix(".csv").split("_")[-1]]
    }


@pytest.mark.parametrize("folder", [ES_MINUTES, "lean-es/hour", "lean-es/daily"])
def test_every_expiry_of_lean_es(tmp_path: Path, folder: str) -> None:
    paths = [path for path in sorted(real(folder).glob("*.zip")) if "interest" not in path.name]
    for path in paths:
        members = lines_of_members(path)
        for code, lines in members.items():
            entry = take(tmp_path / "c", path, code).added[0]
            assert (entry.rows_in, entry.rows_out) == (sum(members.values()), lines), path
            assert entry.rows_bad == 0, path
    held = {entry.instrument for entry in Manifest.load(tmp_path / "c").entries}
    assert {"ESZ13", "ESH14", "ESM14", "ESH20"} <= held


def test_volumes_of_the_roll_are_as_said(tmp_path: Path) -> None:
    path = real(f"{ES_MINUTES}/20131218_trade.zip")
    for code, said_volume in (("ESZ13", "284,376"), ("ESH14", "2,261,640")):
        assert said_volume in said(path)
        take(tmp_path / code, path, code)
        assert f"{sum(row[-1] for row in stored(tmp_path / code)):,}" == said_volume


@pytest.mark.parametrize("code", ["GCV13", "GCZ13", "GCG14"])
def test_minutes_of_gold(tmp_path: Path, code: str) -> None:
    for path in sorted(real("lean-gc/minute").glob("20131007_[qt]*.zip")):
        members = lines_of_members(path)
        (entry,) = take(tmp_path / "c", path, code).added
        assert (entry.rows_in, entry.rows_out) == (sum(members.values()), members[code])
        assert entry.rows_bad == 0


def test_tables_of_reference_are_no_market_data(tmp_path: Path) -> None:
    with pytest.raises(OperatorFault) as caught:
        take(tmp_path / "c", real("lean-reference"), "ESZ13")
    assert caught.value.code == "FEED_NO_ROWS"
    assert Manifest.load(tmp_path / "c").entries == []
