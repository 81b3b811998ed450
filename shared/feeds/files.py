"""Lazy lines out of plain, gzip and zip files, and bytes out of zstd, with damage named as such.

Why one place: a truncated download shows only when the end is met, as one of six exceptions of
four libraries. All of them become one `OperatorFault` that names the file.
Promises: constant memory for files with line ends; a file is open only while its lines are read.
Bytes beyond ASCII come out as `\\xNN`, so that no parser takes them for a digit.
Limits: a plain file has no checksum, so a cut one shows at most by a malformed last row.
"""

from __future__ import annotations

import gzip
import zipfile
import zlib
from collections.abc import Generator, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import TextIO

import zstandard

from shared.kernel.errors import OperatorFault

# RuntimeError: zipfile's word for an encrypted member or an unknown compression.
_DAMAGE = (
    EOFError, OSError, RuntimeError, zipfile.BadZipFile, zlib.error, zstandard.ZstdError,
)  # fmt: skip
_FIRST_LINE_MAX_CHARS = 200
_BLOCK_BYTES = 16_384


def text_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a plain or (by its name) gzip file; `OperatorFault` on damage."""
    try:
        with _open_text(path) as stream:
            yield from stream
    except _DAMAGE as error:
        raise damaged(path, error) from error


def first_line(path: Path) -> str:
    """Return the first line without its end, cut at 200 characters; `OperatorFault` on damage."""
    try:
        with _open_text(path) as stream:
            return stream.readline(_FIRST_LINE_MAX_CHARS).rstrip("\n")
    except _DAMAGE as error:
        raise damaged(path, error) from error


def zip_member_names(path: Path) -> list[str]:
    """Return the names inside a zip, sorted; `OperatorFault` if it is damaged or no zip."""
    try:
        with zipfile.ZipFile(path) as archive:
            return sorted(archive.namelist())
    except _DAMAGE as error:
        raise damaged(path, error) from error


def zip_member_lines(path: Path, member: str) -> Iterator[str]:
    """Yield the lines of one member; its checksum is tested at the end; `OperatorFault`."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as raw:
            yield from TextIOWrapper(raw, encoding="ascii", errors="backslashreplace")
    except _DAMAGE as error:
        raise damaged(path, error) from error


def byte_chunks(path: Path) -> Generator[bytes, None, None]:
    """Yield the bytes of a plain or (by its name) zstd file; `OperatorFault` on damage."""
    blocks = byte_blocks(path)
    try:
        yield from _unpacked(blocks) if path.name.endswith(".zst") else blocks
    except _DAMAGE as error:
        raise damaged(path, error) from error


def byte_blocks(path: Path) -> Generator[bytes, None, None]:
    """Yield the bytes of a file as they stand; `OperatorFault` if it cannot be read."""
    try:
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK_BYTES):
                yield block
    except OSError as error:
        raise damaged(path, error) from error


def _unpacked(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Unpack zstd frames one after the other; a frame that does not end is an `EOFError`.

    The library's stream reader takes a cut file for a whole one, so frames are counted here.
    """
    frame = None
    for block in blocks:
        rest = block
        while rest:
            frame = frame or zstandard.ZstdDecompressor().decompressobj()
            yield frame.decompress(rest)
            rest = frame.unused_data
            if frame.eof:
                frame = None
    if frame is not None:
        raise EOFError("it ends inside a zstd frame")


def damaged(path: Path, error: Exception) -> OperatorFault:
    """Make the fault for a file that cannot be read to its end."""
    return OperatorFault(
        "FEED_DAMAGED_FILE",
        field=f"file {path}",
        value=f"{type(error).__name__}: {error}",
        fix="See that it may be read, and get a complete copy from the source.",
    )


def unknown_format(path: Path, seen: str) -> OperatorFault:
    """Make the fault for a file that is none of the known formats."""
    return OperatorFault(
        "FEED_UNKNOWN_FORMAT",
        field=f"file {path}",
        value=seen,
        fix="To play: .csv or .csv.gz with the header ts_utc,price; LEAN YYYYMMDD_trade.zip of"
        " trade ticks; Databento .dbn.zst of trades, tbbo or mbp-1. `bulkhead data import` takes"
        " more: bars, mbo, NinjaTrader, IQFeed (docs/data.md).",
    )


def _open_text(path: Path) -> TextIO:
    if path.name.endswith(".gz"):
        return gzip.open(path, "rt", encoding="ascii", errors="backslashreplace")
    return path.open(encoding="ascii", errors="backslashreplace")


def entries_at(path: Path) -> list[Path]:
    """A file, or all that a folder holds, by name; `OperatorFault` if there is no such path."""
    if not path.exists():
        raise OperatorFault(
            "FEED_PATH_MISSING", field="path", value=str(path), fix="Check the path's spelling."
        )
    if not path.is_dir():
        return [path]
    try:
        return sorted(path.iterdir())
    except OSError as error:
        raise damaged(path, error) from error
