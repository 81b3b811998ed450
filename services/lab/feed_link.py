"""The link from ingestor to strategy engine alone: a feeder takes the place of all other processes.

It is the venue's command socket, with bursts that were encoded before the clock runs, and the
watchdog's word that trading is permitted; so ingestor and strategy engine have a core each. The
credit is the real one: a burst leaves only when all its rows are covered, and an open of the feed
is answered with everything behind the row that it names.

The rows are those of the made-up market, `ROW_EVERY_NS` of market time apart: that is a market of
50,000 events a second, in which marks are as rare as they would be. Limits: one reader, which must
be the ingestor; whoever calls ends the processes.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import cycle, islice
from types import TracebackType

import zmq

from proto_schemas.base import Envelope, Message
from proto_schemas.control import Control
from proto_schemas.enums import Mode, SessionPhase
from proto_schemas.market_data import BURST_ROWS_MAX, FeedCredit, FeedOpen
from proto_schemas.registry import BY_MODEL
from services.lab.bench_feed import follows_market
from services.lab.fleet import FIRST_ROW_NS
from services.venue.feed_pump import message_of
from shared.bus.codec import decode, encode
from shared.feeds import Synthetic, SyntheticFeed
from shared.kernel.clock import MS, SECOND
from shared.kernel.errors import OurFault
from shared.markets import parse_contract
from shared.runtime.bursts import FeedRow, feed_burst
from shared.runtime.host import boot_ns
from shared.runtime.run_folder import RunFolder

READER = b"market_data"
ROW_EVERY_NS = 20_000
ROWS_MADE = 20_000  # after so many the market's rows come again, with later numbers and times
CONTROL_EVERY_NS = 250 * MS
LOOK_EVERY_NS = 250 * MS
POLL_MS = 10
FULL_WAIT_S = 0.001
STALL_NS = 30 * SECOND

Look = Callable[[int], None]
"""Told now and then how many rows the strategy engine has reported as handled."""


def encoded_bursts(instrument: str, rows: int, seed: int) -> list[bytes]:
    """The frames of a whole feed, numbered from 1."""
    contract = parse_contract(instrument)
    made = list(
        islice(SyntheticFeed(contract, Synthetic(seed, FIRST_ROW_NS)), min(rows, ROWS_MADE))
    )
    again = (message_of(row, instrument) for row in islice(cycle(made), rows))
    numbered = [
        replace(row, feed_seq=number, exchange_ns=FIRST_ROW_NS + number * ROW_EVERY_NS)
        for number, row in enumerate(again, 1)
    ]
    groups = (numbered[at : at + BURST_ROWS_MAX] for at in range(0, rows, BURST_ROWS_MAX))
    return [_frame(group, number) for number, group in enumerate(groups, 1)]


def _frame(rows: list[FeedRow], number: int) -> bytes:
    last_ns = rows[-1].exchange_ns
    return _encoded(feed_burst(rows), "venue", "push.market_data", number, last_ns)


def _encoded(body: Message, producer: str, stream: str, seq: int, stream_ns: int) -> bytes:
    row = BY_MODEL[type(body)]
    times = boot_ns(), stream_ns
    return encode(
        Envelope(row.kind, row.version, producer, 1, stream, seq, *times, None, None), body
    )


class Feeder(AbstractContextManager["Feeder"]):
    """Serves `frames` to the ingestor of a run, up to its credit."""

    def __init__(self, run: RunFolder, frames: list[bytes], rows: int, window: int) -> None:
        self._run, self._ready = run, False
        self._frames, self._rows, self._window = frames, rows, window
        self._next = 0
        self._credit_feed_seq = 0
        self._controls = 0
        self._context = zmq.Context[zmq.Socket[bytes]]()
        self._commands = self._context.socket(zmq.ROUTER)
        self._commands.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._commands.bind(run.endpoint("venue", "cmd"))
        self._control = self._context.socket(zmq.PUB)
        self._control.bind(run.endpoint("watchdog", "pub"))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the sockets; what was not sent is lost."""
        self._context.destroy(linger=0)

    @property
    def handled(self) -> int:
        """Rows that the strategy engine has reported: the credit is that and the window."""
        return max(0, self._credit_feed_seq - self._window)

    def feed(self, look: Look) -> None:
        """Send everything; return when the strategy engine has handled it all."""
        control_ns = look_ns = 0
        moved_ns, moved_to = boot_ns(), -1
        while self.handled < self._rows:
            now_ns = boot_ns()
            if now_ns >= control_ns:
                control_ns = now_ns + CONTROL_EVERY_NS
                self._permit()
            if now_ns >= look_ns:
                look_ns = now_ns + LOOK_EVERY_NS
                look(self.handled)
            if self.handled != moved_to:
                moved_ns, moved_to = now_ns, self.handled
            if now_ns - moved_ns > STALL_NS:
                fix = "Read the logs in the run's folder."
                raise OurFault("BENCH_STALLED", field="rows handled", value=moved_to, fix=fix)
            self._hear()
            self._send()

    def _permit(self) -> None:
        """Once the strategy engine follows: what is published before, nobody hears."""
        self._ready = self._ready or follows_market(self._run)
        if not self._ready:
            return
        self._controls += 1
        normal = Control(1, Mode.NORMAL, SessionPhase.OPEN, "", False, True, None)
        self._control.send(_encoded(normal, "watchdog", "control", self._controls, 0))

    def _hear(self) -> None:
        """Wait a moment for the ingestor's word; take all that came."""
        if not self._commands.poll(POLL_MS):
            return
        while True:
            try:
                _, *frames = self._commands.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            for frame in frames:
                self._take(frame)

    def _take(self, frame: bytes) -> None:
        match decode(frame).body:
            case FeedCredit(credit_feed_seq):
                self._credit_feed_seq = max(self._credit_feed_seq, credit_feed_seq)
            case FeedOpen(after_feed_seq, credit_feed_seq):
                self._credit_feed_seq = max(self._credit_feed_seq, credit_feed_seq)
                self._next = after_feed_seq // BURST_ROWS_MAX

    def _send(self) -> None:
        """Whatever the credit covers whole; the last burst may be shorter."""
        while self._next < len(self._frames):
            last_row = min((self._next + 1) * BURST_ROWS_MAX, self._rows)
            if last_row > self._credit_feed_seq:
                return
            try:
                self._commands.send_multipart((READER, self._frames[self._next]), zmq.NOBLOCK)
            except zmq.ZMQError as error:
                if error.errno not in (zmq.EAGAIN, zmq.EHOSTUNREACH):
                    raise
                time.sleep(FULL_WAIT_S)
                return
            self._next += 1
