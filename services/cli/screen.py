"""What a person sees while a run is on: a live table on a terminal, plain lines otherwise.

Everything here goes to stderr except the table, so that a pipe gets the result alone. SIMULATED
TIME stands on every screen: nobody shall take a replay for the market.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from proto_schemas.registry import SERVICES
from services.cli.follow import Look, field
from services.cli.outcome import known_services
from services.cli.output import note

if TYPE_CHECKING:
    from rich.console import RenderableType

PLAIN_LINE_EVERY_S = 2.0
BANNER = "SIMULATED TIME"


@dataclass(frozen=True, slots=True)
class Viewing:
    """What to show. No title: nothing, because the result is wanted as JSON."""

    title: str | None
    rows_total: int | None = None


@contextmanager
def watching(viewing: Viewing) -> Iterator[Callable[[Look], None]]:
    """Yields the function to call with each look."""
    if viewing.title is None:
        yield lambda look: None
    elif sys.stdout.isatty():
        with _live(viewing.title, viewing.rows_total) as show:
            yield show
    else:
        note(f"{viewing.title}: {BANNER}")
        yield PlainLines(viewing.rows_total).show


class PlainLines:
    """A line every two seconds, and one for every new phase."""

    def __init__(self, rows_total: int | None) -> None:
        self._rows_total = rows_total
        self._last_at = float("-inf")
        self._phase = ""

    def show(self, look: Look) -> None:
        """Print the line if it is time."""
        now = time.monotonic()
        if look.phase == self._phase and now - self._last_at < PLAIN_LINE_EVERY_S:
            return
        self._last_at, self._phase = now, look.phase
        note(one_line(look, self._rows_total))


def one_line(look: Look, rows_total: int | None) -> str:
    """A look on one line."""
    up = sum(1 for info in look.processes.values() if info.pid)
    if look.report is None:
        return f"{look.seconds:5.1f} s  starting: {up} of {len(look.processes)} processes up"
    return (
        f"{look.seconds:5.1f} s  {look.phase or 'starting'}  row {_row(look, rows_total)}"
        f"  position {_text(look, 'position_lots')} lots  P&L {money(look)}  {up} up"
    )


def money(look: Look) -> str:
    """Realised and open P&L less fees, in dollars."""
    parts = [field(look.report, n) for n in ("realised_mills", "open_mills", "fees_mills")]
    if not all(type(part) is int for part in parts):
        return "-"
    realised, open_, fees = (int(part or 0) for part in parts)
    mills = realised + open_ - fees
    return f"{'-' if mills < 0 else ''}${abs(mills) // 1000:,}.{abs(mills) % 1000 // 10:02d}"


@contextmanager
def _live(title: str, rows_total: int | None) -> Iterator[Callable[[Look], None]]:
    from rich.live import Live

    with Live(refresh_per_second=8) as live:
        yield lambda look: live.update(render(title, look, rows_total), refresh=True)


def render(title: str, look: Look, rows_total: int | None) -> RenderableType:
    """The whole screen for one look."""
    from rich.console import Group
    from rich.panel import Panel

    facts = (
        f"phase [bold]{look.phase or 'starting'}[/]   "
        f"feed row {_row(look, rows_total)}   "
        f"position {_text(look, 'position_lots')} lots   "
        f"P&L {money(look)}   {look.seconds:.0f} s"
    )
    head = Panel(facts, title=f"Bulkhead {title}", subtitle=f"[bold yellow]{BANNER}[/]")
    return Group(head, services_table(look))


def services_table(look: Look) -> RenderableType:
    """One row per service: what it says of itself, and how often it was started again."""
    from rich.table import Table

    table = Table("service", "state", "pid", "restarts")
    alive = {s.service: s.alive for s in look.report.services} if look.report else {}
    known = known_services(look.report, look.processes)
    for name in SERVICES:
        found = known.get(name, {"pid": 0, "state": "DOWN", "restarts": 0})
        word, colour = str(found["state"]), "green"
        if not alive.get(name):
            word, colour = (word, "red") if not found["pid"] else ("silent", "red")
        if name not in alive and found["pid"]:
            word, colour = "starting", "dim"
        row = (name, f"[{colour}]{word}[/]", str(found["pid"] or "-"), str(found["restarts"]))
        table.add_row(*row)
    return table


def _row(look: Look, rows_total: int | None) -> str:
    """How far the feed is; its end mark counts as a row there, but not here."""
    row = field(look.report, "feed_seq")
    if rows_total is None or type(row) is not int:
        return _text(look, "feed_seq")
    return f"{min(row, rows_total):,} of {rows_total:,}"


def _text(look: Look, name: str) -> str:
    value = field(look.report, name)
    return "-" if value is None else str(value)
