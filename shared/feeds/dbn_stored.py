"""Databento files that are stored, not played as they are: mbo, bbo, ohlcv and definitions.

`mbo` (every order) is reduced to trades and the top of the book. The book changes with each record;
a quote comes out where an event ends (flag LAST) and the top is another than before. A trade comes
out as it is; the fill of a resting order (F) is its other side and changes nothing by itself. The
snapshot at the beginning of a file builds the book and trades nothing.
`bbo-1s` and `bbo-1m` are quotes at the times of the samples. `ohlcv` bars are stamped with their
start. A definition says tick, expiry and price limits; another tick than ours is refused.
"""

from __future__ import annotations

import struct
from pathlib import Path

from shared.feeds import dbn_layout as layout
from shared.feeds.dbn import (
    MBP_1,
    PARSERS,
    DaysOf,
    Parser,
    SizeAndParser,
    dbn_sections,
    defined,
    quote,
    ticks,
    trade,
)
from shared.feeds.order_book import BookError, OrderBook
from shared.feeds.rows import (
    BarRow,
    DefinitionRow,
    FileRow,
    Parse,
    Prices,
    QuoteRow,
    RowError,
    RowReason,
    Section,
)
from shared.feeds.text_fields import checked_bar
from shared.markets import Contract, Product

# Length, type, publisher (skipped), id, event time, order id, price, size, flags, channel
# (skipped), action, side, receive time, delay and sequence (skipped).
_MBO = struct.Struct("<4xIQQqIBxccQ8x")
_OHLCV = struct.Struct("<4xIQqqqqQ")
# ... id, event time, receive time, tick, display factor (skipped), expiry, activation (skipped),
# limits: high, low. The rest differs between versions and is not needed.
_DEFINITION = struct.Struct("<4xIQQq8xQ8xqq")
_LAST = 1 << 7


def dbn_stored_sections(path: Path, contract: Contract) -> list[Section[bytes]]:
    """As `dbn_sections`, for all schemas that are known."""
    return dbn_sections(path, contract, _ALL)


class _Mbo:
    """The parser of `mbo`: one book, and the top that was told last."""

    def __init__(self, product: Product, days: DaysOf) -> None:
        self._product = product
        self._days = days
        self._book = OrderBook()
        self._told: tuple[object, object] = (None, None)

    def __call__(self, record: bytes, number: int) -> tuple[FileRow, ...] | None:
        found = _MBO.unpack_from(record)
        instrument_id, event_ns, order_id, price, size, flags, action, side, receive_ns = found
        if not self._days.has(instrument_id, receive_ns):
            return None
        if action == b"T":
            return (trade(self._product, number, event_ns, price, size),)
        try:
            self._change(action, side, (order_id, price, size))
        except BookError as error:
            raise RowError(RowReason.MALFORMED, str(error)) from error
        return self._top(number, event_ns) if flags & _LAST else ()

    def _change(self, action: bytes, side: bytes, order: tuple[int, int, int]) -> None:
        order_id, price, size = order
        match action:
            case b"A" | b"M":
                self._book.put(order_id, side, ticks(self._product, "price", price), size)
            case b"C":
                self._book.reduce(order_id, size)
            case b"R":
                self._book.clear()
            case b"F" | b"N":
                pass
            case _:
                raise BookError(f"action = {action!r}")

    def _top(self, number: int, event_ns: int) -> tuple[FileRow, ...]:
        top = self._book.top()
        if top == self._told:
            return ()
        self._told = top
        return (QuoteRow(number, defined(event_ns), *top),)


def _bbo(product: Product, days: DaysOf) -> Parse[bytes]:
    def parse(record: bytes, number: int) -> tuple[FileRow, ...] | None:
        found = MBP_1.unpack_from(record)
        instrument_id, _, _, _, _, flags, receive_ns = found[:7]
        if not days.has(instrument_id, receive_ns):
            return None
        return (quote(product, number, receive_ns, flags, found[7:]),)

    return parse


def _ohlcv(span_s: int) -> Parser:
    def parser(product: Product, days: DaysOf) -> Parse[bytes]:
        def parse(record: bytes, number: int) -> tuple[FileRow, ...] | None:
            instrument_id, event_ns, *prices, volume = _OHLCV.unpack_from(record)
            if not days.has(instrument_id, event_ns):
                return None
            names = ("open", "high", "low", "close")
            pairs = zip(names, prices, strict=True)
            bar = checked_bar(Prices(*(ticks(product, name, price) for name, price in pairs)))
            return (BarRow(number, event_ns, span_s, bar, volume),)

        return parse

    return parser


def _definitions(product: Product, days: DaysOf) -> Parse[bytes]:
    def limit(field: str, price: int) -> int | None:
        return None if price == layout.UNDEFINED_PRICE else ticks(product, field, price)

    def parse(record: bytes, number: int) -> tuple[FileRow, ...] | None:
        found = _DEFINITION.unpack_from(record)
        instrument_id, event_ns, receive_ns, tick, expires_ns, high, low = found
        if not days.has(instrument_id, receive_ns):
            return None
        if tick != product.tick_nanos:
            seen = f"min_price_increment = {tick}, the product's is {product.tick_nanos}"
            raise RowError(RowReason.OFF_TICK, seen)
        expires = None if expires_ns == layout.UNDEFINED_TIME else expires_ns
        limits = limit("low_limit_price", low), limit("high_limit_price", high)
        return (DefinitionRow(number, defined(event_ns), tick, expires, *limits),)

    return parse


_ALL: dict[str, SizeAndParser] = {
    **PARSERS,
    layout.MBO: (_MBO, _Mbo),
    **{schema: (MBP_1, _bbo) for schema in layout.BBO},
    **{schema: (_OHLCV, _ohlcv(span_s)) for schema, span_s in layout.OHLCV_SECONDS.items()},
    layout.DEFINITION: (_DEFINITION, _definitions),
}
