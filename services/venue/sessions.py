"""Broker sessions: each numbers its own events without a hole and keeps the last of them.

A peer that was away, or a venue that was, costs nothing: the peer names the last number it saw and
hears the rest again, the same messages with the same numbers.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from proto_schemas.broker import BrokerExecution, BrokerOrderEvent
from shared.venue import Change, Fill, Report

SESSION_EVENTS_MAX = 20_000

SessionMessage = BrokerOrderEvent | BrokerExecution


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """A numbered message and the correlation id of the order that it is about."""

    message: SessionMessage
    correlation_id: str | None


@dataclass(slots=True)
class Session:
    """One peer's session; it lives as long as the account."""

    last_seq: int = 0
    kept: deque[SessionEvent] = field(default_factory=lambda: deque(maxlen=SESSION_EVENTS_MAX))

    def add(self, report: Report) -> SessionEvent:
        """Number what the exchange reported, and keep it."""
        self.last_seq += 1
        event = SessionEvent(_message(report, self.last_seq), report.correlation_id)
        self.kept.append(event)
        return event

    def first_kept_seq(self) -> int:
        """The oldest number that can still be heard again; last + 1 if there is none."""
        return self.last_seq - len(self.kept) + 1

    def after(self, session_seq: int) -> list[SessionEvent]:
        """Every kept event with a higher number, in order."""
        return [event for event in self.kept if event.message.session_seq > session_seq]


def _message(report: Report, session_seq: int) -> SessionMessage:
    match report:
        case Change():
            return BrokerOrderEvent(
                report.session, session_seq, report.client_order_id, report.broker_order_id,
                report.state, report.code, report.exchange_ns, report.revision,
                report.change_refused, report.quantity_lots, report.price_ticks,
            )  # fmt: skip
        case Fill():
            return BrokerExecution(
                report.session, session_seq, report.client_order_id, report.broker_order_id,
                report.execution_id, report.instrument, report.side, report.quantity_lots,
                report.price_ticks, report.fee_mills, report.leaves_lots, report.exchange_ns,
            )  # fmt: skip
