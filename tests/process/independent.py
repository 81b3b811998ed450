"""Reads a finished run's evidence again, without the product's codecs, messages and summaries.

Whoever checks a system with the system's own reader repeats its mistakes. Here a frame is taken
apart by hand (`stream NUL msgpack list`) and stays a plain dictionary. Only the files of journals
are walked with the product's reader, because their checksums and chain are a format of their own.

- The venue's record says what really arrived at the exchange.
- The journals of both broker sessions (router, watchdog) hold the venue's outgoing messages. The
  venue numbers them without a hole, so a hole here would show that something is not on record.
- The ledger's journal holds every report that it was given.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack

from shared.journal import walk_journal

SESSIONS = ("order_router", "watchdog")
ENDED_UNSENT = {"NOT_SENT", "NEVER_ARRIVED"}
SIGN = {"BUY": 1, "SELL": -1}


@dataclass(frozen=True)
class Frame:
    """One message: when it was received (boot clock), its kind, its sender and its body."""

    boot_ns: int
    kind: str
    producer: str
    body: dict[str, Any]


def open_frame(boot_ns: int, raw: bytes) -> Frame:
    """Kind is the first, the producer the third, the body the tenth item behind the NUL."""
    items = msgpack.unpackb(raw[raw.index(0) + 1 :])
    assert len(items) == 10, items
    return Frame(boot_ns, items[0], items[2], items[9])


def received(run: Path) -> list[Frame]:
    """Every message that arrived at the venue, in order. Lines torn by a kill end in `!`.

    Garbage stands in the record too; what is no frame was no order.
    """
    lines = (run / "venue" / "received.log").read_bytes().split(b"\n")[:-1]
    found = []
    for line in lines:
        if not line.endswith(b"!"):
            stamp, text = line.split(b" ")
            with suppress(ValueError, AssertionError, TypeError, msgpack.UnpackException):
                found.append(open_frame(int(stamp), bytes.fromhex(text.decode())))
    return found


def orders_received(run: Path) -> list[Frame]:
    """New orders only."""
    return [frame for frame in received(run) if frame.kind == "new_order"]


def journaled(run: Path, service: str) -> list[Frame]:
    """Every input of a service: a record is the list stream_ns, boot_ns, frame, digest."""
    run_id = tomllib.loads((run / "config.toml").read_text())["run"]["run_id"]
    found: list[Frame] = []

    def take(payload: bytes) -> None:
        _, boot_ns, raw, _ = msgpack.unpackb(payload)
        found.append(open_frame(boot_ns, raw))

    walk_journal(run / "journals" / f"{service}.journal", service, run_id, take)
    return found


def told_by_the_venue(run: Path) -> list[dict[str, Any]]:
    """The venue's executions, complete: each session's numbers are 1, 2, 3, ... to the last one."""
    executions = []
    for session in SESSIONS:
        frames = [frame for frame in journaled(run, session) if frame.producer == "venue"]
        told: dict[int, Frame] = {}
        last = 0
        for frame in frames:
            if frame.kind == "broker_snapshot":
                last = max(last, frame.body["session_seq"])
            elif frame.kind in ("broker_order_event", "broker_execution"):
                twin = told.setdefault(frame.body["session_seq"], frame)
                assert twin.body == frame.body, f"{session}: one number, two messages"
        assert sorted(told) == list(range(1, max(told, default=0) + 1)), f"{session}: a hole"
        assert last == len(told), f"{session}: the venue says {last}, on record are {len(told)}"
        executions += [f.body for f in told.values() if f.kind == "broker_execution"]
    return executions


def lots_by_order(executions: list[dict[str, Any]]) -> dict[str, int]:
    """Client order id -> signed lots, each execution counted once by its id."""
    unique = {each["execution_id"]: each for each in executions}
    lots: Counter[str] = Counter()
    for each in unique.values():
        lots[each["client_order_id"]] += SIGN[each["side"]] * each["quantity_lots"]
    return dict(lots)


def booked(run: Path) -> list[dict[str, Any]]:
    """The executions that the ledger was given. A repeat must say what the first one said."""
    unique: dict[str, dict[str, Any]] = {}
    for frame in journaled(run, "order_state"):
        if frame.kind == "execution":
            twin = unique.setdefault(frame.body["execution_id"], frame.body)
            assert twin == frame.body, "one execution id, two stories"
    return list(unique.values())


def refused(run: Path) -> set[str]:
    """Ids of which the strategy was told that they were not approved.

    The first answer about an id is about the order, later ones about its cancels and replaces.
    """
    first: dict[str, bool] = {}
    for frame in journaled(run, "strategy_engine"):
        if frame.kind == "decision":
            first.setdefault(frame.body["client_order_id"], frame.body["approved"])
    return {order_id for order_id, approved in first.items() if not approved}


def legs_of(order: dict[str, Any]) -> list[dict[str, Any]]:
    """The protective orders that arrived inside an entry: other side, as many lots."""
    other = {"BUY": "SELL", "SELL": "BUY"}[order["side"]]
    return [
        {**leg, "side": other, "quantity_lots": order["quantity_lots"]}
        for leg in order.get("legs", ())
    ]


def check_run(run: Path) -> int:
    """Everything that must hold in any run that has ended well; the number of orders received."""
    orders = orders_received(run)
    twice = {
        order_id: times
        for order_id, times in Counter(o.body["client_order_id"] for o in orders).items()
        if times > 1
    }
    assert twice == {}, "the venue received an order more than once"
    arrived = {order.body["client_order_id"]: order.body for order in orders}
    arrived |= {leg["client_order_id"]: leg for order in orders for leg in legs_of(order.body)}

    told, ledger = told_by_the_venue(run), booked(run)
    assert {e["execution_id"] for e in ledger} == {e["execution_id"] for e in told}
    filled = lots_by_order(told)
    assert lots_by_order(ledger) == filled, "the ledger booked something else than was filled"
    assert set(filled) <= set(arrived), "a fill of an order that never arrived"
    for order_id, lots in filled.items():
        order = arrived[order_id]
        assert 0 < SIGN[order["side"]] * lots <= order["quantity_lots"], order_id
    assert sum(filled.values()) == 0, "not flat"
    _check_never_arrived(run, set(arrived))
    assert refused(run) & set(arrived) == set(), "an order that risk had refused arrived"
    return len(orders)


def _check_never_arrived(run: Path, arrived: set[str]) -> None:
    """What the ledger knows and the venue never saw must have ended as such, and nothing else."""
    ends: dict[str, list[tuple[str, str]]] = {}
    for frame in journaled(run, "order_state"):
        if frame.kind == "order_event":
            ended = ends.setdefault(frame.body["client_order_id"], [])
            if frame.body["action"] in ("REJECT", "CANCEL"):
                ended.append((frame.body["action"], frame.body["code"]))
    assert arrived <= set(ends), "the venue received orders that the ledger has never heard of"
    for order_id, ended in ends.items():
        codes = {code for _, code in ended}
        if order_id in arrived:
            assert not codes & ENDED_UNSENT, f"{order_id} arrived, but the ledger says {codes}"
        else:
            assert codes and codes <= ENDED_UNSENT, (
                f"{order_id} never arrived, but ended as {ended}"
            )
