"""A small run told by hand: every journal that one filled order, one refused and one exit leave."""

from __future__ import annotations

from pathlib import Path

from proto_schemas.base import Envelope, Message
from proto_schemas.broker import BrokerExecution, BrokerOrderEvent, BrokerPosition, NewOrder
from proto_schemas.control import Snapshot
from proto_schemas.enums import FeedState, OrderAction, OrderState, OrderType, Side
from proto_schemas.ledger import (
    Execution,
    OrderEvent,
    OrderUpdate,
    PositionUpdate,
    ReconcileReport,
)
from proto_schemas.market_data import (
    Bar,
    FeedBurst,
    FeedStatus,
    FeedTrade,
    Mark,
    MarketBurst,
    Trade,
)
from proto_schemas.registry import BY_MODEL
from proto_schemas.signals import Approval, Decision, Intent
from shared.bus.codec import encode
from shared.journal import JournalWriter
from shared.kernel.clock import MINUTE, Now
from shared.runtime.record import pack_record
from shared.runtime.run_folder import RunFolder

ES = "ESM18"
RUN_ID = "run-1"
STREAM_NS = 1_525_700_700_000_000_000  # 2018-05-07T13:45:00Z
US = 1_000
CONFIG = f"""
[run]
stage = "replay"
run_id = "{RUN_ID}"
install_id = "9f3ac21b77d0"
instrument = "{ES}"
strategy = "ema_cross"
sock_dir = "/tmp/none"

[venue]
synthetic_seed = 1
"""
FILLED = "9f3ac21b-77d0-0001-0001-000000000001"
REFUSED = "9f3ac21b-77d0-0001-0001-000000000002"
EXIT = "9f3ac21b-77d0-0002-0001-000000000001"


