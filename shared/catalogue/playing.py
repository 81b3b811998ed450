"""Plays a contract out of a catalogue: which parts, in which order, and bars as trades.

The same minutes may be in the catalogue twice, as trades and as bars say. They are played once:
ticks with quotes win over trades alone, these over bars, these over quotes alone; among equals the
one that was imported first. Of a part that loses, what lies outside the winner is still played.
What is left out is named in `passed_over`.

Bars are an APPROXIMATION. A bar becomes four trades: open at its start, then the extreme that is
nearer to the open, then the other, then close one nanosecond before its end; each has a quarter of
the volume, the close what remains. So bars of the same span made from them are the recorded ones,
to the tick and the lot; what happened within a bar is made up. Quote bars of the same span stand
around their bar: the opening quote before its first trade, the closing quote behind its last one,
both with the bar's last sizes. Bars longer than a minute are not played.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from heapq import merge
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from shared.catalogue.manifest import Entry, Manifest
from shared.catalogue.tables import BARS, QUOTE_BARS, TICKS, read_part
from shared.feeds import BadRow, BookLevel, Feed, PassedOver, QuoteRow, TradeRow
from shared.feeds.reading import FeedFile, no_rows
from shared.feeds.rows import AnySection, FileRow, Section
from shared.markets import NANOS_PER_SECOND, Contract

PLAYED_SPAN_S_MAX = 60
NOT_PLAYED = 9
Cells: TypeAlias = tuple[Any, ...]


class Piece(NamedTuple):
    """Rows of a part that begin at or after one moment and end before another."""

    entry: Entry
    from_ns: int
    until_ns: int


def open_catalogue(
    root: Path, contract: Contract, on_bad_row: Callable[[BadRow], None] | None = None
) -> Feed:
    """Open all that a catalogue holds of a contract as one feed.

    Raises `OperatorFault` if it holds nothing that can be played, `OurFault` if it is damaged.
    """
    manifest = Manifest.load(root)
    mine = [entry for entry in manifest.entries if entry.instrument == contract.code]
    pieces, passed_over = _pieces(mine)
    if not pieces:
        seen = ", ".join(sorted({entry.instrument for entry in manifest.entries})) or "nothing"
        why = "; ".join(f"{passed.file}: {passed.why}" for passed in passed_over[:5])
        raise no_rows(root, contract, why or f"it holds {seen}")
    quote_bars = [entry for entry in mine if entry.table == QUOTE_BARS and entry.part]
    sections = [_section(root, piece, quote_bars) for piece in pieces]
    feed = Feed(contract, [FeedFile(root, sections)], passed_over, on_bad_row)
    feed.made_of_bars = any(piece.entry.table == BARS for piece in pieces)
    return feed


def _pieces(entries: list[Entry]) -> tuple[list[Piece], list[PassedOver]]:
    """What to play, in order of time, and why the rest is not."""
    taken: list[Entry] = []
    pieces: list[Piece] = []
    passed_over: list[PassedOver] = []
    for entry in sorted(entries, key=_rank):
        if entry.part is None or _rank(entry) == NOT_PLAYED:
            if entry.table != QUOTE_BARS:
                passed_over.append(_not_played(entry))
            continue
        rivals = [each for each in taken if _overlap(entry, each)]
        gaps = [(entry.first_ns, _until_ns(entry))]
        for rival in rivals:
            gaps = [left for gap in gaps for left in _without(gap, rival)]
        if rivals:
            why = f"{'partly ' if gaps else ''}the same time as {rivals[0].source}"
            passed_over.append(PassedOver(entry.source, why))
        taken.append(entry)
        pieces += [Piece(entry, *gap) for gap in gaps]
    for entry in entries:
        used = any(_stands_around(entry, piece.entry) for piece in pieces)
        if entry.table == QUOTE_BARS and not used:
            passed_over.append(_not_played(entry))
    return sorted(pieces, key=lambda piece: piece.from_ns), passed_over


def _not_played(entry: Entry) -> PassedOver:
    return PassedOver(entry.source, f"{_name(entry)} are not played")


def _stands_around(quotes: Entry, bars: Entry) -> bool:
    """Whether these quote bars are played with these bars."""
    same = quotes.table == QUOTE_BARS and bars.table == BARS and quotes.span_s == bars.span_s
    return same and quotes.part is not None and _overlap(quotes, bars)


def _without(gap: tuple[int, int], rival: Entry) -> list[tuple[int, int]]:
    """What of a span of time is not the rival's."""
    from_ns, until_ns = gap
    parts = (from_ns, min(until_ns, rival.first_ns)), (max(from_ns, _until_ns(rival)), until_ns)
    return [part for part in parts if part[0] < part[1]]


def _until_ns(entry: Entry) -> int:
    """The first moment behind it: `last_ns` is the time of a tick, but the end of a bar."""
    return entry.last_ns if entry.span_s else entry.last_ns + 1


