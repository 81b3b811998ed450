"""The one table of everything that can be said: kind, class of delivery, who to whom.

Sockets, subscriptions, staleness limits, metric labels, the who-talks-to-whom page and the JSON
Schemas derive from it; nothing is listed twice. Names are never reused: a retired kind stays as a
tombstone. Delivery classes:

- `stream`: PUB/SUB, gapless per (producer, stream); a gap makes the reader BLIND until resynced.
- `conflate`: PUB/SUB, the latest wins, losing one is harmless.
- `latch`: PUB/SUB, repeated by its owner and idempotent.
- `command`: DEALER to ROUTER, repeated with the same id until answered; answered once, then from a
  cache.
- `send` and `push`: one shot to the binding side, or from it; never repeated by the bus.
- `reply`: the answer to a command.
- `internal`: made by the host of one process, journaled, never on a wire.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Literal

from proto_schemas import broker, control, ledger, market_data, signals
from proto_schemas.base import Message
from proto_schemas.quick_init import quick_init

Delivery = Literal["stream", "conflate", "latch", "command", "send", "push", "reply", "internal"]

SERVICES = (
    "venue",
    "market_data",
    "strategy_engine",
    "risk_engine",
    "order_router",
    "order_state",
    "watchdog",
    "monitor",
)
ANY = "*"


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of message. `rate_per_s` is the normal rate that staleness limits derive from."""

    model: type[Message]
    delivery: Delivery
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    stream: str = ""
    replies: tuple[type[Message], ...] = ()
    journaled: bool = True
    rate_per_s: int | None = None
    version: int = 1
    kind: str = field(init=False)

    def __post_init__(self) -> None:
        """The wire name is the class name in snake case."""
        object.__setattr__(self, "kind", _snake(self.model.__name__))


def _snake(name: str) -> str:
    """`OrderUpdate` -> `order_update`."""
    return "".join(f"_{c.lower()}" if c.isupper() and i else c.lower() for i, c in enumerate(name))


_VENUE, _DATA, _STRATEGY, _RISK = (
    ("venue",),
    ("market_data",),
    ("strategy_engine",),
    ("risk_engine",),
)
_ROUTER, _LEDGER, _DOG, _MONITOR = ("order_router",), ("order_state",), ("watchdog",), ("monitor",)
_SESSIONS = _ROUTER + _DOG
_ACK = (signals.Ack, signals.Nack)
_DECIDED = (signals.Decision, signals.Nack)