class Story:
    """Journals in the making: `tell` appends one input to one service's journal."""

    def __init__(self, root: Path) -> None:
        (root / "journals").mkdir(parents=True)
        (root / "config.toml").write_text(CONFIG)
        self.run = RunFolder.open(root)
        self.boot_ns = 0
        self.lines: dict[str, list[bytes]] = {}
        self._written: dict[str, int] = {}
        self._seq = 0

    def tell(
        self,
        layer: str,
        body: Message,
        sender: str,
        correlation_id: str | None = None,
        cause: str | None = None,
        after_us: int = 100,
    ) -> str:
        """One input, `after_us` after the one before; returns its message id."""
        self.boot_ns += after_us * US
        envelope, frame = self.frame(body, sender, correlation_id, cause)
        self.lines.setdefault(layer, []).append(
            pack_record(frame, Now(STREAM_NS, self.boot_ns), b"")
        )
        return envelope.id

    def frame(
        self,
        body: Message,
        sender: str,
        correlation_id: str | None = None,
        cause: str | None = None,
    ) -> tuple[Envelope, bytes]:
        self._seq += 1
        row, at_ns = BY_MODEL[type(body)], self.boot_ns
        envelope = Envelope(
            row.kind,
            row.version,
            sender,
            1,
            "s",
            self._seq,
            at_ns,
            STREAM_NS,
            correlation_id,
            cause,
        )
        return envelope, encode(envelope, body)

    def write(self) -> RunFolder:
        """Append what was told since the last write."""
        for layer, lines in self.lines.items():
            done = self._written.get(layer, 0)
            with JournalWriter.open(self.run.journal(layer), layer, RUN_ID) as writer:
                writer.append_many(lines[done:])
            self._written[layer] = len(lines)
        return self.run

    # --- pieces ---------------------------------------------------------------------------------

    def tick(self, feed_seq: int, as_bar: bool = False) -> str:
        """A row of the feed reaches the strategy; returns the id of what the strategy saw."""
        row = self.tell("market_data", FeedTrade(feed_seq, ES, STREAM_NS, 100, 1), "venue")
        trade = Trade(feed_seq, ES, STREAM_NS, 0, 100, 1)
        seen = self.tell("strategy_engine", trade, "market_data", cause=row)
        if as_bar:
            bar = Bar(ES, STREAM_NS, MINUTE, 0, 100, 100, 100, 100, 1, 1)
            seen = self.tell("strategy_engine", bar, "market_data", cause=row)
        return seen

    def burst(self, first: int, last: int) -> str:
        """Several rows reach the strategy at once."""
        numbers = range(first, last + 1)
        rows = tuple(FeedTrade(n, ES, STREAM_NS, 100 + n, 1) for n in numbers)
        came = self.tell("market_data", FeedBurst(rows, (), ()), "venue")
        trades = tuple(Trade(n, ES, STREAM_NS, 0, 100 + n, 1) for n in numbers)
        burst = MarketBurst(ES, trades, (), ())
        return self.tell("strategy_engine", burst, "market_data", cause=came)

    def intent(self, order_id: str, signal: str, seen: str, code: str = "OK") -> None:
        intent = Intent(order_id, "ema_cross", ES, Side.BUY, 2, OrderType.MARKET, False, 100, 9)
        self.tell("risk_engine", intent, "strategy_engine", signal, seen)
        answer = Decision(order_id, code == "OK", code, "3", "4")
        self.tell("strategy_engine", answer, "risk_engine", signal)

    def approval(self, order_id: str, signal: str) -> None:
        body = Approval(order_id, "ema_cross", ES, Side.BUY, 2, OrderType.MARKET, False, 9, "h")
        self.tell("order_router", body, "risk_engine", signal)

    def sent(self, order_id: str, session: str, side: Side, signal: str | None) -> None:
        order = NewOrder(session, order_id, ES, side, 2, OrderType.MARKET, False)
        self.tell("venue", order, session, signal)
        ack = BrokerOrderEvent(session, 1, order_id, "b1", OrderState.ACKNOWLEDGED, "OK", 0)
        self.tell(session, ack, "venue", signal)
        event = OrderEvent(
            order_id, session, "ema_cross", ES, side, 2, OrderType.MARKET,
            OrderAction.ACKNOWLEDGE, "OK", "b1", 0,
        )  # fmt: skip
        self.tell("order_state", event, session, signal)

    def fill(self, order_id: str, session: str, side: Side, signal: str | None) -> None:
        execution_id = f"x{order_id[-1]}{session}"
        heard = BrokerExecution(
            session, 2, order_id, "b1", execution_id, ES, side, 2, 101, 250, 0, 0
        )
        self.tell(session, heard, "venue", signal)
        booked = Execution(
            order_id, session, "ema_cross", execution_id, "b1", ES, side, 2, 101, 250, 0
        )
        self.tell("order_state", booked, session, signal)
        lots = 2 * side.sign
        for layer in ("strategy_engine", "risk_engine", "monitor"):
            position = PositionUpdate("ema_cross", ES, lots, 101 * lots, 0, 0, 250, None)
            self.tell(layer, position, "order_state", signal, after_us=10)
            self.tell(layer, self.update(order_id, session, side), "order_state", signal)

    def update(self, order_id: str, session: str, side: Side) -> OrderUpdate:
        state = OrderState.FILLED
        return OrderUpdate(order_id, session, "ema_cross", ES, side, 2, 2, 202, state, "OK")


def whole_story(root: Path) -> Story:
    """One order filled from a bar, one refused from a tick, one exit of the watchdog's own."""
    story = Story(root)
    story.tick(1)
    story.intent(FILLED, "ema_cross-1-1", story.tick(2, as_bar=True))
    story.approval(FILLED, "ema_cross-1-1")
    story.sent(FILLED, "order_router", Side.BUY, "ema_cross-1-1")
    story.tell("risk_engine", Mark(ES, 0, 0, 100), "market_data")
    story.fill(FILLED, "order_router", Side.BUY, "ema_cross-1-1")
    story.intent(REFUSED, "ema_cross-1-2", story.tick(3), "MAX_POSITION")
    story.sent(EXIT, "watchdog", Side.SELL, "flatten-1")
    story.fill(EXIT, "watchdog", Side.SELL, "flatten-1")
    flat = (BrokerPosition(ES, 0),)
    story.tell("monitor", ReconcileReport(1, True, flat, flat, 2, (), 0), "order_state")
    story.tell("monitor", FeedStatus(ES, FeedState.ENDED, 3, 4, 1, 0, 3, 0), "market_data")
    return story


def snapshot(story: Story, body: Message, continues: bool) -> Snapshot:
    """The owner's answer after a gap, with one message in it."""
    return Snapshot("ledger", 1, 9, continues, (story.frame(body, "order_state")[1],))
