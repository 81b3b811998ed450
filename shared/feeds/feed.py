"""One feed: the good rows of one contract out of one file or a folder of files, in time order.

Why lazy: a day of ticks is larger than it looks; one line at a time is enough, and a resume only
needs a number of rows. Why bad rows do not stop it: real files have some; each is named and
counted, and the caller decides how many are too many.
Promises: every row read is in one count; time never goes back; the same files give the same rows.
Limits: one row with a time far ahead makes all later ones BACKWARDS, which the counts show.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from shared.feeds.csv_trades import csv_trades_sections, is_csv_trades
from shared.feeds.dbn import dbn_sections, is_dbn
from shared.feeds.files import damaged, unknown_format
from shared.feeds.lean_ticks import is_lean_ticks, lean_ticks_sections
from shared.feeds.rows import (
    BAD_ROW_TEXT_MAX_CHARS,
    AnySection,
    BadRow,
    FeedCounts,
    FeedRow,
    Parse,
    Raw,
    RowError,
    RowReason,
)
from shared.kernel.check import check
from shared.kernel.errors import OperatorFault
from shared.markets import Contract, PriceError

BAD_ROWS_KEPT_MAX = 1_000


class PassedOver(NamedTuple):
    """A file of the folder that is not read, and why."""

    file: str
    why: str


class FeedFile(NamedTuple):
    """A file of the feed with its lazy sections."""

    path: Path
    sections: Sequence[AnySection]


class Feed(Iterator[FeedRow]):
    """Iterator of good rows; made by `open_feed`.

    `counts` are the rows read so far, `bad_rows` the first 1,000 bad ones (`counts.rows_bad` goes
    on), `passed_over` the files of the folder that are not read. Raises `OperatorFault` where a
    file turns out to be damaged or ends without one good row.
    """

    def __init__(
        self,
        contract: Contract,
        files: list[FeedFile],
        passed_over: list[PassedOver],
        on_bad_row: Callable[[BadRow], None] | None,
    ) -> None:
        self.contract = contract
        self.files = tuple(file.path for file in files)
        self.passed_over = tuple(passed_over)
        self.counts = FeedCounts()
        self.bad_rows: list[BadRow] = []
        self._on_bad_row = on_bad_row
        self._last_ns = 0
        self._last_number = 0
        self._rows = self._read(files)

    def __iter__(self) -> Iterator[FeedRow]:
        return self._rows

    def __next__(self) -> FeedRow:
        return next(self._rows)

    def skip(self, rows: int) -> None:
        """Read past the next good rows, to resume; bad rows on the way are told again.

        Raises `OperatorFault` if the feed ends before: the files are not those of the first run.
        """
        check(rows >= 0, "skip goes forward", rows)
        for _ in range(rows):
            if next(self._rows, None) is None:
                raise OperatorFault(
                    "FEED_SHORTER_THAN_RESUME",
                    field="start_after",
                    value=f"{rows} rows to pass, {self._last_number} rows in the feed",
                    fix="Resume with the same files as before, or start a fresh run.",
                )

    def close(self) -> None:
        """Close the open file; the feed then has no more rows."""
        self._rows.close()

    def _read(self, files: list[FeedFile]) -> Generator[FeedRow, None, None]:
        for file in files:
            good_before = self.counts.rows_good
            for section in file.sections:
                yield from self._read_section(section)
            if self.counts.rows_good == good_before:
                raise _no_rows(file.path, self.contract, f"no good row; so far {self.counts}")

    def _read_section(self, section: AnySection) -> Generator[FeedRow, None, None]:
        counts, parse = self.counts, section.parse
        if parse is None:
            rows = sum(1 for _ in section.raw_rows)
            counts.rows_in += rows
            counts.rows_other += rows
            return
        for line, raw in enumerate(section.raw_rows, section.first_line):
            counts.rows_in += 1
            yield from self._parsed(parse, raw, section.place, line)

    def _parsed(self, parse: Parse[Raw], raw: Raw, place: str, line: int) -> tuple[FeedRow, ...]:
        """The rows that one raw row gives; counts it."""
        counts = self.counts
        try:
            rows = parse(raw, self._last_number + 1)
        except (RowError, PriceError) as error:
            self._note_bad(place, line, RowReason(error.reason), _text_of(raw, error))
            return ()
        if rows is None:
            counts.rows_other += 1
            return ()
        if rows:
            if rows[0].exchange_ns < self._last_ns:
                self._note_bad(place, line, RowReason.BACKWARDS, _text_of(raw, rows[0]))
                return ()
            self._last_ns, self._last_number = rows[-1].exchange_ns, rows[-1].row_number
        counts.rows_good += 1
        return rows

    def _note_bad(self, place: str, line: int, reason: RowReason, text: str) -> None:
        self.counts.rows_bad += 1
        row = BadRow(place, line, reason, text)
        if len(self.bad_rows) < BAD_ROWS_KEPT_MAX:
            self.bad_rows.append(row)
        if self._on_bad_row is not None:
            self._on_bad_row(row)


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
        raise _no_rows(Path(path), contract, f"only other instruments in {seen}")
    passed_over += [
        PassedOver(file.path.name, f"not of {contract.code}") for file in files if not file.sections
    ]
    feed = Feed(contract, of_contract, passed_over, on_bad_row)
    feed.skip(start_after)
    return feed


def _candidates(path: Path) -> tuple[list[Path], list[PassedOver]]:
    """Split what the path names into files of a known name and the rest."""
    if not path.exists():
        raise OperatorFault(
            "FEED_PATH_MISSING", field="path", value=str(path), fix="Check the path's spelling."
        )
    if not path.is_dir():
        if not _is_known(path):
            raise unknown_format(path, f"file name {path.name!r}")
        return [path], []
    entries = _entries(path)
    known = [entry for entry in entries if _is_known(entry)]
    if not known:
        raise unknown_format(path, f"a folder of {[entry.name for entry in entries[:5]]}")
    unknown = [entry for entry in entries if not _is_known(entry)]
    return known, [PassedOver(entry.name, "not a known format") for entry in unknown]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise damaged(folder, error) from error


def _is_known(path: Path) -> bool:
    name = path.name
    return path.is_file() and (is_csv_trades(name) or is_lean_ticks(name) or is_dbn(name))


def _sections(path: Path, contract: Contract) -> Sequence[AnySection]:
    if is_dbn(path.name):
        return dbn_sections(path, contract)
    if is_lean_ticks(path.name):
        return lean_ticks_sections(path, contract)
    return csv_trades_sections(path, contract)


def _text_of(raw: str | bytes, seen: RowError | PriceError | FeedRow) -> str:
    """What shows a person the bad row: its line, or what was wrong in a binary record."""
    if isinstance(raw, str):
        text = raw.rstrip("\n")
    elif isinstance(seen, RowError) and seen.seen is not None:
        text = seen.seen
    else:
        text = str(seen)
    return text[:BAD_ROW_TEXT_MAX_CHARS]


def _no_rows(path: Path, contract: Contract, seen: str) -> OperatorFault:
    return OperatorFault(
        "FEED_NO_ROWS",
        field=f"file {path}",
        value=seen,
        fix=f"Give data of {contract.code}, or ask for the contract that the file holds.",
    )
