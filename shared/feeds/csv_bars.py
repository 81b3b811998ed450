"""One-minute bars as CSV, plain or gzip: `timestamp_utc,open,high,low,close,volume`.

The stamp is `YYYY-MM-DD HH:MM:SS` in UTC and the END of its bar, as charting programs export it:
the last bar before the daily break of 22:00 is stamped 22:00:00. It is stored by its start.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path

from shared.feeds.csv_trades import ns_from_iso
from shared.feeds.files import text_lines
from shared.feeds.rows import BarRow, Parse, Section
from shared.feeds.text_fields import (
    MINUTE_S,
    bar_prices,
    fields_of,
    lots_from_text,
    names_another_contract,
    price_reader,
)
from shared.markets import NANOS_PER_SECOND, Contract, Product

HEADER = "timestamp_utc,open,high,low,close,volume"


def csv_bars_sections(path: Path, contract: Contract) -> list[Section[str]]:
    """Return the file's rows as one lazy section; none if its name names another contract."""
    if names_another_contract(path, contract):
        return []
    lines = islice(text_lines(path), 1, None)
    return [Section(str(path), lines, 2, _parser(contract.product))]


def _parser(product: Product) -> Parse[str]:
    ticks_of = price_reader(product)

    def parse(line: str, number: int) -> tuple[BarRow]:
        fields = fields_of(line, ",", 6)
        end_ns = ns_from_iso(fields[0].replace(" ", "T", 1) + "Z")
        start_ns = end_ns - MINUTE_S * NANOS_PER_SECOND
        prices = bar_prices(ticks_of, fields[1:5])
        return (BarRow(number, start_ns, MINUTE_S, prices, lots_from_text(fields[5])),)

    return parse
