"""One plausible, fully filled message of every kind: what the golden files are made of.

They tell one trade, so that the pages read like a story. Never edit a sample of a released version:
its bytes stand in `proto_schemas/golden/`. A new version of a kind gets a new sample.
"""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from proto_schemas.base import Envelope, Message
from proto_schemas.broker import (
    BrokerExecution,
    BrokerOrder,
    BrokerOrderEvent,
    BrokerPosition,
    BrokerQuery,
    BrokerSnapshot,
    CancelOrder,
    CancelOthers,
    NewOrder,
    ReplaceOrder,
)
from proto_schemas.control import (
    AccountView,
    Blind,
    Control,
    Fenced,
    Garbled,
    GateClose,
    GateClosed,
    Heartbeat,
    HookCut,
    KillRequest,
    KillSeen,
    LatchSeen,
    Lease,
    LeaseRequest,
    PeerStatus,
    ReloadRequest,
    Replace,
    RequestExpired,
    ResumeRequest,
    ServiceStatus,
    Sighted,
    Snapshot,
    SnapshotRequest,
    Started,
    StatusReport,
    StatusRequest,
    StrategyFile,
    StrategyReloaded,
    TimerFired,
    Undelivered,
)
from proto_schemas.enums import (
    FeedState,
    Mode,
    OrderAction,
    OrderState,
    OrderType,
    ServiceState,
    SessionPhase,
    Side,
)
from proto_schemas.ledger import (
    Break,
    BrokerReport,
    Execution,
    OrderEvent,
    OrderUpdate,
    PositionUpdate,
    ReconcileFetch,
    ReconcileReport,
)
from proto_schemas.market_data import (
    Bar,
    Depth,
    FeedBurst,
    FeedCredit,
    FeedDepth,
    FeedEnd,
    FeedOpen,
    FeedQuote,
    FeedStatus,
    FeedTrade,
    Level,
    Mark,
    MarketBurst,
    MarketProgress,
    Quote,
    Trade,
)
from proto_schemas.registry import ANY, BY_MODEL
from proto_schemas.signals import (
    Ack,
    Approval,
    CancelApproval,
    CancelIntent,
    Decision,
    Intent,
    Leg,
    Nack,
    ReplaceApproval,
    ReplaceIntent,
)
from shared.bus.codec import stream_of

ORDER = "9f3ac21b-77d0-0001-0002-00000000002a"
STOP_LEG = "9f3ac21b-77d0-0001-0002-00000000002b"
TARGET_LEG = "9f3ac21b-77d0-0001-0002-00000000002c"
ES, SESSION, STRATEGY = "ESZ24", "order_router", "ema_cross"
TRADED_NS = 1_733_148_000_123_456_789
RECEIVED_NS = 86_400_000_000_000
PRICE = 24_310
LIMITS = "4c1f0a9be27d"
SOURCE = '"""One line is enough for a sample."""\n'
SOURCE_HASH = sha256(SOURCE.encode()).hexdigest()


def sample_envelope(message: Message) -> Envelope:
    """The fixed envelope of a sample."""
    row = BY_MODEL[type(message)]
    producer = row.producers[0] if row.producers[0] != ANY else "order_state"
    stream = stream_of(message, fallback="internal" if row.delivery == "internal" else "to.peer")
    cause = "strategy_engine/2/to.risk_engine/17"
    times = (RECEIVED_NS, TRADED_NS)
    return Envelope(row.kind, row.version, producer, 2, stream, 42, *times, "ema_cross-2-42", cause)


_UPDATE = OrderUpdate(
    client_order_id=STOP_LEG,
    session=SESSION,
    strategy=STRATEGY,
    instrument=ES,
    side=Side.SELL,
    quantity_lots=2,
    filled_lots=1,
    filled_cost_ticks=PRICE - 12,
    state=OrderState.PARTIAL_FILL,
    code="OK",
    order_type=OrderType.STOP,
    price_ticks=PRICE - 12,
    reduce_only=True,
    parent_id=ORDER,
    revision=1,
)
_BROKER_ORDERS = (
    BrokerOrder(
        client_order_id=STOP_LEG,
        session=SESSION,
        instrument=ES,
        side=Side.SELL,
        quantity_lots=2,
        filled_lots=1,
        state=OrderState.PARTIAL_FILL,
        order_type=OrderType.STOP,
        price_ticks=PRICE - 12,
        reduce_only=True,
        parent_id=ORDER,
        revision=1,
    ),
)
# A snapshot holds frames; this one is of the version before, which is still read.
_GOLDEN = Path(__file__).resolve().parents[2] / "proto_schemas" / "golden"
_OLD_FRAME = (_GOLDEN / "order_update.v1.bin").read_bytes()
_LEGS = (
    Leg(STOP_LEG, OrderType.STOP, PRICE - 16),
    Leg(TARGET_LEG, OrderType.LIMIT, PRICE + 16),
)
_BROKER_POSITIONS = (BrokerPosition(ES, 1), BrokerPosition("NQZ24", -3))

