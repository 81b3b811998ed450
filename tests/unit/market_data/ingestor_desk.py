"""A core of the ingestor and a boot clock that the test moves; and how to look at its outputs.

`desk()` is in its usual state: started, and trading is permitted (Control NORMAL has been heard).
"""

from __future__ import annotations

from typing import Any

from proto_schemas.base import Message
from proto_schemas.control import Control, PeerStatus, TimerFired
from proto_schemas.enums import FeedState, Mode, SessionPhase
from proto_schemas.market_data import (
    FeedCredit,
    FeedEnd,
    FeedOpen,
    FeedStatus,
    FeedTrade,
    MarketProgress,
)
from services.market_data.config import MarketDataConfig, WhenBehind
from services.market_data.core import MarketDataCore
from shared.kernel.clock import MINUTE, SECOND, Now
from shared.kernel.outputs import Output, Publish, Send, SetTimer
from tests.support import bodies, event, started

START_NS = 25_428_330 * MINUTE
BOOT_NS = 50 * SECOND


class Desk:
    """A core and its inputs so far."""

    def __init__(self, credit_events: int = 8, when_behind: WhenBehind = "wait") -> None:
        config = MarketDataConfig("ESM18", credit_events=credit_events, when_behind=when_behind)
        self.core = MarketDataCore(config)
        self.boot_ns = BOOT_NS
        self.inputs: list[tuple[Any, Now]] = []

    def take(self, body: Message | str) -> list[Output]:
        """A message, or a timer by its name."""
        if isinstance(body, str):
            made = event(TimerFired(body), producer="market_data")
        else:
            made = event(body)
        return self.step(made, Now(START_NS, self.boot_ns))

    def start(self, epoch: int = 1) -> list[Output]:
        return self.step(started("market_data", epoch), Now(START_NS, self.boot_ns))

    def step(self, made: Any, moment: Now) -> list[Output]:
        self.inputs.append((made, moment))
        return self.core.handle(made, moment)

    def row(self, feed_seq: int, after_ns: int = 0, price: int = 100) -> list[Output]:
        return self.take(FeedTrade(feed_seq, "ESM18", START_NS + after_ns, price, 1))

    def rows(self, first: int, last: int) -> None:
        for feed_seq in range(first, last + 1):
            self.row(feed_seq)

    def end(self, feed_seq: int) -> list[Output]:
        return self.take(FeedEnd(feed_seq, "ESM18", feed_seq + 4, 3, 2))

    def progress(self, feed_seq: int) -> list[Output]:
        return self.take(MarketProgress("strategy_engine", feed_seq))

    def venue_up(self, epoch: int = 1) -> list[Output]:
        return self.take(PeerStatus("venue", True, epoch))

    def control(self, mode: Mode = Mode.NORMAL) -> list[Output]:
        """The watchdog's word."""
        return self.take(Control(1, mode, SessionPhase.OPEN, "test", False, True, None))


def desk(credit_events: int = 8, when_behind: WhenBehind = "wait") -> Desk:
    """Started, and permitted to run."""
    made = Desk(credit_events, when_behind)
    made.start()
    made.control()
    return made


def published(outputs: list[Output], kind: type[Any]) -> list[Any]:
    return [body for body in bodies(outputs, Publish) if isinstance(body, kind)]


def sent(outputs: list[Output]) -> list[Any]:
    """What goes to the venue; nothing goes to anybody else."""
    assert all(o.to == "venue" for o in outputs if isinstance(o, Send))
    return bodies(outputs, Send)


def credits_in(outputs: list[Output]) -> list[int]:
    """Every credit that the venue is told, whichever message carries it."""
    messages = sent(outputs)
    assert all(isinstance(message, FeedOpen | FeedCredit) for message in messages)
    return [message.credit_feed_seq for message in messages]


def timers(outputs: list[Output]) -> dict[str, int]:
    """Timer name -> when it is due (boot clock)."""
    found = [output for output in outputs if isinstance(output, SetTimer)]
    assert all(timer.clock == "boot" for timer in found)
    return {timer.name: timer.at_ns for timer in found}


def state_of(outputs: list[Output]) -> list[FeedState]:
    return [status.state for status in published(outputs, FeedStatus)]
