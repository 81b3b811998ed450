"""Whatever stops an import, the catalogue is whole, says why, and the next import goes on."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest

from shared.catalogue import Manifest, open_recorded, storing
from shared.catalogue.durable import UNFINISHED, locked
from shared.catalogue.manifest import NAME, is_catalogue
from shared.catalogue.storing import Progress
from shared.kernel.errors import OperatorFault, OurFault
from shared.markets import parse_contract
from tests.unit.catalogue.imports import ES, of_file, parts, stored, take, trade, trades_csv

GC = "GCZ13"


@pytest.fixture
def catalogue(tmp_path: Path) -> Path:
    """One file is in."""
    root = tmp_path / "c"
    take(root, trades_csv(tmp_path, trade(0), trade(1), name="first.csv"))
    return root


def more(tmp_path: Path, rows: int = 50) -> Path:
    return trades_csv(tmp_path, *(trade(n) for n in range(2, rows + 2)), name="second.csv")


def check_whole(root: Path, before: list[str]) -> None:
    """As before, byte for byte in what is read."""
    assert parts(root) == before
    assert len(stored(root)) == len(list(open_recorded(root, ES))) == 2


def lean_zip(folder: Path) -> Path:
    path = folder / "20131007_trade.zip"
    rows = "".join(f"{n},1313.{n % 10},{n % 7},usa,,0\n" for n in range(20_000))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("20131007_gc_tick_trade_201312.csv", rows)
    return path


@pytest.mark.parametrize("spoil", [
    lambda data: data[:-100], lambda data: data[: len(data) // 2], lambda data: b"",
    lambda data: data[:5_000] + bytes(500) + data[5_500:],
])  # fmt: skip
def test_a_truncated_or_damaged_zip(
    tmp_path: Path, catalogue: Path, spoil: Callable[[bytes], bytes]
) -> None:
    before, path = parts(catalogue), lean_zip(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(spoil(whole))
    with pytest.raises(OperatorFault) as caught:
        take(catalogue, path, GC)
    assert caught.value.code == "FEED_DAMAGED_FILE" and path.name in caught.value.field
    check_whole(catalogue, before)
    path.write_bytes(whole)
    assert take(catalogue, path, GC).total("rows_out") == 20_000


@pytest.mark.parametrize("rows", [50, 3_000])
def test_a_full_disk(
    tmp_path: Path, catalogue: Path, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """The kernel's own ENOSPC, from /dev/full: at the end of a file, or in the middle."""
    monkeypatch.setattr(storing, "BATCH_ROWS", 100)
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    before, path = parts(catalogue), more(tmp_path, rows)
    real_open = Path.open

    def full(self: Path, *args: Any, **kwargs: Any) -> IO[Any]:
        if self.name.endswith(UNFINISHED):
            self.touch()
            return real_open(Path("/dev/full"), *args, **kwargs)
        return real_open(self, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", full)
        with pytest.raises(OperatorFault) as caught:
            take(catalogue, path)
    fault = caught.value
    assert (fault.code, fault.exit_code) == ("CATALOGUE_CANNOT_WRITE", 64)
    assert "No space left" in str(fault.value) and "Make room" in fault.fix
    check_whole(catalogue, before)
    assert take(catalogue, path).total("rows_out") == rows


@pytest.mark.parametrize("at_rows", [0, 7, 49])
def test_ctrl_c_in_the_middle(
    tmp_path: Path, catalogue: Path, monkeypatch: pytest.MonkeyPatch, at_rows: int
) -> None:
    monkeypatch.setattr(storing, "BATCH_ROWS", 7)

    def interrupt(here: Progress) -> None:
        if here.rows >= at_rows:
            raise KeyboardInterrupt

    before, path = parts(catalogue), more(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        take(catalogue, path, watch=interrupt)
    check_whole(catalogue, before)
    assert take(catalogue, path).total("rows_out") == 50


def test_the_first_import_of_all_may_be_stopped_too(tmp_path: Path) -> None:
    def interrupt(here: Progress) -> None:
        if here.rows:
            raise KeyboardInterrupt

    root, path = tmp_path / "c", more(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        take(root, path, watch=interrupt)
    (root / "ESM18" / f"ticks-{0:016x}.parquet{UNFINISHED}").write_bytes(b"half")
    assert take(root, path).total("rows_out") == 50


def test_an_interrupted_folder_goes_on_with_the_file_that_is_missing(tmp_path: Path) -> None:
    folder, root = tmp_path / "data", tmp_path / "c"
    for number, name in enumerate(("a.csv", "b.csv", "c.csv")):
        trades_csv(folder, trade(number), name=name)

    def interrupt(here: Progress) -> None:
        if here.name == "c.csv":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take(root, folder, watch=interrupt)
    report = take(root, folder)
    assert [entry.source for entry in report.already] == ["a.csv", "b.csv"]
    assert [entry.source for entry in report.added] == ["c.csv"]
    assert len(list(open_recorded(root, ES))) == 3


def test_killed_between_part_and_manifest(
    tmp_path: Path, catalogue: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What kill -9 leaves: a part that the manifest does not name, and unfinished files."""
    before, path = parts(catalogue), more(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(Manifest, "add", lambda self, entry: None)
        take(catalogue, path)
    leftover = catalogue / "ESM18" / f"ticks-{0:016x}.parquet{UNFINISHED}"
    leftover.write_bytes(b"half")
    (catalogue / "ESM18" / "mine.parquet").write_bytes(b"a person put this here")
    assert len(parts(catalogue)) == len(before) + 3
    assert len(list(open_recorded(catalogue, ES))) == 2
    assert take(catalogue, path).total("rows_out") == 50
    assert len(parts(catalogue)) == len(before) + 2
    assert (catalogue / "ESM18" / "mine.parquet").exists() and not leftover.exists()


def test_a_source_that_changes_while_it_is_read(tmp_path: Path, catalogue: Path) -> None:
    before, path = parts(catalogue), more(tmp_path)

    def grow(here: Progress) -> None:
        if here.rows:
            path.write_text(path.read_text() + trade(100) + "\n")

    with pytest.raises(OperatorFault) as caught:
        take(catalogue, path, watch=grow)
    assert "changed while it was read" in str(caught.value.value)
    assert len(stored(catalogue)) == 2
    take(catalogue, trades_csv(tmp_path, trade(0), trade(1), name="first.csv"))
    check_whole(catalogue, before)


def test_two_writers_do_not_meet(tmp_path: Path, catalogue: Path) -> None:
    with locked(catalogue), pytest.raises(OperatorFault) as caught:
        take(catalogue, more(tmp_path))
    assert caught.value.code == "CATALOGUE_BUSY"
    assert take(catalogue, more(tmp_path)).total("rows_out") == 50


def test_a_folder_of_other_things_is_no_catalogue(tmp_path: Path) -> None:
    path = trades_csv(tmp_path, trade(0))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    with pytest.raises(OperatorFault) as caught:
        take(tmp_path / "mine", path)
    assert caught.value.code == "CATALOGUE_NOT_EMPTY" and "thesis.txt" in str(caught.value.value)
    assert parts(tmp_path / "mine") == ["thesis.txt"]
    with pytest.raises(OperatorFault) as caught:
        Manifest.load(tmp_path / "none")
    assert caught.value.code == "CATALOGUE_MISSING"


@pytest.mark.parametrize("text", ["", "{", '{"catalogue":"bulkhead","version":1}', '{"x":1}',
                                  '{"catalogue":"bulkhead","version":2,"imports":[]}'])  # fmt: skip
def test_a_damaged_manifest_is_our_fault_and_nothing_is_written(
    tmp_path: Path, catalogue: Path, text: str
) -> None:
    (catalogue / NAME).write_text(text)
    for use in (lambda: take(catalogue, more(tmp_path)), lambda: open_recorded(catalogue, ES)):
        with pytest.raises(OurFault) as caught:
            use()
        assert caught.value.code == "CATALOGUE_DAMAGED" and NAME in caught.value.field
    assert (catalogue / NAME).read_text() == text and is_catalogue(catalogue)


def test_a_damaged_part_is_named_and_a_missing_one_is_imported_again(
    tmp_path: Path, catalogue: Path
) -> None:
    path = trades_csv(tmp_path, trade(0), trade(1), name="first.csv")
    (entry,) = Manifest.load(catalogue).entries
    part = catalogue / str(entry.part)
    whole = part.read_bytes()
    for place in range(0, len(whole), 5):
        part.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            rows = list(open_recorded(catalogue, ES))
        except OurFault as fault:
            assert fault.code == "CATALOGUE_DAMAGED" and part.name in fault.field
        else:
            assert rows == of_file(path), "a byte that says nothing about the rows"
    part.unlink()
    assert not Manifest.load(catalogue).is_whole(entry)
    with pytest.raises(OurFault):
        list(open_recorded(catalogue, ES))
    assert take(catalogue, path).total("rows_out") == 2
    assert list(open_recorded(catalogue, ES)) and part.read_bytes() == whole


def test_a_catalogue_without_the_contract_says_what_it_holds(catalogue: Path) -> None:
    with pytest.raises(OperatorFault) as caught:
        open_recorded(catalogue, parse_contract("NQM18"))
    assert caught.value.code == "FEED_NO_ROWS" and "ESM18" in str(caught.value.value)
