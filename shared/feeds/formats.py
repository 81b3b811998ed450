"""Which reader takes a file: every format that can be imported, told by name and first line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shared.feeds import csv_bars, csv_trades
from shared.feeds.dbn import dbn_contracts, is_dbn
from shared.feeds.dbn_stored import dbn_stored_sections
from shared.feeds.files import first_line, unknown_format, zip_member_names
from shared.feeds.iqfeed import FIRST_LINE as IQFEED_LINE
from shared.feeds.iqfeed import iqfeed_sections
from shared.feeds.lean_bars import is_lean_bars, lean_bars_sections, lean_contracts
from shared.feeds.lean_ticks import is_lean_ticks, lean_ticks_sections
from shared.feeds.ninjatrader import FIRST_LINE as NINJATRADER_LINE
from shared.feeds.ninjatrader import ninjatrader_sections
from shared.feeds.rows import AnySection
from shared.markets import Contract

_TEXT_SUFFIXES = (".csv", ".csv.gz", ".txt", ".txt.gz")


def may_be_data(path: Path) -> bool:
    """Say by its name whether a file of a folder should be tried."""
    name = path.name
    known = is_dbn(name) or is_lean_bars(name)  # zips of ticks have the names of zips of bars
    return path.is_file() and (known or name.endswith(_TEXT_SUFFIXES))


def sections_of(path: Path, contract: Contract) -> Sequence[AnySection]:
    """Return a file's lazy sections; none if it has nothing of the contract.

    Raises `OperatorFault` for a format that is not known and for a damaged file.
    """
    name = path.name
    if is_dbn(name):
        return dbn_stored_sections(path, contract)
    if is_lean_ticks(name) and any("_tick_" in member for member in zip_member_names(path)):
        return lean_ticks_sections(path, contract)
    if is_lean_bars(name):
        return lean_bars_sections(path, contract)
    if name.endswith(_TEXT_SUFFIXES):
        return _text_sections(path, contract)
    raise unknown_format(path, f"file name {name!r}")


def contracts_in(path: Path) -> list[str]:
    """Return the contracts that a file names itself; none where only its owner knows."""
    if is_dbn(path.name):
        return dbn_contracts(path)
    return lean_contracts(path) if is_lean_bars(path.name) else []


def _text_sections(path: Path, contract: Contract) -> Sequence[AnySection]:
    first = first_line(path)
    if first == csv_trades.HEADER:
        return csv_trades.csv_trades_sections(path, contract)
    if first == csv_bars.HEADER:
        return csv_bars.csv_bars_sections(path, contract)
    if NINJATRADER_LINE.fullmatch(first):
        return ninjatrader_sections(path, contract)
    if IQFEED_LINE.match(first):
        return iqfeed_sections(path, contract)
    raise unknown_format(path, f"first line {first!r}")
