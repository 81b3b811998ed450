"""Frames of one turn that go one way are one message, in order, and no reader notices."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Timer
from time import monotonic

import pytest

from shared.runtime.effects import Transmit
from shared.runtime.parcels import PARCEL_FRAMES_MAX, Parcels
from shared.runtime.run_folder import RunFolder
from shared.runtime.wires import Arrived, Wires
from tests.unit.runtime.runs import make_run

WAIT_S = 5.0
HOLD_NS = 50


def out(route: str, peer: str, frame: str) -> Transmit:
    return Transmit(route, peer, frame.encode(), frame, "kind")


def taken(parcels: Parcels, now_ns: int) -> list[list[str]]:
    return [[each.message_id for each in parcel] for parcel in parcels.take(now_ns)]


def grouped(*sent: Transmit) -> list[list[str]]:
    parcels = Parcels()
    for each in sent:
        parcels.add(each, 1)
    found = taken(parcels, 1)
    assert taken(parcels, 1 + HOLD_NS) == []
    return found


def test_one_way_is_one_message_and_ways_go_by_their_first_frame() -> None:
    a, b = (out("dealer", "venue", name) for name in ("a", "b"))
    c, d = (out("router", "venue", name) for name in ("c", "d"))
    assert grouped(a, c, b, out("dealer", "watchdog", "e"), d) == [["a", "b"], ["c", "d"], ["e"]]


def test_streams_do_not_share_a_message_for_readers_subscribe_by_its_beginning() -> None:
    frames = ["mark\0", "ledger\0a", "mark\0b", "ledger\0c"]
    sent = [out("pub", "", frame) for frame in frames]
    assert grouped(*sent) == [["mark\0", "mark\0b"], ["ledger\0a", "ledger\0c"]]


def test_a_parcel_is_bounded_and_the_rest_follows_in_order() -> None:
    names = [str(number) for number in range(PARCEL_FRAMES_MAX + 2)]
    parcels = grouped(*(out("dealer", "venue", name) for name in names))
    assert [len(parcel) for parcel in parcels] == [PARCEL_FRAMES_MAX, 2]
    assert [name for parcel in parcels for name in parcel] == names


def test_what_may_wait_leaves_with_what_follows_and_in_its_place() -> None:
    parcels = Parcels()
    parcels.add(replace(out("dealer", "order_state", "sent"), may_wait_ns=HOLD_NS), 1)
    parcels.add(out("dealer", "venue", "order"), 1)
    assert taken(parcels, 2) == [["order"]]
    parcels.add(out("dealer", "order_state", "filled"), 3)
    assert taken(parcels, 3) == [["sent", "filled"]]
    assert parcels.next_due_ns() is None


def test_what_may_wait_waits_so_long_and_no_longer() -> None:
    parcels = Parcels()
    parcels.add(replace(out("router", "order_router", "ack"), may_wait_ns=HOLD_NS), 100)
    parcels.add(replace(out("router", "order_router", "ack2"), may_wait_ns=HOLD_NS), 200)
    assert parcels.next_due_ns() == 100 + HOLD_NS
    assert taken(parcels, 99 + HOLD_NS) == []
    assert taken(parcels, 100 + HOLD_NS) == [["ack", "ack2"]]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunFolder]:
    with tempfile.TemporaryDirectory(prefix="bh-") as sock_dir:
        yield make_run(tmp_path, sock_dir)


def first_parcel(wires: Wires) -> list[Arrived]:
    """The first message that comes; the sender repeats nothing, so it must be connected."""
    deadline = monotonic() + WAIT_S
    while monotonic() < deadline:
        for parcels in wires.poll(50):
            for parcel in parcels:
                return parcel
    raise AssertionError("nothing came")


def sent_when_connected(wires: Wires, parcel: list[Transmit]) -> None:
    deadline = monotonic() + WAIT_S
    while not wires.send(parcel):
        assert monotonic() < deadline, "never connected"
        wires.poll(10)


def test_a_parcel_comes_whole_both_ways_and_each_frame_knows_its_sender(run: RunFolder) -> None:
    router, ledger = Wires(run, "order_router"), Wires(run, "order_state")
    try:
        there = [out("dealer", "order_state", name) for name in ("a", "b", "c")]
        sent_when_connected(router, there)
        assert first_parcel(ledger) == [
            Arrived(name, "router", "order_router") for name in (b"a", b"b", b"c")
        ]
        assert ledger.send([out("router", "order_router", name) for name in ("d", "e")])
        assert first_parcel(router) == [
            Arrived(name, "dealer", "order_state") for name in (b"d", b"e")
        ]
    finally:
        router.close()
        ledger.close()


def test_what_lingers_waits_for_company_but_not_when_something_urgent_comes(
    run: RunFolder,
) -> None:
    long_ms = int(WAIT_S * 1_000)
    router = Wires(run, "order_router")
    ledger = Wires(run, "order_state", {"router": 50})
    dog = Wires(run, "watchdog", {"router": long_ms})
    try:
        for name in ("a", "b"):
            sent_when_connected(router, [out("dealer", "order_state", name)])
        (parcels,) = [list(each) for each in ledger.poll(1_000)]
        assert [each.frame for parcel in parcels for each in parcel] == [b"a", b"b"]

        for _ in range(100):  # a publisher cannot tell when its reader has connected
            ledger.send([out("pub", "", "ledger\0x")])
            if next(dog.poll(50), None) is not None:
                break
        for parcels in dog.poll(50):
            list(parcels)
        sent_when_connected(router, [out("dealer", "watchdog", "c")])
        later = Timer(0.3, ledger.send, [[out("pub", "", "ledger\0x")]])
        later.start()
        began = monotonic()
        frames = {
            each.frame for parcels in dog.poll(1_000) for parcel in parcels for each in parcel
        }
        later.join()
        assert monotonic() - began < WAIT_S / 2
        assert frames == {b"c", b"ledger\0x"}
    finally:
        for wires in (router, ledger, dog):
            wires.close()
