"""Makes small DBN files, record by record, the way the format's description says."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

import zstandard

SCHEMAS = {
    "mbo": 0, "mbp-1": 1, "tbbo": 3, "trades": 4, "ohlcv-1m": 6, "definition": 9, "bbo-1m": 19,
}  # fmt: skip
ESU4, NQU4 = 118, 4_358
START_NS = 1_719_878_280_000_000_000  # 2024-07-01T23:58Z
UNDEFINED_PRICE = 2**63 - 1
UNDEFINED_TIME = 2**64 - 1
LAST, SNAPSHOT = 1 << 7, 1 << 5
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
        asked, found = (str(number), symbol) if symbols_are == 0 else (symbol, str(number))
        body += asked.encode().ljust(width, b"\0") + struct.pack("<III", 1, *days)
        body += found.encode().ljust(width, b"\0")
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


@dataclass(frozen=True)
class Order:
    """The order that a record of `mbo` is about. Side b"B" or b"A"."""

    number: int
    side: bytes
    price: float
    lots: int


def mbo(
    action: bytes, order: Order, after_ns: int = 0, flags: int = LAST, snapshot: bool = False
) -> bytes:
    """A snapshot record has the flag of one and no LAST."""
    shown = SNAPSHOT if snapshot else flags
    return head(160, 56, after_ns) + struct.pack(
        "<QqIBBccQiI", order.number, nanos(order.price), order.lots, shown, 0, action, order.side,
        START_NS + after_ns + 9, 0, 0,
    )  # fmt: skip


def ohlcv(prices: tuple[float, float, float, float], volume: int, after_ns: int = 0) -> bytes:
    return head(33, 56, after_ns) + struct.pack("<qqqqQ", *map(nanos, prices), volume)


def bbo(bid: tuple[float, int], ask: tuple[float, int], after_ns: int = 0) -> bytes:
    """The event time is that of the last trade, long ago."""
    top = struct.pack("<qqIIII", nanos(bid[0]), nanos(ask[0]), bid[1], ask[1], 1, 1)
    return (
        trade(5528.75, 1, after_ns, kind=196)[:8]
        + bytes(8)
        + trade(5528.75, 1, after_ns)[16:]
        + top
    )


def definition(tick: float, expires_ns: int, low: float, high: float, size: int = 360) -> bytes:
    body = struct.pack("<QqqQQqq", START_NS, nanos(tick), 0, expires_ns, 0, nanos(high), nanos(low))
    return head(19, size, 0) + body.ljust(size - 16, b"\0")


def nanos(price: float) -> int:
    """Prices of the tests are exact in binary; infinity stands for no price."""
    return UNDEFINED_PRICE if price == float("inf") else int(price * 10**9)


def write(path: Path, *parts: bytes) -> Path:
    data = b"".join(parts)
    path.write_bytes(zstandard.compress(data) if path.name.endswith(".zst") else data)
    return path
