"""A finished (or running) run in numbers, from its journals alone. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from proto_schemas.broker import BrokerPosition, NewOrder
from proto_schemas.ledger import BrokerReport, Execution, ReconcileReport
from proto_schemas.market_data import FeedStatus
from proto_schemas.signals import Decision, Intent
from services.monitor.trace import LEDGER, RISK, ROUTER, STRATEGY, VENUE, Entry, TraceIndex, missing

MONITOR = "monitor"
KINDS = (
    *("intent", "decision", "new_order", "execution"),
    *("reconcile_report", "broker_report", "feed_status"),
)


@dataclass(frozen=True, slots=True)
class Latency:
    """Tick in (ingestor) to order out (received by the venue), in microseconds, nearest rank."""

    count: int
    p50_us: int
    p99_us: int


@dataclass(frozen=True, slots=True)
class Summary:
    """Plain numbers; `dataclasses.asdict` makes JSON of it. None: the run says nothing about it."""

    run_id: str
    intents: int
    decisions: dict[str, int]
    orders: int
    fills: int
    position_lots: dict[str, int]
    broker_position_lots: dict[str, int] | None
    reconciled: bool | None
    feed: dict[str, str | int] | None
    latency: Latency | None
    client_order_ids: tuple[str, ...]
    trace_id: str | None


@dataclass(slots=True)
class SummaryBuilder:
    """Counts while the journals are read. Each id counts once, however often it was told."""

    intents: dict[str, None] = field(default_factory=dict)
    decisions: dict[str, str] = field(default_factory=dict)
    orders: dict[str, None] = field(default_factory=dict)
    router_orders: dict[str, None] = field(default_factory=dict)
    fills: dict[str, Execution] = field(default_factory=dict)
    broker: tuple[int, dict[str, int]] | None = None
    reconciled: tuple[int, bool] | None = None
    feed: FeedStatus | None = None

    def add(self, entry: Entry) -> None:
        """Take one record of any journal."""
        if entry.envelope.kind not in KINDS:
            return
        match entry.layer, entry.body:
            case (layer, Intent(client_order_id=order_id)) if layer == RISK:
                self.intents[order_id] = None
            case (layer, Decision() as decision) if layer == STRATEGY:
                self.decisions[decision.client_order_id] = decision.code
            case (layer, NewOrder(client_order_id=order_id)) if layer == VENUE:
                self.orders[order_id] = None
                if entry.envelope.producer == ROUTER:
                    self.router_orders[order_id] = None
            case (layer, Execution() as execution) if layer == LEDGER:
                self.fills[execution.execution_id] = execution
            case (layer, FeedStatus() as status) if layer == MONITOR:
                self.feed = status
            case (_, ReconcileReport() as report):
                self._keep_broker(entry, report.broker_positions)
                if self.reconciled is None or entry.now.boot_ns >= self.reconciled[0]:
                    self.reconciled = (entry.now.boot_ns, report.clean)
            case (layer, BrokerReport(positions=positions)) if layer == LEDGER:
                self._keep_broker(entry, positions)

    def finish(self, run_id: str, index: TraceIndex) -> Summary:
        """The numbers, with what only whole traces can tell."""
        feed = self.feed
        return Summary(
            run_id=run_id,
            intents=len(self.intents),
            decisions=_count(self.decisions),
            orders=len(self.orders),
            fills=len(self.fills),
            position_lots=self._positions(),
            broker_position_lots=self.broker[1] if self.broker else None,
            reconciled=self.reconciled[1] if self.reconciled else None,
            feed=_feed_fields(feed) if feed else None,
            latency=self._latency(index),
            client_order_ids=tuple(index.order_ids()),
            trace_id=_whole_trace(index),
        )

    def _keep_broker(self, entry: Entry, positions: tuple[BrokerPosition, ...]) -> None:
        """The newest word on the broker's account wins, whoever heard it."""
        if self.broker is None or entry.now.boot_ns >= self.broker[0]:
            lots = {item.instrument: item.position_lots for item in positions}
            self.broker = (entry.now.boot_ns, lots)

    def _positions(self) -> dict[str, int]:
        lots: dict[str, int] = {}
        for fill in self.fills.values():
            change = fill.side.sign * fill.quantity_lots
            lots[fill.instrument] = lots.get(fill.instrument, 0) + change
        return lots

    def _latency(self, index: TraceIndex) -> Latency | None:
        found = (index.tick_to_order_us(order_id) for order_id in self.router_orders)
        times = sorted(us for us in found if us is not None)
        if not times:
            return None
        return Latency(len(times), percentile(times, 50), percentile(times, 99))


def percentile(ordered: list[int], percent: int) -> int:
    """Nearest rank: the smallest value that at least `percent` of all do not exceed."""
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, rank - 1)]


def _count(decisions: dict[str, str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for code in decisions.values():
        counts[code] = counts.get(code, 0) + 1
    return counts


def _feed_fields(feed: FeedStatus) -> dict[str, str | int]:
    return {
        "state": feed.state.value,
        "feed_seq": feed.feed_seq,
        "rows_in": feed.rows_in,
        "rows_other": feed.rows_other,
        "rows_bad": feed.rows_bad,
        "events_out": feed.events_out,
        "gaps": feed.gaps,
    }


def _whole_trace(index: TraceIndex) -> str | None:
    """Correlation id of the first filled order of a strategy whose story has no hole."""
    for order_id in index.order_ids():
        found = index.trace(order_id)
        if found.from_signal and found.outcome == "FILLED" and not missing(found):
            return found.correlation_id
    return None