TABLE: tuple[Row, ...] = (
    # the feed, paced by credit
    Row(market_data.FeedOpen, "send", _DATA, _VENUE),
    Row(market_data.FeedCredit, "send", _DATA, _VENUE),
    Row(market_data.FeedTrade, "push", _VENUE, _DATA),
    Row(market_data.FeedQuote, "push", _VENUE, _DATA),
    Row(market_data.FeedDepth, "push", _VENUE, _DATA),
    Row(market_data.FeedBurst, "push", _VENUE, _DATA),
    Row(market_data.FeedEnd, "push", _VENUE, _DATA),
    Row(market_data.MarketProgress, "send", _STRATEGY, _DATA),
    # market data
    Row(market_data.Trade, "stream", _DATA, _STRATEGY, "market.{instrument}"),
    Row(market_data.Quote, "stream", _DATA, _STRATEGY, "market.{instrument}"),
    Row(market_data.Depth, "stream", _DATA, _STRATEGY, "market.{instrument}"),
    Row(market_data.MarketBurst, "stream", _DATA, _STRATEGY, "market.{instrument}"),
    Row(market_data.Bar, "stream", _DATA, _STRATEGY, "market.{instrument}"),
    Row(market_data.Mark, "conflate", _DATA, _RISK + _LEDGER + _DOG, "mark", rate_per_s=20),
    Row(market_data.FeedStatus, "latch", _DATA, _RISK + _DOG + _MONITOR, "feed", rate_per_s=1),
    # the order path
    Row(signals.Intent, "command", _STRATEGY, _RISK, replies=_DECIDED, version=3),
    Row(signals.CancelIntent, "command", _STRATEGY, _RISK, replies=_DECIDED),
    Row(signals.ReplaceIntent, "command", _STRATEGY, _RISK, replies=_DECIDED, version=2),
    Row(signals.Decision, "reply", _RISK, _STRATEGY),
    Row(signals.Approval, "command", _RISK, _ROUTER, replies=_ACK, version=2),
    Row(signals.CancelApproval, "command", _RISK, _ROUTER, replies=_ACK),
    Row(signals.ReplaceApproval, "command", _RISK, _ROUTER, replies=_ACK),
    Row(signals.Ack, "reply", (ANY,), (ANY,)),
    Row(signals.Nack, "reply", (ANY,), (ANY,)),
    # broker sessions
    Row(broker.NewOrder, "send", _SESSIONS, _VENUE, version=2),
    Row(broker.CancelOrder, "send", _SESSIONS, _VENUE),
    Row(broker.ReplaceOrder, "send", _SESSIONS, _VENUE),
    Row(broker.CancelOthers, "send", _DOG, _VENUE),
    Row(broker.BrokerQuery, "send", _SESSIONS, _VENUE),
    Row(broker.BrokerOrderEvent, "push", _VENUE, _SESSIONS, version=2),
    Row(broker.BrokerExecution, "push", _VENUE, _SESSIONS),
    Row(broker.BrokerSnapshot, "push", _VENUE, _SESSIONS, version=2),
    # the ledger
    Row(ledger.OrderEvent, "command", _SESSIONS, _LEDGER, replies=_ACK, version=2),
    Row(ledger.Execution, "command", _SESSIONS, _LEDGER, replies=_ACK),
    Row(
        ledger.OrderUpdate,
        "stream",
        _LEDGER,
        _STRATEGY + _RISK + _DOG + _MONITOR,
        "ledger",
        version=2,
    ),
    Row(ledger.PositionUpdate, "stream", _LEDGER, _STRATEGY + _RISK + _DOG + _MONITOR, "ledger"),
    Row(ledger.ReconcileReport, "stream", _LEDGER, _STRATEGY + _RISK + _DOG + _MONITOR, "ledger"),
    Row(ledger.ReconcileFetch, "command", _DOG, _ROUTER, replies=_ACK),
    Row(ledger.BrokerReport, "command", _ROUTER, _LEDGER, replies=_ACK, version=2),
    # lease and control
    Row(control.LeaseRequest, "send", _ROUTER, _DOG, rate_per_s=4),
    Row(control.Lease, "push", _DOG, _ROUTER, rate_per_s=4),
    Row(
        control.Control,
        "latch",
        _DOG,
        _DATA + _STRATEGY + _RISK + _ROUTER + _MONITOR,
        "control",
        rate_per_s=1,
    ),
    Row(control.GateClose, "command", _DOG, _ROUTER, replies=(control.GateClosed,)),
    Row(control.GateClosed, "reply", _ROUTER, _DOG),
    Row(control.AccountView, "latch", _DOG, _MONITOR, "account", rate_per_s=1),
    Row(control.KillRequest, "command", ("cli",), _DOG, replies=_ACK),
    Row(control.ResumeRequest, "command", ("cli",), _DOG, replies=_ACK),
    Row(
        control.ReloadRequest,
        "command",
        ("cli",),
        _STRATEGY,
        replies=(control.StrategyReloaded, signals.Nack),
    ),
    Row(control.StrategyReloaded, "reply", _STRATEGY, ("cli",)),
    # replicas, liveness, operators
    Row(
        control.SnapshotRequest,
        "command",
        (ANY,),
        (ANY,),
        replies=(control.Snapshot,),
        journaled=False,
    ),
    Row(control.Snapshot, "reply", (ANY,), (ANY,)),
    Row(control.Heartbeat, "conflate", (ANY,), (ANY,), "heartbeat", journaled=False, rate_per_s=4),
    Row(
        control.StatusRequest,
        "command",
        ("cli",),
        _MONITOR,
        replies=(control.StatusReport,),
        journaled=False,
    ),
    Row(control.StatusReport, "reply", _MONITOR, ("cli",), journaled=False),
    # made by a process's own host
    Row(control.Started, "internal", (ANY,), (ANY,)),
    Row(control.KillSeen, "internal", (ANY,), (ANY,)),
    Row(control.LatchSeen, "internal", (ANY,), (ANY,)),
    Row(control.Fenced, "internal", (ANY,), (ANY,)),
    Row(control.TimerFired, "internal", (ANY,), (ANY,)),
    Row(control.HookCut, "internal", (ANY,), (ANY,), version=2),
    Row(control.StrategyFile, "internal", (ANY,), (ANY,)),
    Row(control.Garbled, "internal", (ANY,), (ANY,)),
    Row(control.PeerStatus, "internal", (ANY,), (ANY,)),
    Row(control.Blind, "internal", (ANY,), (ANY,)),
    Row(control.Replace, "internal", (ANY,), (ANY,)),
    Row(control.Sighted, "internal", (ANY,), (ANY,)),
    Row(control.RequestExpired, "internal", (ANY,), (ANY,)),
    Row(control.Undelivered, "internal", (ANY,), (ANY,)),
)

for _row in TABLE:  # of all that is made for an order, most are messages
    quick_init(_row.model)

BY_KIND: dict[str, Row] = {row.kind: row for row in TABLE}
BY_MODEL: dict[type[Message], Row] = {row.model: row for row in TABLE}


@cache
def streams_consumed(service: str) -> dict[str, tuple[str, ...]]:
    """Stream templates that `service` subscribes to, each with its producers (heartbeats apart)."""
    found: dict[str, tuple[str, ...]] = {}
    for row in TABLE:
        if row.stream and service in row.consumers:
            found[row.stream] = row.producers
    return found


def gapless_streams(service: str, instrument: str) -> dict[str, str]:
    """Streams of a run that `service` must follow without a hole: name -> producer."""
    return {
        row.stream.format(instrument=instrument): row.producers[0]
        for row in TABLE
        if row.delivery == "stream" and service in row.consumers
    }


@cache
def command_peers(service: str) -> tuple[str, ...]:
    """Services that `service` connects to: it sends them commands, or must ask for a snapshot."""
    peers = {
        consumer
        for row in TABLE
        if row.delivery in ("command", "send") and service in row.producers
        for consumer in row.consumers
    }
    for row in TABLE:
        if row.delivery == "stream" and service in row.consumers:
            peers.update(row.producers)
    return tuple(name for name in SERVICES if name in peers and name != service)


@cache
def execution_peers(service: str) -> tuple[str, ...]:
    """Who executes orders of `service`: nonsense from there must not be passed over."""
    row = BY_MODEL[broker.BrokerExecution]
    return row.producers if service in row.consumers else ()


@cache
def peers_of(service: str) -> tuple[str, ...]:
    """Services whose heartbeat matters to `service`: everyone it listens to or sends to.

    The watchdog and the monitor look after all.
    """
    if service in ("watchdog", "monitor"):
        return tuple(name for name in SERVICES if name != service)
    wanted = set(command_peers(service))
    for row in TABLE:
        if service in row.consumers and row.delivery in ("stream", "conflate", "latch", "push"):
            wanted.update(row.producers)
    return tuple(name for name in SERVICES if name in wanted and name != service)
