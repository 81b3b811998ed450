"""Importing: what comes in comes out, once, counted, and of one contract."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

from shared.catalogue import Manifest, open_recorded, storing
from shared.catalogue.storing import Progress
from shared.feeds import RowReason
from shared.kernel.errors import Fault, OperatorFault
from shared.markets import parse_contract
from tests.unit.catalogue.imports import ES, of_file, parts, stored, take, trade, trades_csv
from tests.unit.feeds import dbn_files


def test_rows_come_out_as_they_were_with_twins_and_zeros(tmp_path: Path) -> None:
    records = [
        dbn_files.mbp_1(b"A", 5528.5, (5528.5, 29), (float("inf"), 0)),
        dbn_files.trade(5528.5, 0, 1, action=b"T", kind=1) + bytes(32),
        dbn_files.mbp_1(b"T", -5528.5, (5528.5, 29), (5528.75, 0), 2),
        dbn_files.mbp_1(b"T", -5528.5, (5528.5, 29), (5528.75, 0), 2),
        dbn_files.mbp_1(b"R", 0, (float("inf"), 0), (float("inf"), 0), 3),
    ]
    path = dbn_files.write(tmp_path / "a.dbn.zst", dbn_files.header("mbp-1"), *records)
    take(tmp_path / "c", path, "ESU24")
    played = list(open_recorded(tmp_path / "c", parse_contract("ESU24")))
    assert played == of_file(path, "ESU24") and len(played) == 5


def test_the_report_and_the_manifest_count_every_row(tmp_path: Path) -> None:
    rows = trade(0), trade(1, "2670.3"), "x", trade(2), trade(1), trade(2)
    report = take(tmp_path / "c", trades_csv(tmp_path, *rows))
    (entry,) = report.added
    assert (entry.rows_in, entry.rows_out, entry.rows_other, entry.rows_bad) == (6, 3, 0, 3)
    assert (entry.trades, entry.quotes, entry.instrument, entry.table) == (3, 0, "ESM18", "ticks")
    assert entry.last_ns - entry.first_ns == 2 * 10**9
    assert [(bad.line, bad.reason) for bad in report.bad_rows] == [
        (3, RowReason.OFF_TICK), (4, RowReason.MALFORMED), (6, RowReason.BACKWARDS),
    ]  # fmt: skip
    assert Manifest.load(tmp_path / "c").entries == [entry]
    assert len(stored(tmp_path / "c")) == 3


def test_batches_neither_lose_nor_double_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "BATCH_ROWS", 7)
    path = trades_csv(tmp_path, *(trade(n, f"{2_600 + n % 40}.25") for n in range(50)))
    seen: list[Progress] = []
    (entry,) = take(tmp_path / "c", path, watch=seen.append).added
    assert entry.rows_out == 50
    assert [here.rows for here in seen] == [0, 7, 14, 21, 28, 35, 42, 49, 50]
    assert list(open_recorded(tmp_path / "c", ES)) == of_file(path)


def test_the_same_bytes_add_nothing_under_any_name(tmp_path: Path) -> None:
    path = trades_csv(tmp_path, trade(0), trade(1))
    take(tmp_path / "c", path)
    before = parts(tmp_path / "c"), stored(tmp_path / "c")
    for again in (path, shutil.copy(path, tmp_path / "other name.csv")):
        report = take(tmp_path / "c", again)
        assert (report.added, len(report.already), report.total("rows_in")) == ([], 1, 0)
    assert (parts(tmp_path / "c"), stored(tmp_path / "c")) == before


def test_one_file_may_give_several_contracts(tmp_path: Path) -> None:
    path = dbn_files.write(
        tmp_path / "a.dbn",
        dbn_files.header("trades"),
        dbn_files.trade(5528.5, 1, 0),
        dbn_files.trade(20_000.25, 1, 1, dbn_files.NQU4),
        dbn_files.trade(20_000.5, 1, 2, dbn_files.NQU4),
    )
    for code, rows in (("ESU24", 1), ("NQU24", 2)):
        (entry,) = take(tmp_path / "c", path, code).added
        assert (entry.rows_in, entry.rows_out, entry.rows_other) == (3, rows, 3 - rows)
        assert len(list(open_recorded(tmp_path / "c", parse_contract(code)))) == rows


def test_a_folder_takes_what_is_of_the_contract_and_names_the_rest(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    trades_csv(folder, trade(2), name="b.csv")
    trades_csv(folder, trade(0), name="a.csv")
    trades_csv(folder, trade(0), name="ESU8_x.csv")
    (folder / "notes.txt").write_text("hello\n")
    (folder / "SOURCE.md").write_text("x")
    report = take(tmp_path / "c", folder)
    assert [entry.source for entry in report.added] == ["a.csv", "b.csv"]
    assert {passed.file: passed.why for passed in report.passed_over} == {
        "ESU8_x.csv": "nothing of ESM18 in it",
        "notes.txt": "first line 'hello'",
        "SOURCE.md": "not a known format",
    }
    assert len(list(open_recorded(tmp_path / "c", ES))) == 2


def test_a_symbol_table_without_rows_is_passed_over(tmp_path: Path) -> None:
    other = dbn_files.trade(20_000.25, 1, 1, dbn_files.NQU4)
    path = dbn_files.write(tmp_path / "a.dbn", dbn_files.header("trades"), other)
    with pytest.raises(OperatorFault) as caught:
        take(tmp_path / "c", path, "ESU24")
    assert caught.value.code == "FEED_NO_ROWS" and "nothing of ESU24" in str(caught.value.value)


def test_records_that_change_nothing_are_remembered_without_a_part(tmp_path: Path) -> None:
    silent = dbn_files.mbo(b"A", dbn_files.Order(1, b"B", 5528.5, 1), snapshot=True)
    path = dbn_files.write(tmp_path / "a.dbn", dbn_files.header("mbo"), silent)
    (entry,) = take(tmp_path / "c", path, "ESU24").added
    assert (entry.rows_in, entry.rows_out, entry.part) == (1, 0, None)
    assert len(take(tmp_path / "c", path, "ESU24").already) == 1
    assert parts(tmp_path / "c") == ["catalogue.json"]


@pytest.mark.parametrize("rows", [("x",), (trade(0), "x", "y"), (trade(0, "2670.3"),)])
def test_a_file_that_is_mostly_bad_is_refused(tmp_path: Path, rows: tuple[str, ...]) -> None:
    with pytest.raises(Fault) as caught:
        take(tmp_path / "c", trades_csv(tmp_path, *rows))
    assert (caught.value.code, caught.value.exit_code) == ("FEED_MOSTLY_BAD", 65)
    assert "trades.csv:" in str(caught.value.value)
    assert parts(tmp_path / "c") == ["catalogue.json"]
    assert Manifest.load(tmp_path / "c").entries == []


def test_a_file_with_the_newest_first_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(Fault) as caught:
        take(tmp_path / "c", trades_csv(tmp_path, *(trade(9 - n) for n in range(9))))
    assert "BACKWARDS" in str(caught.value.value) and "oldest first" in caught.value.fix


@pytest.mark.parametrize("code", ["NQM18", "ESU18", "ESM28"])
def test_the_wrong_contract_adds_nothing(tmp_path: Path, code: str) -> None:
    path = trades_csv(tmp_path, trade(0), name="ESM18_trades.csv")
    with pytest.raises(OperatorFault) as caught:
        take(tmp_path / "c", path, code)
    assert caught.value.code == "FEED_NO_ROWS" and code in caught.value.fix
    assert parts(tmp_path / "c") == ["catalogue.json"]
    assert Manifest.load(tmp_path / "c").entries == []


def test_the_refusal_says_which_contracts_the_file_has(tmp_path: Path) -> None:
    path = dbn_files.write(
        tmp_path / "a.dbn", dbn_files.header("trades"), dbn_files.trade(5528.5, 1, 0)
    )
    zipped = tmp_path / "20131007_trade.zip"
    with zipfile.ZipFile(zipped, "w") as archive:
        for month in ("201312", "201403"):
            archive.writestr(f"20131007_gc_tick_trade_{month}.csv", "0,1313.7,1,usa,,0\n")
    for file, names in ((path, "but ESU24, NQU24"), (zipped, "but GCH14, GCZ13")):
        with pytest.raises(OperatorFault) as caught:
            take(tmp_path / "c", file, "ESH24")
        assert f"nothing of ESH24 in it, {names}" in str(caught.value.value)


def test_missing_path_and_unknown_format(tmp_path: Path) -> None:
    for path, code in ((tmp_path / "no", "FEED_PATH_MISSING"),
                       (tmp_path / "a.xlsx", "FEED_UNKNOWN_FORMAT")):  # fmt: skip
        if path.suffix:
            path.touch()
        with pytest.raises(OperatorFault) as caught:
            take(tmp_path / "c", path)
        assert caught.value.code == code
