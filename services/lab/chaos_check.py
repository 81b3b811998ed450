"""The judge of a chaos run: a program of its own that reads files and nothing else.

    python -m services.lab.chaos_check RUN_FOLDER

It shares no code with what it judges: journals, frames and the venue's record are taken apart here
by hand, with the standard library and msgpack. It prints one JSON object; exit code 1 if a promise
was broken.

- The venue's record holds every byte that the venue received: what orders really arrived.
- The journals of both broker sessions hold what the venue said. Its messages are numbered without a
  hole; a hole here means that something is not on record, and then nothing is proven.
- The ledger's journal holds every report that it was given, and what it did with them is the sum.
- `chaos/history.jsonl` says who was killed when, and when it was heard again.

An order of the ledger that ended as NOT_SENT or NEVER_ARRIVED was definitely not accepted: those
are counted apart. Any other order must be on both sides, with the same lots.
"""

from __future__ import annotations

import json
import struct
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import msgpack

SESSIONS = ("order_router", "watchdog")
NOT_ACCEPTED = {"NOT_SENT", "NEVER_ARRIVED"}
SIGN = {"BUY": 1, "SELL": -1}
FRAME_MAGIC = b"\xb5\xf1"
HEADER = struct.Struct("<8sHBB")
HEAD = struct.Struct("<2sII8s")
CRC_BYTES = 4


@dataclass(frozen=True)
class Message:
    """One message as it was received."""

    kind: str
    producer: str
    body: dict[str, Any]


class NotProven(Exception):
    """The evidence is not whole, so nothing can be said."""


def message_of(raw: bytes) -> Message:
    """A frame is `stream NUL msgpack list`; kind first, producer third, body tenth."""
    items = msgpack.unpackb(raw[raw.index(0) + 1 :])
    return Message(items[0], items[2], items[9])


def journal(run: Path, service: str) -> Iterator[Message]:
    """Every input of a service, in order. A torn last record is no record."""
    data = (run / "journals" / f"{service}.journal").read_bytes()
    _, _, service_bytes, run_bytes = HEADER.unpack_from(data)
    at = HEADER.size + service_bytes + run_bytes + CRC_BYTES
    while at + HEAD.size <= len(data):
        magic, length, crc, _ = HEAD.unpack_from(data, at)
        payload = data[at + HEAD.size : at + HEAD.size + length]
        if magic != FRAME_MAGIC:
            raise NotProven(f"{service}: no record at byte {at}")
        if len(payload) < length:
            return
        if zlib.crc32(payload, zlib.crc32(struct.pack("<I", length))) != crc:
            raise NotProven(f"{service}: damaged record at byte {at}")
        yield message_of(msgpack.unpackb(payload)[2])
        at += HEAD.size + length


def arrived_at_venue(run: Path) -> Iterator[Message]:
    """Every message that the venue received. Torn lines end in `!`.

    The record holds garbage too, if any was sent; what is no frame was no order.
    """
    for line in (run / "venue" / "received.log").read_bytes().split(b"\n")[:-1]:
        if line.endswith(b"!"):
            continue
        try:
            found = message_of(bytes.fromhex(line.split(b" ")[1].decode()))
        except (ValueError, TypeError, IndexError, msgpack.UnpackException):
            continue
        yield found


def orders_of(arrived_at: list[Message]) -> Counter[str]:
    """How often each client order id arrived as a new order, or as a leg of one."""
    arrived: Counter[str] = Counter()
    for found in arrived_at:
        if found.kind == "new_order":
            arrived[found.body["client_order_id"]] += 1
            arrived.update(leg["client_order_id"] for leg in found.body.get("legs", ()))
    return arrived


def changes_of(arrived: list[Message]) -> dict[str, int]:
    """How many cancels and replaces arrived: they were in flight when somebody died."""
    kinds = Counter(found.kind for found in arrived)
    return {"cancels": kinds["cancel_order"], "replaces": kinds["replace_order"]}


def fills_at_venue(run: Path) -> dict[str, dict[str, Any]]:
    """Every execution that the venue reported, by its id; `NotProven` if one may be missing."""
    fills: dict[str, dict[str, Any]] = {}
    for session in SESSIONS:
        said: dict[int, Message] = {}
        last = 0
        for each in journal(run, session):
            if each.producer != "venue":
                continue
            if each.kind == "broker_snapshot":
                last = max(last, each.body["session_seq"])
            elif each.kind in ("broker_order_event", "broker_execution"):
                said[each.body["session_seq"]] = each
        if sorted(said) != list(range(1, max(last, len(said)) + 1)):
            raise NotProven(f"{session}: the venue's messages 1 to {last} are not all on record")
        for each in said.values():
            if each.kind == "broker_execution":
                fills[each.body["execution_id"]] = each.body
    return fills


def broker_position(run: Path) -> int:
    """Lots of the account by the last whole snapshot that the watchdog got."""
    lots = 0
    for each in journal(run, "watchdog"):
        if each.kind == "broker_snapshot" and each.body["complete"]:
            lots = sum(position["position_lots"] for position in each.body["positions"])
    return lots


