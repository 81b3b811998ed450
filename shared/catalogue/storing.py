"""Imports files into a catalogue: each file becomes one part, whole or not at all.

Promises: memory does not grow with a file; the same bytes are imported once for a contract, however
the file is called; an import that was stopped goes on with the first file that is not in yet.
Limits: a file is read again from its start; it is read twice, because its digest comes first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from shared.catalogue.durable import locked, whole_file
from shared.catalogue.manifest import Entry, Manifest, refuse_other_folder
from shared.catalogue.tables import PartWriter, table_of
from shared.feeds.files import byte_blocks, damaged, entries_at
from shared.feeds.formats import contracts_in, may_be_data, sections_of
from shared.feeds.reading import FeedFile, PassedOver, Reading, no_rows
from shared.feeds.rows import BadRow, BarRow, FileRow, QuoteBarRow, QuoteRow, TradeRow
from shared.kernel.errors import Fault, OperatorFault
from shared.markets import NANOS_PER_SECOND, Contract

BATCH_ROWS = 65_536
BAD_ROWS_KEPT_MAX = 1_000
NAMED_MAX = 6  # contracts of a file that is not wanted


class Progress(NamedTuple):
    """How far an import is: file number of how many, its name, rows read in it."""

    file_number: int
    files: int
    name: str
    rows: int


@dataclass(slots=True)
class ImportReport:
    """What an import did. `added` and `already`: entries new and old; `bad_rows` is bounded."""

    added: list[Entry] = field(default_factory=list)
    already: list[Entry] = field(default_factory=list)
    passed_over: list[PassedOver] = field(default_factory=list)
    bad_rows: list[BadRow] = field(default_factory=list)

    def total(self, name: str) -> int:
        """Sum of a number over the added entries, such as `rows_in`."""
        return sum(getattr(entry, name) for entry in self.added)


class BadData(Fault):
    """A file of which more is bad than good: it is not what it was taken for."""

    side = "operator"
    exit_code = 65


Watch = Callable[[Progress], None]


def import_path(
    root: Path, path: Path, contract: Contract, watch: Watch, report: ImportReport
) -> None:
    """Import one file, or every file of a folder that has something of the contract.

    The report grows with each file, so that it tells what was done whatever comes. Raises
    `OperatorFault` for a path, format, contract, damaged file or disk that is not right; files
    that came before it are in the catalogue then, and stay.
    """
    files = _files(path, report)
    refuse_other_folder(root)
    with locked(root):
        manifest = Manifest.load_or_new(root)
        manifest.sweep()
        for number, file in enumerate(files, 1):
            here = Progress(number, len(files), file.name, 0)
            one = _OneFile(manifest, file, contract, report)
            if file == path:
                one.take(here, watch)
            else:
                _take_of_folder(one, here, watch)
    if not report.added and not report.already:
        seen = "; ".join(f"{passed.file}: {passed.why}" for passed in report.passed_over[:5])
        raise no_rows(path, contract, seen or "an empty folder")


def _files(path: Path, report: ImportReport) -> list[Path]:
    found = entries_at(path)
    if not path.is_dir():
        return found
    entries = [entry for entry in found if entry.is_file()]
    for entry in entries:
        if not may_be_data(entry):
            report.passed_over.append(PassedOver(entry.name, "not a known format"))
    return [entry for entry in entries if may_be_data(entry)]


def _take_of_folder(one: _OneFile, here: Progress, watch: Watch) -> None:
    """In a folder, a file of another format is passed over; any other fault counts."""
    try:
        one.take(here, watch)
    except OperatorFault as fault:
        if fault.code != "FEED_UNKNOWN_FORMAT":
            raise
        one.report.passed_over.append(PassedOver(one.file.name, str(fault.value)))


@dataclass(slots=True)
class _OneFile:
    """One file on its way into the catalogue."""

    manifest: Manifest
    file: Path
    contract: Contract
    report: ImportReport
    kinds: Counter[type] = field(default_factory=Counter)
    first_ns: int = 0
    last_ns: int = 0
    span_s: int = 0

    def take(self, here: Progress, watch: Watch) -> None:
        """Import it, unless it is in already or has nothing of the contract."""
        watch(here)
        sections = sections_of(self.file, self.contract)
        if not sections:
            self._pass_over()
            return
        before = self.file.stat()
        digest = _digest(self.file)
        found = self.manifest.find(digest, self.contract.code)
        if found is not None:
            self.report.already.append(found)
            return
        reading = Reading[FileRow](
            self.contract, [FeedFile(self.file, sections)], [], self._note_bad
        )
        try:
            table, part = self._store(reading, digest, here, watch)
        except OperatorFault as fault:
            if fault.code != "FEED_NO_ROWS":
                raise
            self._refuse_if_bad(reading)
            self._pass_over()
            return
        after = self.file.stat()
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise damaged(self.file, OSError("it changed while it was read"))
        entry = self._entry(reading, digest, table, part)
        self.manifest.add(entry)
        self.report.added.append(entry)

    def _pass_over(self) -> None:
        why = f"nothing of {self.contract.code} in it"
        named = [code for code in contracts_in(self.file) if code != self.contract.code]
        if named:
            more = f" and {len(named) - NAMED_MAX} more" if len(named) > NAMED_MAX else ""
            why += f", but {', '.join(named[:NAMED_MAX])}{more}"
        self.report.passed_over.append(PassedOver(self.file.name, why))

    def _store(
        self, reading: Reading[FileRow], digest: str, here: Progress, watch: Watch
    ) -> tuple[str, str | None]:
        """Write the part; its table and its name. The manifest does not name it yet."""
        batch = list(islice(reading, BATCH_ROWS))
        table = table_of(batch[0]) if batch else "ticks"
        part = f"{self.contract.code}/{table}-{digest[:16]}.parquet" if batch else None
        if part is not None:
            with whole_file(self.manifest.root / part) as stream:
                with PartWriter(stream, table, self.contract) as writer:
                    while batch:
                        writer.write(batch)
                        self._look_at(batch)
                        watch(here._replace(rows=reading.counts.rows_in))
                        batch = list(islice(reading, BATCH_ROWS))
                self._refuse_if_bad(reading)
        return table, part

    def _entry(self, reading: Reading[FileRow], digest: str, table: str, part: str | None) -> Entry:
        counts = reading.counts
        return Entry(
            instrument=self.contract.code,
            table=table,
            span_s=self.span_s,
            source=self.file.name,
            source_bytes=self.file.stat().st_size,
            source_sha256=digest,
            rows_in=counts.rows_in,
            rows_out=self.kinds.total(),
            rows_other=counts.rows_other,
            rows_bad=counts.rows_bad,
            trades=self.kinds[TradeRow],
            quotes=self.kinds[QuoteRow],
            first_ns=self.first_ns,
            last_ns=self.last_ns,
            part=part,
            part_bytes=(self.manifest.root / part).stat().st_size if part else 0,
        )

    def _look_at(self, batch: list[FileRow]) -> None:
        last = batch[-1]
        self.kinds.update(map(type, batch))
        self.first_ns = self.first_ns or batch[0].exchange_ns
        self.span_s = last.span_s if isinstance(last, BarRow | QuoteBarRow) else 0
        self.last_ns = last.exchange_ns + self.span_s * NANOS_PER_SECOND

    def _note_bad(self, row: BadRow) -> None:
        if len(self.report.bad_rows) < BAD_ROWS_KEPT_MAX:
            self.report.bad_rows.append(row)

    def _refuse_if_bad(self, reading: Reading[FileRow]) -> None:
        counts = reading.counts
        if counts.rows_bad <= counts.rows_good:
            return
        first = reading.bad_rows[0]
        raise BadData(
            "FEED_MOSTLY_BAD",
            field=f"file {self.file}",
            value=f"{counts.rows_bad} bad rows, {counts.rows_good} good; the first:"
            f" {first.file}:{first.line}: {first.reason}: {first.text}",
            fix=f"See that it is data of {self.contract.code}, oldest first. Nothing was added.",
        )


def _digest(path: Path) -> str:
    digest = sha256()
    for block in byte_blocks(path):
        digest.update(block)
    return digest.hexdigest()
