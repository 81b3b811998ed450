"""Databento's DBN format, versions 1 to 3: the header of a file and its stream of records.

A file is "DBN", one version byte, the header's length, the header, then records; `.zst` packs the
whole. A record begins with its length in words of four bytes, its type, publisher, instrument id
and event time; longer records than known (a send time at the end) are legal. All little-endian.

The symbol table of the header says which instrument id was which symbol on which days; without it
an id means nothing, because the exchange gives it to another contract later.
Promises: bounded memory; a record that is cut or shorter than its kind is an `OperatorFault` with
its number. Limits: symbols that stand only in the records (live captures) are not looked for.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from shared.feeds.days import midnight_ns
from shared.feeds.files import byte_chunks, damaged

VERSIONS = (1, 2, 3)
HEADER_BYTES_MAX = 64 * 1024 * 1024
UNDEFINED_PRICE = 2**63 - 1
UNDEFINED_TIME = 2**64 - 1

MBO, MBP_1, TBBO, TRADES = "mbo", "mbp-1", "tbbo", "trades"
OHLCV_SECONDS = {"ohlcv-1s": 1, "ohlcv-1m": 60, "ohlcv-1h": 3_600, "ohlcv-1d": 86_400}
BBO = ("bbo-1s", "bbo-1m")
DEFINITION = "definition"
BY_NUMBER, CONTINUOUS = 0, 3
"""Of `symbols_are`: what the file was asked for by; 3 are names such as `ES.c.0`."""

_SCHEMAS = (
    *(MBO, MBP_1, "mbp-10", TBBO, TRADES, *OHLCV_SECONDS, DEFINITION),
    *("statistics", "status", "imbalance", "ohlcv-eod", "cmbp-1", "cbbo-1s", "cbbo-1m", "tcbbo"),
    *BBO,
)
_PRELUDE = struct.Struct("<3sBI")
_WORD = 4
_V1_COUNT_BYTES, _V1_SYMBOL_BYTES, _V1_RESERVED, _RESERVED = 8, 22, 47, 53


class Mapping(NamedTuple):
    """One instrument id and the symbol it stood for from `start_ns` to before `end_ns`.

    `listed` is the year and month of the first of these days.
    """

    symbol: str
    instrument_id: int
    listed: tuple[int, int]
    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class DbnHeader:
    """What a file says about itself. `schema` is the format's own name, such as `mbp-1`."""

    version: int
    dataset: str
    schema: str
    symbols_are: int
    mappings: tuple[Mapping, ...]


def read_header(path: Path) -> DbnHeader:
    """Read a file's header; `OperatorFault` if it is damaged or of an unknown version."""
    chunks = byte_chunks(path)
    try:
        version, body, _ = _split(chunks)
        return _header(version, _Fields(body))
    except ValueError as error:
        raise damaged(path, error) from error
    finally:
        chunks.close()


def records(path: Path, bytes_min: int) -> Iterator[bytes]:
    """Yield each record's bytes; `OperatorFault` for a damaged file or a record that is too short.

    `bytes_min` is the size of the kind that the header promises.
    """
    chunks = byte_chunks(path)
    number = 0
    try:
        _, _, rest = _split(chunks)
        while True:
            offset = 0
            while offset < len(rest) and len(rest) >= offset + rest[offset] * _WORD:
                number += 1
                size = _checked(rest[offset] * _WORD, bytes_min, number)
                yield rest[offset : offset + size]
                offset += size
            chunk = next(chunks, None)
            if chunk is None:
                break
            rest = rest[offset:] + chunk
        if offset < len(rest):
            raise ValueError(f"record {number + 1} is cut off: {len(rest) - offset} bytes left")
    except ValueError as error:
        raise damaged(path, error) from error


def _checked(size: int, bytes_min: int, number: int) -> int:
    if size < bytes_min:
        raise ValueError(f"record {number}: field length = {size} bytes, wanted {bytes_min}")
    return size


def _split(chunks: Iterator[bytes]) -> tuple[int, bytes, bytes]:
    """Version, header and the first bytes after it."""
    data = _at_least(chunks, b"", _PRELUDE.size)
    magic, version, length = _PRELUDE.unpack_from(data)
    if magic != b"DBN" or version not in VERSIONS:
        seen = (magic + bytes([version])).hex(" ")
        raise ValueError(f"field magic and version = {seen}, wanted DBN and one of {VERSIONS}")
    if length > HEADER_BYTES_MAX:
        raise ValueError(f"field header length = {length}, at most {HEADER_BYTES_MAX}")
    end = _PRELUDE.size + length
    data = _at_least(chunks, data, end)
    return version, data[_PRELUDE.size : end], data[end:]


def _at_least(chunks: Iterator[bytes], data: bytes, size: int) -> bytes:
    parts, have = [data], len(data)
    while have < size:
        chunk = next(chunks, None)
        if chunk is None:
            raise ValueError(f"the header is cut off: {have} bytes of {size}")
        parts.append(chunk)
        have += len(chunk)
    return b"".join(parts)


class _Fields:
    """Reads one field of the header after the other; `ValueError` at its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._offset = 0

    def take(self, size: int) -> bytes:
        found = self._data[self._offset : self._offset + size]
        if len(found) < size:
            raise ValueError(f"the header ends within a field at byte {self._offset}")
        self._offset += size
        return found

    def number(self, size: int = 4) -> int:
        return int.from_bytes(self.take(size), "little")

    def text(self, size: int) -> str:
        return self.take(size).split(b"\0", 1)[0].decode("ascii")


def _header(version: int, fields: _Fields) -> DbnHeader:
    dataset = fields.text(16)
    schema = fields.number(2)
    fields.take(3 * 8 + (_V1_COUNT_BYTES if version == 1 else 0))  # start, end, limit
    symbols_are, _, _ = fields.number(1), fields.number(1), fields.number(1)
    symbol_bytes = _V1_SYMBOL_BYTES if version == 1 else fields.number(2)
    fields.take(_V1_RESERVED if version == 1 else _RESERVED)
    fields.take(fields.number())  # a description of the schema, never used so far
    for _ in range(3):  # asked for, partly there, not found
        fields.take(fields.number() * symbol_bytes)
    mappings = tuple(_mappings(fields, symbol_bytes, symbols_are == BY_NUMBER))
    name = _SCHEMAS[schema] if schema < len(_SCHEMAS) else f"number {schema}"
    return DbnHeader(version, dataset, name, symbols_are, mappings)


def _mappings(fields: _Fields, symbol_bytes: int, by_number: bool) -> Iterator[Mapping]:
    """Each line says what was asked for, and what it was on some days: symbol to id, or back."""
    for _ in range(fields.number()):
        asked = fields.text(symbol_bytes)
        for _ in range(fields.number()):
            first, end = fields.number(), fields.number()
            found = fields.text(symbol_bytes)
            if found:  # empty: not listed on these days
                symbol, instrument_id = (found, asked) if by_number else (asked, found)
                listed = first // 10_000, first // 100 % 100
                days = _day_ns(first), _day_ns(end)
                yield Mapping(symbol, int(instrument_id), listed, *days)


def _day_ns(date: int) -> int:
    """Turn 20240701 into ns."""
    return midnight_ns(date // 10_000, date // 100 % 100, date % 100)
