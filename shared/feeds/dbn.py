"""Databento files (`.dbn`, `.dbn.zst`) of trades, tbbo and mbp-1 as rows of the feed.

One record of `trades` is a trade. One of `mbp-1` is a trade, or else the top of the book after a
change. One of `tbbo` is the top of the book just before a trade, then that trade. Times are the
exchange's (`ts_event`); the days of the symbol table are those of the receive time, as the format
says. A quote that its source marks as doubtful is a bad row.

Which records are the contract's? The symbol table says `ESH4`, and on which days: the first ESH4
from then on is ESH24. Continuous names (`ES.c.0`) are refused: they change their meaning.
Limits: of several publishers in one file all are read; a future has one.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

from shared.feeds import dbn_layout as layout
from shared.feeds.dbn_layout import DbnHeader
from shared.feeds.files import unknown_format
from shared.feeds.rows import (
    BookLevel,
    FeedRow,
    Parse,
    QuoteRow,
    RowError,
    RowReason,
    Section,
    TradeRow,
)
from shared.kernel.errors import OperatorFault
from shared.markets import Contract, PriceError, Product, code_as_listed, ticks_from_nanos

_SUFFIXES = (".dbn", ".dbn.zst")
# Length, type, publisher (skipped), id, event time, price, size, action, side (skipped), flags,
# depth (skipped), receive time, delay and sequence (skipped).
_TRADE = struct.Struct("<4xIQqIcxBxQ8x")
# The same, then bid, ask, their sizes, their numbers of orders (skipped).
MBP_1 = struct.Struct("<4xIQqIcxBxQ8xqqII8x")
_DOUBTFUL = 1 << 2
_TRADED = b"T"


def is_dbn(name: str) -> bool:
    """Say whether a file name is one that this reader takes."""
    return name.endswith(_SUFFIXES)


def dbn_sections(
    path: Path, contract: Contract, parsers: Mapping[str, SizeAndParser] | None = None
) -> list[Section[bytes]]:
    """Read the header and return the file's records as one lazy section.

    `parsers`: by schema; else those of what can be played. Returns no section if the symbol table
    does not name the contract. Raises `OperatorFault` for a damaged file, a schema without a parser
    and continuous symbols.
    """
    header = _read_checked_header(path)
    found = (PARSERS if parsers is None else parsers).get(header.schema)
    if found is None:
        raise unknown_format(path, f"schema {header.schema} of {header.dataset}")
    days = DaysOf(header, contract)
    if not days:
        return []
    kind, parser = found
    return [Section(str(path), layout.records(path, kind.size), 1, parser(contract.product, days))]


def _read_checked_header(path: Path) -> DbnHeader:
    """Read a header; `OperatorFault` if its symbols name no contracts."""
    header = layout.read_header(path)
    if header.symbols_are == layout.CONTINUOUS:
        symbols = ", ".join(sorted({mapping.symbol for mapping in header.mappings})[:5])
        raise OperatorFault(
            "FEED_CONTINUOUS_SYMBOL",
            field=f"file {path}",
            value=symbols,
            fix="Get the data by its raw symbol, such as ESU4: one expiry, which never changes.",
        )
    if not any(not mapping.symbol.isdecimal() for mapping in header.mappings):
        raise OperatorFault(
            "FEED_NO_SYMBOLS",
            field=f"file {path}",
            value="the header has no symbols, so nobody knows what its instrument ids mean",
            fix="Get the data by its raw symbol, such as ESU4.",
        )
    return header


def dbn_contracts(path: Path) -> list[str]:
    """Return the codes of all contracts that a file's symbol table names, sorted."""
    mappings = layout.read_header(path).mappings
    codes = (code_as_listed(mapping.symbol, *mapping.listed) for mapping in mappings)
    return sorted({code for code in codes if code is not None})


