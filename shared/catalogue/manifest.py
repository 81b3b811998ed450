"""What a catalogue holds: one entry for each file and contract that was imported.

    DIR/catalogue.json            the manifest; it makes a folder a catalogue
    DIR/ESU24/<table>-<16 hex>.parquet    one part for each entry; the hex are its source's SHA-256

The manifest is the truth: a part that it does not name is a leftover of an import that was killed,
and the next import removes it. A part is written before the manifest names it, so that at every
moment the folder is a whole catalogue.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from shared.catalogue.durable import UNFINISHED, whole_file
from shared.kernel.errors import OperatorFault, OurFault

NAME = "catalogue.json"
VERSION = 1

_PART_NAME = re.compile(
    rf"(ticks|bars|quote_bars|definitions)-[0-9a-f]{{16}}\.parquet({re.escape(UNFINISHED)})?"
)
_STRICT = ConfigDict(extra="forbid", strict=True)


@checked_dataclass(frozen=True, slots=True, config=_STRICT)
class Entry:
    """One import.

    Args:
        instrument: the contract's full code.
        table: what its rows are, such as `ticks`; see tables.py.
        span_s: length of its bars; 0 for what is no bar.
        source: name of the file that was read, for people.
        source_sha256: what was in it; the same bytes are never imported twice.
        rows_in: rows of the file; equals good + other + bad ones.
        rows_out: rows of the part, of which `trades` and `quotes`.
        rows_other: rows of other contracts.
        rows_bad: refused rows.
        first_ns: time of the first row.
        last_ns: time of the last row, or the end of the last bar.
        part: the part's path within the catalogue; None if the file changed nothing.
        part_bytes: its size.
    """

    instrument: str
    table: str
    span_s: int
    source: str
    source_bytes: int
    source_sha256: str
    rows_in: int
    rows_out: int
    rows_other: int
    rows_bad: int
    trades: int
    quotes: int
    first_ns: int
    last_ns: int
    part: str | None
    part_bytes: int


@checked_dataclass(frozen=True, slots=True, config=_STRICT)
class _Written:
    catalogue: str
    version: int
    imports: list[Entry]


_ADAPTER = TypeAdapter(_Written)


def is_catalogue(path: Path) -> bool:
    """Whether a path is a folder that imports have written to."""
    return (path / NAME).is_file()


def refuse_other_folder(root: Path) -> None:
    """Raise `OperatorFault` for a folder that is no catalogue and holds other things."""
    if is_catalogue(root) or not root.is_dir():
        return
    strange = sorted(path.name for path in root.iterdir() if not path.name.startswith("."))
    if strange:
        raise OperatorFault(
            "CATALOGUE_NOT_EMPTY",
            field="catalogue",
            value=f"{root} holds {', '.join(strange[:5])}",
            fix="Name an empty or new folder with --catalogue.",
        )


@dataclass(slots=True)
class Manifest:
    """The entries of one catalogue, in the order of their imports."""

    root: Path
    entries: list[Entry] = field(default_factory=list)

    @classmethod
    def load(cls, root: Path) -> Manifest:
        """Read it. `OperatorFault` if there is none, `OurFault` if it is damaged."""
        path = root / NAME
        try:
            written = _ADAPTER.validate_json(path.read_bytes(), strict=True)
        except FileNotFoundError as error:
            raise OperatorFault(
                "CATALOGUE_MISSING",
                field="catalogue",
                value=str(root),
                fix="Name another one with --catalogue, or fill it: bulkhead data import PATH"
                " --instrument CODE.",
            ) from error
        except (OSError, ValidationError) as error:
            raise _damaged(path, str(error).splitlines()[0]) from error
        if written.version != VERSION:
            raise _damaged(path, f"version {written.version}, this program reads {VERSION}")
        return cls(root, written.imports)

    @classmethod
    def load_or_new(cls, root: Path) -> Manifest:
        """Read it, or write an empty one: from then on the folder is a catalogue, come what may."""
        if is_catalogue(root):
            return cls.load(root)
        fresh = cls(root)
        fresh._save([])
        return fresh

    def find(self, source_sha256: str, instrument: str) -> Entry | None:
        """The whole import of these bytes for this contract; None too if its part is gone."""
        for entry in self.entries:
            if (entry.source_sha256, entry.instrument) == (source_sha256, instrument):
                return entry if self.is_whole(entry) else None
        return None

    def is_whole(self, entry: Entry) -> bool:
        """Whether an entry's part is there with its size."""
        if entry.part is None:
            return True
        path = self.root / entry.part
        return path.is_file() and path.stat().st_size == entry.part_bytes

    def add(self, new: Entry) -> None:
        """Put an entry in, in the place of an older one of the same source, and save."""
        key = (new.source_sha256, new.instrument)
        kept = [e for e in self.entries if (e.source_sha256, e.instrument) != key]
        self._save([*kept, new])

    def sweep(self) -> None:
        """Remove what a killed import left, and nothing else. Only while it is locked."""
        named = {self.root / entry.part for entry in self.entries if entry.part is not None}
        (self.root / (NAME + UNFINISHED)).unlink(missing_ok=True)
        for path in self.root.glob("*/*"):
            if _PART_NAME.fullmatch(path.name) and path not in named:
                path.unlink(missing_ok=True)

    def _save(self, entries: list[Entry]) -> None:
        written = _Written("bulkhead", VERSION, entries)
        with whole_file(self.root / NAME) as stream:
            stream.write(_ADAPTER.dump_json(written, indent=1) + b"\n")
        self.entries = entries


def _damaged(path: Path, seen: str) -> OurFault:
    return OurFault(
        "CATALOGUE_DAMAGED",
        field=f"file {path}",
        value=seen,
        fix="Move the catalogue aside and import its sources again.",
    )