def ledger_position(run: Path) -> int:
    """Lots that the ledger published last, as the monitor heard them."""
    lots: dict[tuple[str, str], int] = {}
    for each in journal(run, "monitor"):
        if each.kind == "position_update":
            body = each.body
            lots[body["strategy"], body["instrument"]] = body["position_lots"]
        elif each.kind == "snapshot":
            for raw in each.body["frames"]:
                inner = message_of(raw)
                if inner.kind == "position_update":
                    key = (inner.body["strategy"], inner.body["instrument"])
                    lots[key] = inner.body["position_lots"]
    return sum(lots.values())


@dataclass
class Ledger:
    """What the ledger was told: orders with their end codes, and executions by their id."""

    codes: dict[str, set[str]]
    fills: dict[str, dict[str, Any]]
    contradictions: int

    @classmethod
    def read(cls, run: Path) -> Ledger:
        """Out of its journal."""
        codes: dict[str, set[str]] = {}
        fills: dict[str, dict[str, Any]] = {}
        contradictions = 0
        for each in journal(run, "order_state"):
            if each.kind == "order_event":
                ended = codes.setdefault(each.body["client_order_id"], set())
                if each.body["action"] in ("REJECT", "CANCEL"):
                    ended.add(each.body["code"])
            elif each.kind == "execution":
                codes.setdefault(each.body["client_order_id"], set())
                twin = fills.setdefault(each.body["execution_id"], each.body)
                contradictions += twin != each.body
        return cls(codes, fills, contradictions)


def lots_of(fills: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Client order id -> signed lots."""
    lots: Counter[str] = Counter()
    for fill in fills.values():
        lots[fill["client_order_id"]] += SIGN[fill["side"]] * fill["quantity_lots"]
    return {order: count for order, count in lots.items() if count}


def check(run: Path) -> dict[str, Any]:
    """Everything that a chaos run must keep, as plain values."""
    received = list(arrived_at_venue(run))
    arrived, filled, ledger = orders_of(received), fills_at_venue(run), Ledger.read(run)
    refused = {order for order, codes in ledger.codes.items() if codes & NOT_ACCEPTED}
    accepted = set(ledger.codes) - refused
    lots, booked = lots_of(filled), lots_of(ledger.fills)
    broker, held = broker_position(run), ledger_position(run)
    lost = {
        "at_venue_not_in_ledger": sorted(set(arrived) - set(ledger.codes)),
        "in_ledger_not_at_venue": sorted(accepted - set(arrived)),
        "given_up_but_at_venue": sorted(refused & set(arrived)),
        "fills_not_booked": sorted(set(filled) - set(ledger.fills)),
        "fills_made_up": sorted(set(ledger.fills) - set(filled)),
    }
    twice = sorted(order for order, times in arrived.items() if times > 1)
    equal = lots == booked and broker == held == sum(lots.values())
    result = {
        "orders_in_venue_record": len(arrived),
        "orders_in_ledger": len(accepted),
        "not_accepted": len(refused),
        **changes_of(received),
        "fills": len(filled),
        "lost": sum(map(len, lost.values())),
        "duplicated": len(twice) + ledger.contradictions,
        "position_equal": equal,
        "position_lots": {"venue": sum(lots.values()), "broker": broker, "ledger": held},
        **recoveries(run),
    }
    named = {name: ids[:5] for name, ids in {**lost, "received_twice": twice}.items() if ids}
    ok = not result["lost"] and not result["duplicated"] and equal and not result["not_recovered"]
    return {"ok": ok, **result, "broken": named}


def recoveries(run: Path) -> dict[str, Any]:
    """From each kill to the first word of the next life, in milliseconds; and pauses."""
    lines = (run / "chaos" / "history.jsonl").read_text().splitlines()
    history = [json.loads(line) for line in lines]
    times: dict[str, list[float]] = {}
    waiting: dict[str, int] = {}
    counts = Counter(each["what"] for each in history)
    for each in history:
        if each["what"] == "kill":
            waiting[each["service"]] = each["at_ns"]
        elif each["what"] == "serving" and each["service"] in waiting:
            spent_ns = each["at_ns"] - waiting.pop(each["service"])
            times.setdefault(each["service"], []).append(spent_ns / 1e6)
    return {
        "kills": counts["kill"],
        "pauses": counts["pause"],
        "not_recovered": sorted(waiting),
        "recovery_ms": {
            name: {"p50": round(median(spent)), "max": round(max(spent)), "times": len(spent)}
            for name, spent in sorted(times.items())
        },
    }


def main() -> int:
    """Judge the run whose folder is the one argument."""
    try:
        result = check(Path(sys.argv[1]))
    except NotProven as error:
        result = {"ok": False, "error": f"not proven: {error}"}
    print(json.dumps(result, separators=(",", ":")))
    return 0 if result["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
