"""Feeds over small made-up files: bad rows, damage, wrong instruments, folders, resuming."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from shared.feeds import BAD_ROWS_KEPT_MAX, BadRow, RowReason, open_feed
from shared.kernel.errors import OperatorFault, OurFault
from shared.markets import parse_contract

ES = parse_contract("ESM18")
HEADER = "ts_utc,price"
FIRST_NS = 1_525_699_800_000_000_000  # 2018-05-07T13:30:00Z


def csv_file(folder: Path, *rows: str, name: str = "trades.csv", header: str = HEADER) -> Path:
    path = folder / name
    text = "\n".join([header, *rows]) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def trade(second: int, price: str = "2670.25") -> str:
    return f"2018-05-07T13:30:{second:02d}Z,{price}"


def fault_of(path: Path) -> OperatorFault:
    with pytest.raises(OperatorFault) as caught:
        list(open_feed(path, ES))
    assert str(path) in f"{caught.value.field} {caught.value.value}"
    return caught.value


@pytest.mark.parametrize("name", ["trades.csv", "trades.csv.gz", "ESM8_x.csv", "ESM18_x.csv.gz"])
def test_csv_rows(tmp_path: Path, name: str) -> None:
    path = csv_file(tmp_path, "2018-05-07T13:30:00.001532Z,2670.5",
                    "2018-05-07T13:30:00.123456789Z,-0.25",
                    "2018-05-07T13:30:00.123456789Z,-0.25", name=name)  # fmt: skip
    rows = list(open_feed(path, ES))
    assert rows == [
        (1, FIRST_NS + 1_532_000, 10_682, None),
        (2, FIRST_NS + 123_456_789, -1, None),
        (3, FIRST_NS + 123_456_789, -1, None),
    ]


@pytest.mark.parametrize("row", [
    "", ",", "2018-05-07T13:30:00Z", "2018-05-07T13:30:00,1", "2018-05-07 13:30:00Z,1",
    "2018-05-07T13:30:00+00:00,1", "2018-05-07T13:30:00.Z,1", "2018-05-07T13:30:00.1234567890Z,1",
    "2018-05-07T13:30:00.+12Z,1", "2018-05-07T13:30:00.1_2Z,1", "2018-02-30T13:30:00Z,1",
    "2018-05-07T13:30:60Z,1", "1969-12-31T23:59:59Z,1", "2018-05-07T13:30:00Z,1,2",
    "2018-05-07T13:30:00Z,1e3", "2018-05-07T13:30:00Z, 1", "2018-05-07T13:30:00Z,nan",
    "2018-05-07T13:30:00Z,", "２018-05-07T13:30:00Z,1", "2018-05-07T13:30:00Z,１",
])  # fmt: skip
def test_malformed_rows_are_named(tmp_path: Path, row: str) -> None:
    path = csv_file(tmp_path, trade(0), row, trade(1))
    feed = open_feed(path, ES)
    assert [found.row_number for found in feed] == [1, 2]
    (bad,) = feed.bad_rows
    assert (bad.file, bad.line, bad.reason) == (str(path), 3, RowReason.MALFORMED)


def test_off_tick_and_backwards_rows_are_named_and_told(tmp_path: Path) -> None:
    path = csv_file(tmp_path, trade(5), trade(6, "2670.3"), trade(4), trade(5))
    told: list[BadRow] = []
    feed = open_feed(path, ES, on_bad_row=told.append)
    assert [row.exchange_ns - FIRST_NS for row in feed] == [5 * 10**9, 5 * 10**9]
    assert told == feed.bad_rows
    assert [(bad.line, bad.reason, bad.text) for bad in told] == [
        (3, RowReason.OFF_TICK, trade(6, "2670.3")), (4, RowReason.BACKWARDS, trade(4)),
    ]  # fmt: skip
    counts = feed.counts
    assert (counts.rows_in, counts.rows_good, counts.rows_other, counts.rows_bad) == (4, 2, 0, 2)


def test_kept_bad_rows_are_bounded_while_the_count_goes_on(tmp_path: Path) -> None:
    path = csv_file(tmp_path, trade(0), *["x" * 1_000] * (BAD_ROWS_KEPT_MAX + 5))
    feed = open_feed(path, ES)
    assert len(list(feed)) == 1
    assert (len(feed.bad_rows), feed.counts.rows_bad) == (BAD_ROWS_KEPT_MAX, BAD_ROWS_KEPT_MAX + 5)
    assert len(feed.bad_rows[0].text) == 200


def test_windows_line_ends_and_no_last_line_end(tmp_path: Path) -> None:
    path = tmp_path / "trades.csv"
    path.write_bytes(f"{HEADER}\r\n{trade(0)}\r\n{trade(1)}".encode())
    assert len(list(open_feed(path, ES))) == 2


def test_wrong_header_unknown_name_and_missing_path(tmp_path: Path) -> None:
    wrong = csv_file(tmp_path, trade(0), header="time,open,high,low,close,volume")
    assert fault_of(wrong).code == "FEED_UNKNOWN_FORMAT"
    assert "time,open" in str(fault_of(wrong).value)
    other = tmp_path / "trades.parquet"
    other.write_bytes(b"PAR1")
    assert fault_of(other).code == "FEED_UNKNOWN_FORMAT"
    assert fault_of(tmp_path / "none.csv").code == "FEED_PATH_MISSING"
    empty = tmp_path / "empty.csv"
    empty.touch()
    assert fault_of(empty).code == "FEED_UNKNOWN_FORMAT"


@pytest.mark.parametrize("name", ["ESU8_x.csv", "NQM8_x.csv", "ESM19_x.csv", "MESM8_x.csv"])
def test_csv_named_for_another_contract(tmp_path: Path, name: str) -> None:
    fault = fault_of(csv_file(tmp_path, trade(0), name=name))
    assert fault.code == "FEED_NO_ROWS" and "ESM18" in fault.fix


def test_file_without_a_good_row(tmp_path: Path) -> None:
    assert fault_of(csv_file(tmp_path)).code == "FEED_NO_ROWS"
    assert "rows_bad=1" in str(fault_of(csv_file(tmp_path, "x")).value)


def test_truncated_gzip_gives_its_rows_then_the_fault(tmp_path: Path) -> None:
    rows = [f"2018-05-07T13:30:00.{n * 7919 % 1000:03d}Z,{n % 977}.25" for n in range(40_000)]
    path = csv_file(tmp_path, *rows, name="trades.csv.gz")
    path.write_bytes(path.read_bytes()[:-2_000])
    feed = open_feed(path, ES)
    with pytest.raises(OperatorFault) as caught:
        for _ in feed:
            pass
    assert caught.value.code == "FEED_DAMAGED_FILE" and str(path) in caught.value.field
    assert feed.counts.rows_in > 10_000


def test_text_named_gz(tmp_path: Path) -> None:
    false_gzip = tmp_path / "trades.csv.gz"
    false_gzip.write_text(HEADER)
    assert fault_of(false_gzip).code == "FEED_DAMAGED_FILE"


def test_folder_is_read_in_name_order_and_the_rest_is_listed(tmp_path: Path) -> None:
    csv_file(tmp_path, trade(2), trade(3), name="b.csv")
    csv_file(tmp_path, trade(0), trade(1), name="a.csv.gz")
    csv_file(tmp_path, trade(0), name="ESU8_x.csv")
    (tmp_path / "SOURCE.md").write_text("x")
    (tmp_path / "20131007_openinterest.zip").write_text("x")
    (tmp_path / "folder.csv").mkdir()
    feed = open_feed(tmp_path, ES)
    assert [row.exchange_ns - FIRST_NS for row in feed] == [0, 10**9, 2 * 10**9, 3 * 10**9]
    assert [path.name for path in feed.files] == ["a.csv.gz", "b.csv"]
    assert {name: why for name, why in feed.passed_over} == {
        "ESU8_x.csv": "not of ESM18", "SOURCE.md": "not a known format",
        "20131007_openinterest.zip": "not a known format", "folder.csv": "not a known format",
    }  # fmt: skip


def test_time_does_not_go_back_between_files(tmp_path: Path) -> None:
    csv_file(tmp_path, trade(2), name="a.csv")
    csv_file(tmp_path, trade(1), trade(2), name="b.csv")
    feed = open_feed(tmp_path, ES)
    assert [row.row_number for row in feed] == [1, 2]
    assert [(Path(bad.file).name, bad.line, bad.reason) for bad in feed.bad_rows] == [
        ("b.csv", 2, RowReason.BACKWARDS)
    ]


def test_folders_without_a_usable_file(tmp_path: Path) -> None:
    assert fault_of(tmp_path).code == "FEED_UNKNOWN_FORMAT"
    (tmp_path / "SOURCE.md").write_text("x")
    assert "SOURCE.md" in str(fault_of(tmp_path).value)
    csv_file(tmp_path, trade(0), name="ESU8_x.csv")
    assert fault_of(tmp_path).code == "FEED_NO_ROWS"


def test_resume_gives_the_same_rows_as_a_full_reading(tmp_path: Path) -> None:
    csv_file(tmp_path, trade(0), "bad", trade(1), name="a.csv")
    csv_file(tmp_path, trade(2), trade(3), name="b.csv")
    full = open_feed(tmp_path, ES)
    rows = list(full)
    for done in range(5):
        feed = open_feed(tmp_path, ES, start_after=done)
        assert list(feed) == rows[done:]
        assert (feed.counts, feed.bad_rows) == (full.counts, full.bad_rows)


def test_resume_beyond_the_end_and_backwards(tmp_path: Path) -> None:
    path = csv_file(tmp_path, trade(0))
    with pytest.raises(OperatorFault) as caught:
        open_feed(path, ES, start_after=2)
    assert caught.value.code == "FEED_SHORTER_THAN_RESUME"
    with pytest.raises(OurFault):
        open_feed(path, ES, start_after=-1)


def test_closed_feed_has_no_more_rows(tmp_path: Path) -> None:
    feed = open_feed(csv_file(tmp_path, trade(0), trade(1)), ES)
    assert next(feed).row_number == 1
    feed.close()
    assert list(feed) == []
