"""The feeder of `bench feed`: numbering, credit, what is asked for again, and when it permits."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import zmq

from proto_schemas.base import Message
from proto_schemas.control import Control
from proto_schemas.market_data import BURST_ROWS_MAX, FeedCredit, FeedOpen
from services.lab import feed_link
from services.lab.feed_link import ROW_EVERY_NS, Feeder, encoded_bursts
from shared.bus.codec import decode, encode
from shared.kernel.errors import OurFault
from shared.runtime.bursts import market_rows
from tests.support import event

ES = "ESM30"
ROWS = 3 * BURST_ROWS_MAX + 5
WINDOW = 2 * BURST_ROWS_MAX


@dataclass
class Folder:
    """As much of a run as the feeder needs."""

    where: Path

    def endpoint(self, service: str, channel: str) -> str:
        return f"ipc://{self.where}/{service}.{channel}"


class Reader:
    """The ingestor's end: it says what the test says, and takes what comes."""

    def __init__(self, folder: Folder) -> None:
        self.context = zmq.Context[Any]()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.setsockopt(zmq.IDENTITY, b"market_data")
        self.socket.connect(folder.endpoint("venue", "cmd"))
        self.control = self.context.socket(zmq.SUB)
        self.control.subscribe(b"control\0")
        self.control.connect(folder.endpoint("watchdog", "pub"))

    def say(self, *bodies: Message) -> None:
        """As one message, like all that one turn of the ingestor says."""
        said = [event(body, producer="market_data") for body in bodies]
        self.socket.send_multipart([encode(one.envelope, one.body) for one in said])

    def rows(self, wait_ms: int = 200) -> list[int]:
        """Numbers of all rows that come until it is quiet."""
        got = []
        while self.socket.poll(wait_ms):
            got += [row.feed_seq for row in market_rows(decode(self.socket.recv()).body)]
        return got


@pytest.fixture
def ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Feeder, Reader]]:
    folder: Any = Folder(tmp_path)
    monkeypatch.setattr(feed_link, "follows_market", lambda _run: True)
    with Feeder(folder, encoded_bursts(ES, ROWS, 1), ROWS, WINDOW) as feeder:
        reader = Reader(folder)
        yield feeder, reader
        reader.context.destroy(linger=0)


def turn(feeder: Feeder) -> None:
    feeder._hear()
    feeder._send()


def say(ends: tuple[Feeder, Reader], *bodies: Message) -> list[int]:
    """Let the feeder hear it; what it then sends."""
    feeder, reader = ends
    reader.say(*bodies)
    assert feeder._commands.poll(5_000)
    turn(feeder)
    return reader.rows()


def test_the_rows_of_all_bursts_are_numbered_without_a_hole_and_evenly_in_time() -> None:
    bodies = [decode(frame).body for frame in encoded_bursts(ES, ROWS, 1)]
    rows: list[Any] = [row for body in bodies for row in market_rows(body)]
    assert [row.feed_seq for row in rows] == [*range(1, ROWS + 1)]
    times = [row.exchange_ns for row in rows]
    assert {b - a for a, b in pairwise(times)} == {ROW_EVERY_NS}
    assert len({type(row) for row in rows}) > 1


def test_only_what_the_credit_covers_whole_leaves(ends: tuple[Feeder, Reader]) -> None:
    assert say(ends, FeedOpen(0, BURST_ROWS_MAX - 1)) == []
    assert say(ends, FeedCredit(BURST_ROWS_MAX + 1)) == [*range(1, BURST_ROWS_MAX + 1)]
    assert say(ends, FeedCredit(3)) == [], "a smaller credit is an old one"
    assert say(ends, FeedCredit(ROWS)) == [*range(BURST_ROWS_MAX + 1, ROWS + 1)]
    assert ends[0].handled == ROWS - WINDOW


def test_an_open_brings_everything_behind_its_row_again(ends: tuple[Feeder, Reader]) -> None:
    assert say(ends, FeedOpen(0, ROWS)) == [*range(1, ROWS + 1)]
    again = say(ends, FeedOpen(BURST_ROWS_MAX + 7, ROWS))
    assert again == [*range(BURST_ROWS_MAX + 1, ROWS + 1)], "known rows are cut by the reader"


def test_it_hears_all_that_comes_in_one_message(ends: tuple[Feeder, Reader]) -> None:
    assert say(ends, FeedOpen(BURST_ROWS_MAX, 0), FeedCredit(ROWS)) == [
        *range(BURST_ROWS_MAX + 1, ROWS + 1)
    ]


def test_it_ends_when_everything_is_handled_and_permits_trading_meanwhile(
    ends: tuple[Feeder, Reader],
) -> None:
    feeder, reader = ends
    reader.say(FeedOpen(0, ROWS + WINDOW))
    looks: list[int] = []
    feeder.feed(looks.append)
    assert (feeder.handled, looks[0]) == (ROWS, 0)
    assert reader.rows() == [*range(1, ROWS + 1)]
    feeder._permit()
    assert reader.control.poll(5_000)
    assert isinstance(decode(reader.control.recv()).body, Control)


def test_it_says_when_nothing_moves(
    ends: tuple[Feeder, Reader], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_link, "STALL_NS", 0)
    with pytest.raises(OurFault, match="BENCH_STALLED"):
        ends[0].feed(lambda _handled: None)
