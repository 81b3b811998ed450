"""Makes small DBN files, record by record, the way the format's description says."""

from __future__ import annotations

import struct
from pathlib import Path

import zstandard

SCHEMAS = {"mbo": 0, "mbp-1": 1, "tbbo": 3, "trades": 4, "ohlcv-1m": 6, "definition": 9}
ESU4, NQU4 = 118, 4_358
START_NS = 1_719_878_280_000_000_000  # 2024-07-01T23:58Z
UNDEFINED_PRICE = 2**63 - 1
UNDEFINED_TIME = 2**64 - 1
TABLE = {"ESU4": ESU4, "NQU4": NQU4}


def header(
    schema: str,
    table: dict[str, int] | None = None,
    version: int = 1,
    days: tuple[int, int] = (20240701, 20240703),
    symbols_are: int = 1,
) -> bytes:
    """Prelude and header; the symbols have 22 bytes in version 1, else 71."""
    width = 22 if version == 1 else 71
    table = TABLE if table is None else table
    body = struct.pack("<16sHQQQ", b"GLBX.MDP3", SCHEMAS.get(schema, 99), START_NS, 2**64 - 1, 0)
    body += struct.pack("<Q", 0) if version == 1 else b""
    body += struct.pack("<BBB", symbols_are, 0, 0)
    body += bytes(47) if version == 1 else struct.pack("<H", width) + bytes(53)
    body += struct.pack("<II", 0, len(table))
    body += b"".join(symbol.encode().ljust(width, b"\0") for symbol in table)
    body += struct.pack("<III", 0, 0, len(table))
    for symbol, number in table.items():
        body += symbol.encode().ljust(width, b"\0") + struct.pack("<III", 1, *days)
        body += str(number).encode().ljust(width, b"\0")
    return b"DBN" + struct.pack("<BI", version, len(body)) + body


def head(kind: int, size: int, after_ns: int, number: int = ESU4) -> bytes:
    return struct.pack("<BBHIQ", size // 4, kind, 1, number, START_NS + after_ns)


def trade(
    price: float, size: int, after_ns: int, number: int = ESU4, action: bytes = b"T", kind: int = 0
) -> bytes:
    """A record of `trades`; `mbp_1` puts the top of the book behind it."""
    return head(kind, 48 if kind == 0 else 80, after_ns, number) + struct.pack(
        "<qIccBBQiI", nanos(price), size, action, b"B", 0, 0, START_NS + after_ns + 9, 0, 0
    )


def mbp_1(
    action: bytes, price: float, bid: tuple[float, int], ask: tuple[float, int], after_ns: int = 0
) -> bytes:
    top = struct.pack("<qqIIII", nanos(bid[0]), nanos(ask[0]), bid[1], ask[1], 1, 1)
    return trade(price, 3, after_ns, action=action, kind=1) + top


def nanos(price: float) -> int:
    """Prices of the tests are exact in binary; infinity stands for no price."""
    return UNDEFINED_PRICE if price == float("inf") else int(price * 10**9)


def write(path: Path, *parts: bytes) -> Path:
    data = b"".join(parts)
    path.write_bytes(zstandard.compress(data) if path.name.endswith(".zst") else data)
    return path
