"""The way from tick to order, joined from three journals that are read in any order."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

from proto_schemas.base import Envelope
from services.monitor.order_path import ORDERS_MAX, OrderPath
from shared.kernel.clock import MS, SECOND, Now

TICK = "market_data/1/market.ESM30/7"
Record = tuple[str, Envelope, Now]


def record(layer: str, kind: str, at_ns: int, signal: str | None, cause: str | None) -> Record:
    stream, seq = ("market.ESM30", 7) if kind == "trade" else ("to.somebody", at_ns)
    producer = {"trade": "market_data", "intent": "strategy_engine"}.get(kind, "order_router")
    made = Envelope(kind, 1, producer, 1, stream, seq, at_ns - MS, 0, signal, cause)
    return layer, made, Now(0, at_ns)


TRADE = record("strategy_engine", "trade", 10 * MS, None, "venue/1/x/1")
INTENT = record("risk_engine", "intent", 12 * MS, "ema-1-1", TICK)
ORDER = record("venue", "new_order", 15 * MS, "ema-1-1", "risk_engine/1/x/1")


def ways(*records: Record, since_ns: int = 0) -> list[int]:
    found: list[int] = []
    path = OrderPath(found.append)
    path.count_from(since_ns)
    for each in records:
        path.add(*each)
        path.join()
    return found


def test_the_way_is_from_the_ingestors_stamp_to_the_arrival_whatever_is_read_first() -> None:
    for order in permutations((TRADE, INTENT, ORDER)):
        assert ways(*order) == [6 * MS], order


def test_a_repeat_counts_nothing_and_the_first_arrival_holds() -> None:
    late = record("venue", "new_order", 900 * MS, "ema-1-1", None)
    assert ways(TRADE, INTENT, ORDER, INTENT) == [6 * MS]
    assert ways(ORDER, late, TRADE, INTENT) == [6 * MS]


def test_what_an_earlier_life_saw_is_not_counted_again() -> None:
    assert ways(TRADE, INTENT, ORDER, since_ns=SECOND) == []


def test_an_order_without_a_signal_has_no_way() -> None:
    closing = record("venue", "new_order", 15 * MS, None, None)
    assert ways(TRADE, INTENT, closing) == []


def test_what_never_finds_its_other_ends_is_forgotten() -> None:
    found: list[int] = []
    path = OrderPath(found.append)
    path.count_from(0)
    for number in range(ORDERS_MAX + 1):
        path.add(*record("venue", "new_order", 15 * MS, f"ema-1-{number}", None))
    path.add(*TRADE)
    path.add(*record("risk_engine", "intent", 12 * MS, "ema-1-0", TICK))
    path.add(*record("risk_engine", "intent", 12 * MS, "ema-1-5", TICK))
    path.join()
    assert found == [6 * MS]


def test_a_burst_is_a_tick_too() -> None:
    burst = (TRADE[0], replace(TRADE[1], kind="market_burst"), TRADE[2])
    assert ways(burst, INTENT, ORDER) == [6 * MS]
