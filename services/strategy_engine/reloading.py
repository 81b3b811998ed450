"""When a strategy's code may be changed, and what its source is. Pure.

A change gives the new code a fresh memory. So it is made while there is nothing to remember: flat,
and no order open. With a position a person must say that the new code is to take it over; the desk
keeps position and orders, so nothing at the broker is touched either way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from proto_schemas.base import Envelope
from proto_schemas.control import StrategyFile, StrategyReloaded
from services.strategy_engine.api import Order

KEEP = "or let the new code take it over: bulkhead reload --keep-position."


@dataclass(frozen=True, slots=True)
class Source:
    """A strategy's file as it was read. `source_hash` is what `sha256sum` says of the file.

    Empty text: there is no file; the strategy was given to the engine as an object, or is not
    there yet.
    """

    path: str = ""
    source_hash: str = ""
    text: str = ""


NO_SOURCE = Source()
UNCHANGED = "UNCHANGED"


@dataclass(slots=True)
class Wish:
    """Who waits for the file, and whether position and orders may be taken over."""

    request: Envelope
    keep_position: bool


class Holdings(Protocol):
    """What a strategy has, as its desk sees it."""

    @property
    def position_lots(self) -> int | None: ...

    @property
    def open_orders(self) -> tuple[Order, ...]: ...


def obstacle(desk: Holdings, keep_position: bool, running: Source) -> StrategyReloaded | None:
    """Why the code may not be changed now, or None."""
    lots, orders = desk.position_lots, len(desk.open_orders)
    if keep_position or (lots == 0 and not orders):
        return None
    if lots is None:
        seen, fix = "not seen: the ledger is away", f"Wait until the ledger is back, {KEEP}"
    else:
        seen, fix = f"{lots} lots, {orders} open orders", f"Wait until it is flat, {KEEP}"
    return StrategyReloaded("STRATEGY_BUSY", "position", seen, fix, running.source_hash)


def refusal(file: StrategyFile, running: Source) -> StrategyReloaded | None:
    """Why this file cannot run, or None."""
    if file.code == "OK":
        return None
    return StrategyReloaded(file.code, file.field, file.value, file.fix, running.source_hash)


def runs_now(source: Source, paused: str) -> StrategyReloaded:
    """The answer after a change; `paused`: why no hook is called, if none is."""
    if paused:
        fix = "It is loaded and paused: mend it, then bulkhead reload."
        return StrategyReloaded("STRATEGY_PAUSED", "strategy", paused, fix, source.source_hash)
    return StrategyReloaded("OK", "", "", "", source.source_hash)


def objection(
    file: StrategyFile, wish: Wish | None, desk: Holdings, source: Source, paused: str
) -> StrategyReloaded | None:
    """Why this file is not to be run now; None if it is."""
    refused = refusal(file, source)
    if refused is None and wish is not None:
        refused = obstacle(desk, wish.keep_position, source)
    if refused is None and file.source_hash == source.source_hash and not paused:
        refused = StrategyReloaded(UNCHANGED, "", "", "", file.source_hash)
    return refused