def _rank(entry: Entry) -> int:
    """The smaller, the better to play."""
    if entry.table == TICKS:
        return {(True, True): 0, (True, False): 1}.get((entry.trades > 0, entry.quotes > 0), 4)
    playable = entry.table == BARS and entry.span_s <= PLAYED_SPAN_S_MAX
    return (2 if entry.span_s < PLAYED_SPAN_S_MAX else 3) if playable else NOT_PLAYED


def _overlap(one: Entry, other: Entry) -> bool:
    if (one.first_ns, one.last_ns) == (other.first_ns, other.last_ns):
        return True
    return one.first_ns < other.last_ns and other.first_ns < one.last_ns


def _name(entry: Entry) -> str:
    return f"{entry.table} of {entry.span_s} s" if entry.span_s else entry.table


def _section(root: Path, piece: Piece, quote_bars: list[Entry]) -> AnySection:
    entry, from_ns, until_ns = piece
    path = root / str(entry.part)
    if entry.table == TICKS:
        ticks = (cells for cells in read_part(path) if from_ns <= cells[0] < until_ns)
        return Section(str(path), ticks, 1, _tick)
    around = [root / str(each.part) for each in quote_bars if _stands_around(each, entry)]
    span_ns = entry.span_s * NANOS_PER_SECOND
    minutes = _minutes(path, around, (from_ns, until_ns - span_ns))
    return Section(str(path), minutes, 1, _bar_rows)


def _tick(cells: Cells, number: int) -> tuple[FileRow, ...]:
    at_ns, price_ticks, lots, bid_ticks, bid_lots, ask_ticks, ask_lots, is_trade = cells
    if is_trade:
        return (TradeRow(number, at_ns, price_ticks, lots),)
    return (QuoteRow(number, at_ns, _level(bid_ticks, bid_lots), _level(ask_ticks, ask_lots)),)


def _level(price_ticks: int | None, lots: int) -> BookLevel | None:
    return None if price_ticks is None else BookLevel(price_ticks, lots)


# --- bars -----------------------------------------------------------------------------------------

Minute: TypeAlias = dict[str, Cells]


def _minutes(bars: Path, quotes: list[Path], starts: tuple[int, int]) -> Iterator[Minute]:
    """What each minute has: its bar, its quote bar, or both. `starts`: its first and last start.

    `quotes` are parts in the order of their import.
    """
    first_ns, last_ns = starts
    trade_bars = ((cells[0], BARS, cells) for cells in read_part(bars))
    quote_bars = [((cells[0], QUOTE_BARS, cells) for cells in read_part(path)) for path in quotes]
    in_time = merge(trade_bars, *quote_bars, key=lambda found: found[0])
    for start_ns, found in groupby(in_time, key=lambda found: found[0]):
        if first_ns <= start_ns <= last_ns:
            minute: Minute = {}
            for _, table, cells in found:
                minute.setdefault(table, cells)  # parts may overlap: the first one counts
            yield minute


def _bar_rows(minute: Minute, number: int) -> tuple[FileRow, ...]:
    """The approximation that is described above."""
    bar, quotes = minute.get(BARS), minute.get(QUOTE_BARS)
    trades = [] if bar is None else _trades(bar)
    first = [] if quotes is None else [_quote(quotes, 0)]
    last = [] if quotes is None else [_quote(quotes, 3)]
    rows = [*first, *trades, *last]
    return tuple(row._replace(row_number=number + place) for place, row in enumerate(rows))


def _trades(bar: Cells) -> list[TradeRow | QuoteRow]:
    start_ns, span_s, open_ticks, high_ticks, low_ticks, close_ticks, volume_lots = bar
    span_ns = span_s * NANOS_PER_SECOND
    low_first = open_ticks - low_ticks <= high_ticks - open_ticks
    extremes = (low_ticks, high_ticks) if low_first else (high_ticks, low_ticks)
    prices = (open_ticks, *extremes, close_ticks)
    times = (start_ns, start_ns + span_ns // 4, start_ns + span_ns // 2, start_ns + span_ns - 1)
    part = volume_lots // 4
    lots = (part, part, part, volume_lots - 3 * part)
    return [TradeRow(0, *cells) for cells in zip(times, prices, lots, strict=True)]


def _quote(quotes: Cells, which: int) -> TradeRow | QuoteRow:
    """The quote at the open (0) or the close (3) of a quote bar."""
    start_ns, span_s, *rest = quotes
    at_ns = start_ns if which == 0 else start_ns + span_s * NANOS_PER_SECOND - 1
    bid, bid_lots, ask, ask_lots = rest[:4], rest[4], rest[5:9], rest[9]
    return QuoteRow(0, at_ns, _level(bid[which], bid_lots), _level(ask[which], ask_lots))