class DaysOf:
    """On which days an instrument id was one contract, by a file's symbol table."""

    def __init__(self, header: DbnHeader, contract: Contract) -> None:
        self._spans: dict[int, list[tuple[int, int]]] = {}
        for symbol, instrument_id, listed, start_ns, end_ns in header.mappings:
            if code_as_listed(symbol, *listed) == contract.code:
                self._spans.setdefault(instrument_id, []).append((start_ns, end_ns))

    def __len__(self) -> int:
        return len(self._spans)

    def has(self, instrument_id: int, index_ns: int) -> bool:
        """Whether a record of this id and index time is the contract's."""
        spans = self._spans.get(instrument_id, ())
        return any(start_ns <= index_ns < end_ns for start_ns, end_ns in spans)


Parser: TypeAlias = Callable[[Product, DaysOf], Parse[bytes]]
SizeAndParser: TypeAlias = tuple[struct.Struct, Parser]


# --- records --------------------------------------------------------------------------------------


def _trades(product: Product, days: DaysOf) -> Parse[bytes]:
    def parse(record: bytes, number: int) -> tuple[FeedRow, ...] | None:
        instrument_id, event_ns, price, size, _, _, receive_ns = _TRADE.unpack_from(record)
        if not days.has(instrument_id, receive_ns):
            return None
        return (trade(product, number, event_ns, price, size),)

    return parse


def _tbbo(product: Product, days: DaysOf) -> Parse[bytes]:
    def parse(record: bytes, number: int) -> tuple[FeedRow, ...] | None:
        found = MBP_1.unpack_from(record)
        instrument_id, event_ns, price, size, _, flags, receive_ns = found[:7]
        if not days.has(instrument_id, receive_ns):
            return None
        before = quote(product, number, event_ns, flags, found[7:])
        return before, trade(product, number + 1, event_ns, price, size)

    return parse


def _mbp_1(product: Product, days: DaysOf) -> Parse[bytes]:
    def parse(record: bytes, number: int) -> tuple[FeedRow, ...] | None:
        found = MBP_1.unpack_from(record)
        instrument_id, event_ns, price, size, action, flags, receive_ns = found[:7]
        if not days.has(instrument_id, receive_ns):
            return None
        if action == _TRADED:
            return (trade(product, number, event_ns, price, size),)
        return (quote(product, number, event_ns, flags, found[7:]),)

    return parse


PARSERS: dict[str, SizeAndParser] = {
    layout.TRADES: (_TRADE, _trades),
    layout.TBBO: (MBP_1, _tbbo),
    layout.MBP_1: (MBP_1, _mbp_1),
}


def trade(product: Product, number: int, event_ns: int, price: int, size: int) -> TradeRow:
    """Make a trade; `RowError` names a field that says nothing."""
    if price == layout.UNDEFINED_PRICE:
        raise RowError(RowReason.MALFORMED, "price is undefined")
    return TradeRow(number, defined(event_ns), ticks(product, "price", price), size)


def quote(
    product: Product, number: int, event_ns: int, flags: int, top: tuple[int, ...]
) -> QuoteRow:
    """Make a quote of bid, ask and their sizes; `RowError` if the source doubts its book."""
    if flags & _DOUBTFUL:
        raise RowError(RowReason.SUSPICIOUS, f"flags = {flags}: the book may be bad")
    bid, ask, bid_size, ask_size = top
    return QuoteRow(
        number,
        defined(event_ns),
        _level(product, "bid_px_00", bid, bid_size),
        _level(product, "ask_px_00", ask, ask_size),
    )


def _level(product: Product, field: str, price: int, size: int) -> BookLevel | None:
    """Make one side of the top of the book; None if it is empty."""
    if price == layout.UNDEFINED_PRICE:
        return None
    return BookLevel(ticks(product, field, price), size)


def defined(event_ns: int) -> int:
    """Return the event time; `RowError` if the record has none."""
    if event_ns == layout.UNDEFINED_TIME:
        raise RowError(RowReason.MALFORMED, "ts_event is undefined")
    return event_ns


def ticks(product: Product, field: str, price: int) -> int:
    """Turn a price of the file into ticks; `RowError` names the field that is off tick."""
    try:
        return ticks_from_nanos(product, price)
    except PriceError as error:
        seen = f"{field} = {price} (1e-9), between ticks of {product.tick_text}"
        raise RowError(RowReason(error.reason), seen) from error
