"""The one table of metrics: what every process exports, under which name, in which unit.

The server, the page `docs/metrics.md`, the dashboards and the alert rules all go by it, and tests
compare them. A name is `bulkhead_<what>_<unit>`; a counter is exported with `_total` behind it. All
of ours carry the label `service`. Inside, every number is a whole number in the code's own unit
(nanoseconds, mills); `divisor` is what one exported unit is in it. Pure data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from proto_schemas.registry import SERVICES
from shared.kernel.clock import SECOND

Kind = Literal["counter", "gauge", "histogram"]
DOLLAR_MILLS = 1_000
DATA, STRATEGY, RISK = ("market_data",), ("strategy_engine",), ("risk_engine",)
ROUTER, LEDGER, DOG = ("order_router",), ("order_state",), ("watchdog",)
MONITOR, VENUE = ("monitor",), ("venue",)


@dataclass(frozen=True, slots=True)
class Metric:
    """One row. `ages`: +1 if the value grows by itself with time, -1 if it runs down to 0.

    Such a value is corrected for the time since it was read, so that a process that hangs shows it.
    """

    name: str
    kind: Kind
    text: str
    labels: tuple[str, ...] = ()
    services: tuple[str, ...] = SERVICES
    divisor: int = 1
    ages: Literal[-1, 0, 1] = 0

    @property
    def exported(self) -> tuple[str, ...]:
        """The names that a query can use."""
        match self.kind:
            case "counter":
                return (f"{self.name}_total",)
            case "histogram":
                return tuple(f"{self.name}_{end}" for end in ("bucket", "count", "sum"))
        return (self.name,)


def _seconds(name: str, text: str, *labels: str, services: tuple[str, ...] = SERVICES) -> Metric:
    return Metric(name, "histogram", text, labels, services, SECOND)


def _age(name: str, text: str, *labels: str, services: tuple[str, ...] = SERVICES) -> Metric:
    return Metric(name, "gauge", text, labels, services, SECOND, 1)


def _dollars(name: str, text: str, *labels: str, services: tuple[str, ...]) -> Metric:
    return Metric(name, "gauge", text, labels, services, DOLLAR_MILLS)


def _count(name: str, text: str, *labels: str, services: tuple[str, ...] = SERVICES) -> Metric:
    return Metric(name, "counter", text, labels, services)


def _gauge(name: str, text: str, *labels: str, services: tuple[str, ...] = SERVICES) -> Metric:
    return Metric(name, "gauge", text, labels, services)


_POSITION = ("strategy", "instrument")

TABLE: tuple[Metric, ...] = (
    # every process, counted by its host
    _gauge("bulkhead_build_info", "Always 1; which code and config run", "code", "config"),
    _gauge("bulkhead_starts", "Lives of this process in this run, this one included"),
    _gauge("bulkhead_state", "1 for the state word that holds, else 0", "state"),
    _age("bulkhead_loop_age_seconds", "Time since the main loop was last seen moving"),
    _count("bulkhead_progress", "Inputs stepped, also those of our own"),
    _count("bulkhead_handled", "Inputs handled", "kind"),
    _count("bulkhead_sent", "Messages handed to a socket", "kind"),
    _count("bulkhead_unsent", "Messages that no socket took", "kind"),
    _count("bulkhead_resent", "Commands repeated because no answer had come"),
    _count("bulkhead_repeats_dropped", "Repeats of others that were recognised and dropped"),
    _count("bulkhead_stream_gaps", "Holes seen in streams of others"),
    _count("bulkhead_frames_refused", "Frames that were no message for us, by why", "code"),
    _count("bulkhead_refusals", "Wishes of ours that were refused, by whom and why", "by", "code"),
    _count("bulkhead_alarms", "Log lines of level warning and error", "event"),
    _gauge("bulkhead_queue_size", "How much stands in a bounded queue or map", "queue"),
    _gauge("bulkhead_queue_limit", "How much may stand in it", "queue"),
    _age(
        "bulkhead_message_age_seconds", "Time since the last message of a kind that repeats", "kind"
    ),
    Metric(
        "bulkhead_stream_time_seconds",
        "gauge",
        "Market time, seconds since 1970 (made up or recorded markets have their own)",
        divisor=SECOND,
    ),
    _gauge("bulkhead_journal_size_bytes", "Size of the journal"),
    _seconds("bulkhead_journal_sync_seconds", "Time to bring the journal to disk"),
    _seconds("bulkhead_handle_seconds", "Time in the core for one input"),
    _seconds("bulkhead_hop_seconds", "From a message's send stamp until it is handled", "kind"),
    _seconds(
        "bulkhead_path_seconds",
        "Stages of the order path; tick_to_order is the whole way to the venue",
        "path",
        services=STRATEGY + RISK + ROUTER + MONITOR,
    ),
    # market data
    _count("bulkhead_feed_rows", "Rows of the feed passed on", services=DATA),
    _count("bulkhead_feed_gaps", "Holes in the numbering of the feed", services=DATA),
    _count("bulkhead_feed_repeats", "Rows that came again and were dropped", services=DATA),
    _count("bulkhead_feed_foreign_rows", "Rows of another instrument", services=DATA),
    _count("bulkhead_feed_crossed_quotes", "Quotes with bid at or above ask", services=DATA),
    _age(
        "bulkhead_feed_age_seconds",
        "Time in which a row could have come and none did",
        services=DATA,
    ),
    _gauge("bulkhead_feed_stale", "1 while the feed counts as stale", services=DATA),
    _gauge(
        "bulkhead_feed_awaited",
        "1 while a row is expected: the market is open and the feed may send",
        services=DATA,
    ),
    _gauge("bulkhead_feed_credit_rows", "Rows that the feed may send now", services=DATA),
    # strategy and risk
    _gauge("bulkhead_strategy_paused", "1 if the strategy failed and is paused", services=STRATEGY),
    _count(
        "bulkhead_intents_suppressed",
        "Wishes of the strategy that were not even sent",
        "code",
        services=STRATEGY,
    ),
    _gauge(
        "bulkhead_reserved_lots",
        "Lots approved and not yet ended",
        "instrument",
        "side",
        services=RISK,
    ),
    _gauge("bulkhead_position_limit_lots", "Worst case allowed in one instrument", services=RISK),
    _gauge("bulkhead_ledger_sighted", "1 while the ledger's stream is whole", services=RISK),
    # router
    Metric(
        "bulkhead_lease_left_seconds",
        "gauge",
        "Time until the gate shuts by itself; 0: it is shut",
        services=ROUTER,
        divisor=SECOND,
        ages=-1,
    ),
    _gauge("bulkhead_gate_open", "1 while orders may leave", services=ROUTER),
    _gauge(
        "bulkhead_broker_ready", "1 while the own broker session is whole", services=ROUTER + DOG
    ),
    _gauge("bulkhead_orders_unknown", "Orders of which nobody knows if they live", services=ROUTER),
    # ledger
    _gauge("bulkhead_position_lots", "Position", *_POSITION, services=LEDGER),
    _dollars("bulkhead_realised_dollars", "Realised P&L of the run", *_POSITION, services=LEDGER),
    _dollars("bulkhead_open_dollars", "Open P&L at the mark", *_POSITION, services=LEDGER),
    _dollars("bulkhead_fees_dollars", "Fees of the run", *_POSITION, services=LEDGER),
    _count("bulkhead_executions", "Fills booked", services=LEDGER),
    _count("bulkhead_orders", "Orders booked", services=LEDGER),
    _gauge(
        "bulkhead_reconcile_differences", "Differences found by the last reconcile", services=LEDGER
    ),
    _age("bulkhead_reconcile_age_seconds", "Time since the last reconcile", services=LEDGER),
    # watchdog
    _gauge("bulkhead_killed", "1 while a kill holds; only a person resumes it", services=DOG),
    _gauge("bulkhead_mode", "1 for what is allowed now, else 0", "mode", services=DOG),
    _gauge("bulkhead_session_phase", "1 for the phase that holds, else 0", "phase", services=DOG),
    _gauge("bulkhead_session_over", "1 once a session ends, until the next", services=DOG),
    _gauge("bulkhead_exposed", "1 while a position or a live order is known", services=DOG),
    _gauge(
        "bulkhead_broker_position_lots",
        "Position at the broker, own session",
        "instrument",
        services=DOG,
    ),
    _age("bulkhead_account_age_seconds", "Age of the account as last read", services=DOG),
    # who watches all
    _gauge("bulkhead_peer_up", "1 while its heartbeats come", "peer", services=DOG + MONITOR),
    _dollars("bulkhead_day_profit_dollars", "P&L after fees, this trading day", services=MONITOR),
    _dollars("bulkhead_loss_alarm_dollars", "Loss of a day at which to worry", services=MONITOR),
    # venue
    _count("bulkhead_venue_rows", "Rows of the feed served", services=VENUE),
)

BY_NAME: dict[str, Metric] = {metric.name: metric for metric in TABLE}
EXPORTED: dict[str, Metric] = {name: metric for metric in TABLE for name in metric.exported}
FOREIGN = {
    "ALERTS": "made by Prometheus: 1 for each alert that is pending or fires",
    "up": "made by Prometheus: 1 if the last scrape of a target worked",
    "process_resident_memory_bytes": "made by the Prometheus client: memory of a process",
    "process_cpu_seconds_total": "made by the Prometheus client: processor time of a process",
    "process_open_fds": "made by the Prometheus client: open files of a process",
}
"""Metrics of others that our dashboards and rules use."""
