"""The tables of the catalogue: their columns, and rows of files as columns and back.

`ticks` keeps trades and quotes in one table, because their order is part of the data. Prices are
whole ticks, sizes whole lots, times UTC with nanoseconds; null is "not there", never 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Self

from shared.feeds.rows import BarRow, DefinitionRow, FileRow, QuoteBarRow, QuoteRow, TradeRow
from shared.kernel.check import check
from shared.kernel.errors import OperatorFault, OurFault
from shared.markets import Contract

try:
    import pyarrow as pa
    import pyarrow.parquet as pq
except ImportError as error:
    raise OperatorFault(
        "CATALOGUE_NEEDS_PYARROW",
        field="package pyarrow",
        value="not installed",
        fix="Install it: pip install 'bulkhead[data]', or `make setup` in a checkout.",
    ) from error

TICKS, BARS, QUOTE_BARS, DEFINITIONS = "ticks", "bars", "quote_bars", "definitions"
READ_ROWS = 4_096

_TIME = pa.timestamp("ns", tz="UTC")
_BAR = ("open", "high", "low", "close")
_SIDES = [f"{side}_{name}_ticks" for side in ("bid", "ask") for name in _BAR]


def _schema(time: str, *numbers: str) -> pa.Schema:
    return pa.schema([(time, _TIME), *((name, pa.int64()) for name in numbers)])


_SCHEMAS = {
    TICKS: _schema(
        "exchange_ns",
        *("price_ticks", "quantity_lots", "bid_ticks", "bid_lots", "ask_ticks", "ask_lots"),
        "is_trade",
    ),
    BARS: _schema("start_ns", "span_s", *(f"{name}_ticks" for name in _BAR), "volume_lots"),
    QUOTE_BARS: _schema("start_ns", "span_s", *_SIDES[:4], "bid_lots", *_SIDES[4:], "ask_lots"),
    DEFINITIONS: _schema(
        "exchange_ns", "tick_nanos", "expires_ns", "low_limit_ticks", "high_limit_ticks"
    ),
}
_TABLES: dict[type, str] = {
    TradeRow: TICKS, QuoteRow: TICKS, BarRow: BARS, QuoteBarRow: QUOTE_BARS,
    DefinitionRow: DEFINITIONS,
}  # fmt: skip
_NOTHING = (None, None, None, None)


def table_of(row: FileRow) -> str:
    """Name the table that takes a row; `OurFault` if there is none."""
    table = _TABLES.get(type(row))
    if table is None:
        raise _no_table(row)
    return table


class PartWriter:
    """Writes one part, a batch at a time, so that memory does not grow with the file.

    A context manager: a block that ends well writes the end of the file; one that does not leaves
    a file that is no Parquet file, for the caller to throw away.
    """

    def __init__(self, stream: BinaryIO, table: str, contract: Contract) -> None:
        facts = {"instrument": contract.code, "tick": contract.product.tick_text, "table": table}
        self._table = table
        self._schema = _SCHEMAS[table].with_metadata(
            {f"bulkhead.{key}": value for key, value in facts.items()}
        )
        self._writer = pq.ParquetWriter(
            stream, self._schema, compression="zstd", write_page_checksum=True
        )

    def write(self, rows: Sequence[FileRow]) -> None:
        """Append rows of the writer's table."""
        for row in rows:
            check(table_of(row) == self._table, "one file gives rows of one table", row)
        columns = zip(*map(_cells, rows), strict=True)
        arrays = [
            pa.array(column, type=pa.int64()).cast(field.type)
            for column, field in zip(columns, self._schema, strict=True)
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._writer.close()
        else:
            self._writer.is_open = False  # else it would write again when it is collected


def read_part(path: Path) -> Iterator[tuple[Any, ...]]:
    """Yield a part's rows as tuples of its columns; `OurFault` if the file is damaged."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as part:
            for batch in part.iter_batches(READ_ROWS, use_threads=False):
                columns = [column.cast(pa.int64()).to_pylist() for column in batch.columns]
                yield from zip(*columns, strict=True)
    except (OSError, UnicodeDecodeError, pa.ArrowException) as error:
        raise OurFault(
            "CATALOGUE_DAMAGED",
            field=f"file {path}",
            value=f"{type(error).__name__}: {error}",
            fix="Remove this file, then import its source again; `bulkhead data list` names it.",
        ) from error


def _cells(row: FileRow) -> tuple[int | None, ...]:
    match row:
        case TradeRow(_, at_ns, price_ticks, lots):
            return at_ns, price_ticks, lots, *_NOTHING, 1
        case QuoteRow(_, at_ns, bid, ask):
            return at_ns, None, None, *(bid or (None, None)), *(ask or (None, None)), 0
        case BarRow(_, at_ns, span_s, prices, volume_lots):
            return at_ns, span_s, *prices, volume_lots
        case QuoteBarRow(_, at_ns, span_s, bid, bid_lots, ask, ask_lots):
            return at_ns, span_s, *(bid or _NOTHING), bid_lots, *(ask or _NOTHING), ask_lots
        case DefinitionRow():
            return row[1:]
    raise _no_table(row)


def _no_table(row: FileRow) -> OurFault:
    return OurFault(
        "CATALOGUE_NO_TABLE",
        field="row",
        value=type(row).__name__,
        fix="Report it with the name of the file's format.",
    )
