"""One feed: the good rows of one contract out of one file or a folder of files, in time order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from shared.feeds.csv_trades import csv_trades_sections, is_csv_trades
from shared.feeds.dbn import dbn_sections, is_dbn
from shared.feeds.files import entries_at, unknown_format
from shared.feeds.lean_ticks import is_lean_ticks, lean_ticks_sections
from shared.feeds.reading import FeedFile, PassedOver, Reading, no_rows
from shared.feeds.rows import AnySection, BadRow, FeedRow
from shared.markets import Contract


class Feed(Reading[FeedRow]):
    """A reading of rows that can be played; made by `open_feed`.

    `made_of_bars`: some of it is made out of bars, within which order and time are made up.
    """

    made_of_bars = False


def open_feed(
    path: Path | str,
    contract: Contract,
    *,
    start_after: int = 0,
    on_bad_row: Callable[[BadRow], None] | None = None,
) -> Feed:
    """Open one file, or every recognised file of a folder in name order, as one feed.

    `start_after` passes that many good rows first (the `row_number` of the last row consumed);
    `on_bad_row` is called for each bad row when it is met. Raises `OperatorFault` for a missing
    path, an unknown format, a damaged file, no file of the contract or too few rows to pass.
    """
    paths, passed_over = _candidates(Path(path))
    files = [FeedFile(file, _sections(file, contract)) for file in paths]
    of_contract = [file for file in files if file.sections]
    if not of_contract:
        seen = ", ".join(file.name for file in paths[:5])
        raise no_rows(Path(path), contract, f"only other instruments in {seen}")
    passed_over += [
        PassedOver(file.path.name, f"not of {contract.code}") for file in files if not file.sections
    ]
    feed = Feed(contract, of_contract, passed_over, on_bad_row)
    feed.skip(start_after)
    return feed


def _candidates(path: Path) -> tuple[list[Path], list[PassedOver]]:
    """Split what the path names into files of a known name and the rest."""
    entries = entries_at(path)
    known = [entry for entry in entries if _is_known(entry)]
    if not known:
        folder = f"a folder of {[entry.name for entry in entries[:5]]}"
        raise unknown_format(path, folder if path.is_dir() else f"file name {path.name!r}")
    unknown = [entry for entry in entries if not _is_known(entry)]
    return known, [PassedOver(entry.name, "not a known format") for entry in unknown]


def _is_known(path: Path) -> bool:
    name = path.name
    return path.is_file() and (is_csv_trades(name) or is_lean_ticks(name) or is_dbn(name))


def _sections(path: Path, contract: Contract) -> Sequence[AnySection]:
    if is_dbn(path.name):
        return dbn_sections(path, contract)
    if is_lean_ticks(path.name):
        return lean_ticks_sections(path, contract)
    return csv_trades_sections(path, contract)
