"""Reads the sections of files in their order: good rows out, bad ones named, every row counted.

Why lazy: a day of ticks is larger than it looks; one line at a time is enough, and a resume only
needs a number of rows. Why bad rows do not stop it: real files have some; each is named and
counted, and the caller decides how many are too many.
Promises: every row read is in one count; time never goes back; the same files give the same rows.
Limits: one row with a time far ahead makes all later ones BACKWARDS, which the counts show.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar, cast

from shared.feeds.rows import (
    BAD_ROW_TEXT_MAX_CHARS,
    AnySection,
    BadRow,
    FeedCounts,
    FileRow,
    Parse,
    Raw,
    RowError,
    RowReason,
)
from shared.kernel.check import check
from shared.kernel.errors import OperatorFault
from shared.markets import Contract, PriceError

BAD_ROWS_KEPT_MAX = 1_000
Row = TypeVar("Row", bound=FileRow)


class PassedOver(NamedTuple):
    """A file of the folder that is not read, and why."""

    file: str
    why: str


class FeedFile(NamedTuple):
    """A file of the feed with its lazy sections."""

    path: Path
    sections: Sequence[AnySection]


class Reading(Iterator[Row], Generic[Row]):
    """Iterator of the good rows of files.

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

    def __iter__(self) -> Iterator[Row]:
        return self._rows

    def __next__(self) -> Row:
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

    def _read(self, files: list[FeedFile]) -> Generator[Row, None, None]:
        for file in files:
            good_before = self.counts.rows_good
            for section in file.sections:
                yield from self._read_section(section)
            if self.counts.rows_good == good_before:
                raise no_rows(file.path, self.contract, f"no good row; so far {self.counts}")

    def _read_section(self, section: AnySection) -> Generator[Row, None, None]:
        counts, parse = self.counts, section.parse
        if parse is None:
            rows = sum(1 for _ in section.raw_rows)
            counts.rows_in += rows
            counts.rows_other += rows
            return
        for line, raw in enumerate(section.raw_rows, section.first_line):
            counts.rows_in += 1
            yield from self._parsed(parse, raw, section.place, line)

    def _parsed(self, parse: Parse[Raw], raw: Raw, place: str, line: int) -> tuple[Row, ...]:
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
        return cast("tuple[Row, ...]", rows)

    def _note_bad(self, place: str, line: int, reason: RowReason, text: str) -> None:
        self.counts.rows_bad += 1
        row = BadRow(place, line, reason, text)
        if len(self.bad_rows) < BAD_ROWS_KEPT_MAX:
            self.bad_rows.append(row)
        if self._on_bad_row is not None:
            self._on_bad_row(row)


def _text_of(raw: object, seen: RowError | PriceError | FileRow) -> str:
    """What shows a person the bad row: its line, or what was wrong in a binary record."""
    if isinstance(raw, str):
        text = raw.rstrip("\n")
    elif isinstance(seen, RowError) and seen.seen is not None:
        text = seen.seen
    else:
        text = str(seen)
    return text[:BAD_ROW_TEXT_MAX_CHARS]


def no_rows(path: Path, contract: Contract, seen: str) -> OperatorFault:
    """Make the fault for a file without a row of the contract."""
    return OperatorFault(
        "FEED_NO_ROWS",
        field=f"file {path}",
        value=seen,
        fix=f"Give data of {contract.code}, or ask for the contract that the file holds.",
    )