_FEED: tuple[Message, ...] = (
    FeedOpen(0, 256),
    FeedCredit(512),
    FeedTrade(42, ES, TRADED_NS, PRICE, 3),
    FeedQuote(43, ES, TRADED_NS, Level(PRICE - 1, 120), Level(PRICE, 87)),
    FeedDepth(
        44, ES, TRADED_NS, (Level(PRICE - 1, 120), Level(PRICE - 2, 240)), (Level(PRICE, 87),)
    ),
    FeedBurst(
        (FeedTrade(45, ES, TRADED_NS, PRICE, 3), FeedTrade(47, ES, TRADED_NS, PRICE, None)),
        (FeedQuote(46, ES, TRADED_NS, Level(PRICE - 1, 117), Level(PRICE, 87)),),
        (FeedDepth(48, ES, TRADED_NS, (Level(PRICE - 1, 117),), ()),),
    ),
    FeedEnd(40_000, ES, 40_000, 12, 1),
    MarketProgress("strategy_engine", 42),
    Trade(42, ES, TRADED_NS, RECEIVED_NS, PRICE, 3),
    Quote(43, ES, TRADED_NS, RECEIVED_NS, Level(PRICE - 1, 120), Level(PRICE, 87)),
    Depth(
        44,
        ES,
        TRADED_NS,
        RECEIVED_NS,
        (Level(PRICE - 1, 120),),
        (Level(PRICE, 87), Level(PRICE + 1, 310)),
    ),
    MarketBurst(
        ES,
        (
            Trade(45, ES, TRADED_NS, RECEIVED_NS, PRICE, 3),
            Trade(47, ES, TRADED_NS, RECEIVED_NS, PRICE, None),
        ),
        (Quote(46, ES, TRADED_NS, RECEIVED_NS, Level(PRICE - 1, 117), Level(PRICE, 87)),),
        (Depth(48, ES, TRADED_NS, RECEIVED_NS, (Level(PRICE - 1, 117),), ()),),
    ),
    Bar(
        instrument=ES,
        start_ns=1_733_147_940_000_000_000,
        span_ns=60_000_000_000,
        receive_ns=RECEIVED_NS,
        open_ticks=24_300,
        high_ticks=24_312,
        low_ticks=24_298,
        close_ticks=PRICE,
        volume_lots=811,
        trades=240,
    ),
    Mark(ES, TRADED_NS, RECEIVED_NS, PRICE),
    FeedStatus(ES, FeedState.LIVE, 42, 42, 0, 0, 43, 0),
)
_ORDER_PATH: tuple[Message, ...] = (
    Intent(
        client_order_id=ORDER,
        strategy=STRATEGY,
        instrument=ES,
        side=Side.BUY,
        quantity_lots=2,
        order_type=OrderType.LIMIT,
        reduce_only=False,
        reference_ticks=PRICE,
        expires_ns=RECEIVED_NS + 10**9,
        price_ticks=PRICE - 1,
        legs=_LEGS,
        data_ns=RECEIVED_NS,
    ),
    CancelIntent(STRATEGY, ORDER),
    ReplaceIntent(STRATEGY, ORDER, 7, 2, PRICE - 2, PRICE, RECEIVED_NS + 10**9, RECEIVED_NS),
    Decision(ORDER, False, "PRICE_COLLAR", "40 ticks", "57 ticks"),
    Approval(
        client_order_id=ORDER,
        strategy=STRATEGY,
        instrument=ES,
        side=Side.BUY,
        quantity_lots=2,
        order_type=OrderType.LIMIT,
        reduce_only=False,
        expires_ns=RECEIVED_NS + 10**9,
        limits_hash=LIMITS,
        price_ticks=PRICE - 1,
        legs=_LEGS,
    ),
    CancelApproval(STRATEGY, ORDER),
    ReplaceApproval(STRATEGY, ORDER, 7, 2, PRICE - 2, RECEIVED_NS + 10**9, LIMITS),
    Ack(),
    Nack("GATE_CLOSED", "lease", "none since 1200 ms"),
)
_BROKER: tuple[Message, ...] = (
    NewOrder(SESSION, ORDER, ES, Side.BUY, 2, OrderType.LIMIT, False, PRICE - 1, _LEGS),
    CancelOrder(SESSION, ORDER, 2),
    ReplaceOrder(SESSION, ORDER, 1, 2, PRICE - 2),
    CancelOthers(SESSION),
    BrokerQuery(SESSION, 6, 3),
    BrokerOrderEvent(
        session=SESSION,
        session_seq=7,
        client_order_id=ORDER,
        broker_order_id="V-1042",
        state=OrderState.WORKING,
        code="TOO_LATE",
        exchange_ns=TRADED_NS,
        revision=1,
        change_refused=True,
        quantity_lots=2,
        price_ticks=PRICE - 2,
    ),
    BrokerExecution(
        session=SESSION,
        session_seq=8,
        client_order_id=ORDER,
        broker_order_id="V-1042",
        execution_id="V-E-77",
        instrument=ES,
        side=Side.BUY,
        quantity_lots=1,
        price_ticks=PRICE,
        fee_mills=2_250,
        leaves_lots=1,
        exchange_ns=TRADED_NS,
    ),
    BrokerSnapshot(SESSION, 3, 8, 7, _BROKER_ORDERS, _BROKER_POSITIONS, True),
)
_LEDGER: tuple[Message, ...] = (
    OrderEvent(
        client_order_id=TARGET_LEG,
        session=SESSION,
        strategy=STRATEGY,
        instrument=ES,
        side=Side.SELL,
        quantity_lots=2,
        order_type=OrderType.LIMIT,
        action=OrderAction.REPLACE,
        code="REPLACED",
        broker_order_id="V-1042",
        exchange_ns=TRADED_NS,
        price_ticks=PRICE + 20,
        reduce_only=True,
        parent_id=ORDER,
        revision=1,
    ),
    Execution(
        client_order_id=ORDER,
        session=SESSION,
        strategy=STRATEGY,
        execution_id="V-E-77",
        broker_order_id="V-1042",
        instrument=ES,
        side=Side.BUY,
        quantity_lots=1,
        price_ticks=PRICE,
        fee_mills=2_250,
        exchange_ns=TRADED_NS,
    ),
    _UPDATE,
    PositionUpdate(STRATEGY, ES, 2, 2 * PRICE, -12_500, 25_000, 4_500, PRICE + 1),
    ReconcileReport(
        reconcile_id=3,
        clean=False,
        ledger_positions=(BrokerPosition(ES, 2),),
        broker_positions=_BROKER_POSITIONS,
        orders_compared=1,
        breaks=(Break("POSITION_DIFFERS", ES, 2, 1),),
        at_ns=RECEIVED_NS,
    ),
    ReconcileFetch(3),
    BrokerReport(3, _BROKER_ORDERS, _BROKER_POSITIONS),
)
_CONTROL: tuple[Message, ...] = (
    LeaseRequest(9),
    Lease(9, 4, Mode.NORMAL, 1_000_000_000),
    Control(
        4, Mode.REDUCE_ONLY, SessionPhase.ENTRIES_STOPPED, "session ends", False, True, "kill-2-1"
    ),
    KillRequest("cli", "something is wrong"),
    KillSeen("file", "KILL"),
    ResumeRequest("kill-2-1", "ada", "found the reason"),
    ReloadRequest(True),
    StrategyReloaded(
        "STRATEGY_FORBIDDEN", "mine.py:7", "import os", "Leave it out and use ctx.", SOURCE_HASH
    ),
    LatchSeen("kill-2-1", "something is wrong", False),
    GateClose(5),
    GateClosed(5, (ORDER,)),
    Fenced("order_router", "ENDED"),
    AccountView(_BROKER_POSITIONS, 1, RECEIVED_NS),
    SnapshotRequest("ledger", 2, 41),
    Snapshot("ledger", 2, 42, True, (_OLD_FRAME,)),
    Heartbeat("order_state", 4711, ServiceState.READY, 90_210, "0a1b2c3d4e5f", 9_105),
    StatusRequest(),
    StatusReport(
        (ServiceStatus("venue", 4712, ServiceState.TRADING, 1, 250_000_000, True),),
        {"feed_seq": 42, "mode": "NORMAL", "reconciled": True, "last_break": None},
    ),
    Started("9f3ac21b77d0", "c0ffee123456", "0a1b2c3d4e5f"),
    TimerFired("lease"),
    StrategyFile("mine", "mine.py", SOURCE_HASH, SOURCE, "OK", "", "", ""),
    HookCut("market_data/2/market.ESZ24/43", 17),
    Garbled("venue", "FRAME_SHAPE"),
    PeerStatus("order_router", True, 3),
    Blind("ledger", "order_state"),
    Replace("ledger", "order_state"),
    Sighted("ledger", "order_state"),
    RequestExpired("strategy_engine/2/to.risk_engine/17", "intent"),
    Undelivered("order_router/2/send.venue/5", "new_order", ORDER),
)

SAMPLES: dict[type[Message], Message] = {
    type(message): message for message in _FEED + _ORDER_PATH + _BROKER + _LEDGER + _CONTROL
}
