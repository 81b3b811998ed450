"""Imports made-up files into a catalogue, and looks at what is in it."""

from __future__ import annotations

from pathlib import Path

from shared.catalogue.manifest import Manifest
from shared.catalogue.storing import ImportReport, Watch, import_path
from shared.catalogue.tables import read_part
from shared.feeds import FeedRow, open_feed
from shared.markets import parse_contract

ES = parse_contract("ESM18")
HEADER = "ts_utc,price"


def trades_csv(folder: Path, *rows: str, name: str = "trades.csv") -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


def trade(second: int, price: str = "2670.25") -> str:
    return f"2018-05-07T{13 + second // 3_600}:{second // 60 % 60:02d}:{second % 60:02d}Z,{price}"


def take(
    root: Path, path: Path, code: str = "ESM18", watch: Watch = lambda here: None
) -> ImportReport:
    report = ImportReport()
    import_path(root, path, parse_contract(code), watch, report)
    return report


def parts(root: Path) -> list[str]:
    """Every file of the catalogue, its lock aside."""
    files = (path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    return sorted(file for file in files if file != ".lock")


def stored(root: Path) -> list[tuple[object, ...]]:
    """All rows of all parts, in the order of the manifest."""
    entries = Manifest.load(root).entries
    return [row for entry in entries if entry.part for row in read_part(root / entry.part)]


def of_file(path: Path, code: str = "ESM18") -> list[FeedRow]:
    return list(open_feed(path, parse_contract(code)))
