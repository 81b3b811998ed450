"""LEAN trade ticks of futures: one `YYYYMMDD_trade.zip` per UTC day, one member per contract.

Members are `YYYYMMDD_root_tick_trade_YYYYMM.csv` (newer: with `_YYYYMMDD`, the expiry, at the end).
The YYYYMM is the contract month: 201312 is GCZ13. No header; columns: ms since midnight UTC, price,
quantity, exchange, sale condition, suspicious flag. Quantity 0 is a valid trade.
A row that its source marks as suspicious is a bad row: counted and named, never traded on.
Limits: LEAN's minute bars have the same zip names; their members are refused by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from shared.feeds.days import midnight_ns
from shared.feeds.files import unknown_format, zip_member_lines, zip_member_names
from shared.feeds.rows import Parse, RowError, RowReason, Section, TradeRow
from shared.feeds.text_fields import lots_from_text, price_reader
from shared.kernel.clock import MS
from shared.markets import SECONDS_PER_DAY, Contract, Product

_ZIP_NAME = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})_trade\.zip")
_MEMBER_NAME = re.compile(r"([0-9]{8})_([a-z0-9]+)_tick_trade_([0-9]{6})(_[0-9]{8})?\.csv")
_MS_PER_DAY = SECONDS_PER_DAY * 1_000


def is_lean_ticks(name: str) -> bool:
    """Say whether a file name is one that this reader takes."""
    return _ZIP_NAME.fullmatch(name) is not None


def lean_ticks_sections(path: Path, contract: Contract) -> list[Section[str]]:
    """Return one lazy section per member, other instruments included, for they are counted.

    Returns no section if no member is of the contract. Raises `OperatorFault` for a damaged zip,
    a member of another kind or another day, or a zip name that is no date.
    """
    members = zip_member_names(path)
    midnight_ns = midnight_of(path, _ZIP_NAME)
    named = [(member, _instrument(path, member)) for member in members]
    return zip_sections(path, contract, named, lambda: _parser(contract.product, midnight_ns))


def zip_sections(
    path: Path,
    contract: Contract,
    named: list[tuple[str, str]],
    make_parser: Callable[[], Parse[str]],
) -> list[Section[str]]:
    """One lazy section for each (member, its instrument) of a zip; none without the contract's."""
    wanted = f"{contract.product.root.lower()}_{contract.year}{contract.month:02d}"
    if wanted not in (instrument for _, instrument in named):
        return []
    parse = make_parser()
    return [
        Section(
            f"{path}!{member}", zip_member_lines(path, member), 1,
            parse if instrument == wanted else None,
        )
        for member, instrument in named
    ]  # fmt: skip


def _instrument(path: Path, member: str) -> str:
    """Return root and month of a member, such as `gc_201312`."""
    parts = _MEMBER_NAME.fullmatch(member)
    if parts is None or parts[1] != path.name[:8]:
        raise unknown_format(path, f"member {member!r}")
    return f"{parts[2]}_{parts[3]}"


def midnight_of(path: Path, named: re.Pattern[str]) -> int:
    """Return 00:00 UTC of the date in a file's name, in ns; `OperatorFault` if there is none.

    The first three groups of the pattern are year, month and day.
    """
    parts = named.fullmatch(path.name)
    try:
        if parts is not None:
            return midnight_ns(int(parts[1]), int(parts[2]), int(parts[3]))
    except ValueError as error:
        raise unknown_format(path, f"file name {path.name!r}: {error}") from error
    raise unknown_format(path, f"file name {path.name!r} without a date")


def _parser(product: Product, midnight_ns: int) -> Parse[str]:
    ticks_of = price_reader(product)

    def parse(line: str, number: int) -> tuple[TradeRow]:
        fields = line.rstrip("\n").split(",")
        if len(fields) != 6 or fields[5] not in ("0", "1"):
            raise RowError(RowReason.MALFORMED)
        exchange_ns = midnight_ns + ms_of_day(fields[0]) * MS
        row = TradeRow(number, exchange_ns, ticks_of(fields[1]), lots_from_text(fields[2]))
        if fields[5] == "1":
            raise RowError(RowReason.SUSPICIOUS)
        return (row,)

    return parse


def ms_of_day(text: str) -> int:
    """Read milliseconds since midnight; `RowError` MALFORMED outside one day."""
    if not text.isdecimal() or len(text) > 8 or int(text) >= _MS_PER_DAY:
        raise RowError(RowReason.MALFORMED)
    return int(text)
