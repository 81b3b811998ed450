"""The venue: matches every feed row first, then serves it; keeps the account and its sessions.

Theory of operation. Rows come in as own inputs, handed over by the pump (or the lab) only up to the
credit in `feed`. A row first meets the waiting orders, so that fills leave before the row that
caused them; then it is pushed to market_data. A push may be lost: rows are asked for again by
`feed_seq`, broker events by `session_seq`. Both numberings live here and outlive every restart,
because they are made from journaled inputs only.

Limits: the venue trusts its peers' names; it is a simulator, the fence is around its sockets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from proto_schemas.base import Message
from proto_schemas.broker import (
    BrokerOrder,
    BrokerPosition,
    BrokerQuery,
    BrokerSnapshot,
    CancelOrder,
    CancelOthers,
    NewOrder,
    ReplaceOrder,
)
from proto_schemas.enums import ServiceState
from proto_schemas.market_data import (
    FeedCredit,
    FeedDepth,
    FeedEnd,
    FeedOpen,
    FeedQuote,
    FeedTrade,
)
from services.venue.config import VenueConfig
from services.venue.served_feed import FeedItem, ServedFeed
from services.venue.sessions import Session, SessionEvent
from shared.kernel.clock import Now
from shared.kernel.outputs import Event, Log, Output, Push
from shared.kernel.pack import put_back
from shared.kernel.readings import Readings
from shared.markets import parse_contract
from shared.venue import Exchange, ExchangeState, Order, Report

MARKET_DATA = "market_data"
SNAPSHOT_FINISHED_MAX = 2_000  # of 300 bytes each: a snapshot stays below the frame limit


@dataclass(slots=True)
class VenueState:
    """Everything that changes."""

    exchange: ExchangeState
    feed: ServedFeed
    sessions: dict[str, Session]
    last_exchange_ns: int = 0


class VenueCore:
    """One account, one recorded feed. The pump reads `feed` and never writes it."""

    def __init__(self, config: VenueConfig) -> None:
        self.exchange = Exchange([parse_contract(config.instrument)])
        self.feed = ServedFeed()
        self._state = VenueState(self.exchange.state, self.feed, {})

    def handle(self, event: Event, now: Now) -> list[Output]:
        """Take one input; see the file's docstring."""
        match event.body:
            case FeedTrade() | FeedQuote() | FeedDepth() as row:
                return self._on_row(row)
            case NewOrder() | CancelOrder() | ReplaceOrder() as wanted:
                return self._on_order(wanted, event, now)
            case FeedCredit(credit_feed_seq):
                self.feed.raise_credit(credit_feed_seq)
                return []
            case FeedOpen() as opened:
                return self._on_open(opened)
            case CancelOthers(session):
                return self._on_cancel(session, event, now)
            case BrokerQuery() as query:
                return self._on_query(query, event)
            case FeedEnd() as end:
                return self._on_end(end)
        return []

    def current(self, stream: str) -> list[Message]:
        """The venue publishes no stream."""
        return []

    def state_word(self) -> str:
        """READY for orders at once; TRADING while the feed runs."""
        running = self.feed.fed_seq > 0 and not self.feed.ended
        return ServiceState.TRADING if running else ServiceState.READY

    def readings(self, now: Now) -> Readings:
        """Numbers for whoever watches."""
        return {("bulkhead_venue_rows",): self.feed.fed_seq}

    def state(self) -> object:
        """Account, sessions and feed."""
        return self._state

    def restore(self, state: Any) -> None:
        """Take back what `state` once gave."""
        put_back(self._state.exchange, state.exchange)
        put_back(self.feed, state.feed)  # the pump looks at this very object
        state.exchange, state.feed = self._state.exchange, self.feed
        self._state = state

    # --- the feed -------------------------------------------------------------------------------

    def _on_row(self, row: FeedTrade | FeedQuote | FeedDepth) -> list[Output]:
        self.feed.add(row)
        self._state.last_exchange_ns = row.exchange_ns
        return [*self._report(self._match(row)), Push(MARKET_DATA, row)]

    def _match(self, row: FeedTrade | FeedQuote | FeedDepth) -> list[Report]:
        instrument, at_ns = row.instrument, row.exchange_ns
        match row:
            case FeedTrade(price_ticks=price_ticks, quantity_lots=lots):
                return self.exchange.trade(instrument, at_ns, price_ticks, lots)
            case FeedQuote(bid=bid, ask=ask):
                return self.exchange.quote(instrument, at_ns, bid, ask)
            case FeedDepth(bids=bids, asks=asks):
                return self.exchange.depth(instrument, at_ns, bids, asks)

    def _on_end(self, end: FeedEnd) -> list[Output]:
        self.feed.add(end)
        reports = self.exchange.end(end.instrument, self._state.last_exchange_ns)
        log = Log(
            "feed_ended",
            {"rows_in": end.rows_in, "rows_other": end.rows_other, "rows_bad": end.rows_bad},
        )
        return [*self._report(reports), Push(MARKET_DATA, end), log]

    def _on_open(self, opened: FeedOpen) -> list[Output]:
        """Serve again what the reader has not seen, then go on up to its credit."""
        self.feed.raise_credit(opened.credit_feed_seq)
        if not self.feed.has_all_after(opened.after_feed_seq):
            # Some other run's reader, or a journal was lost: a hole must not look like a start.
            return [
                Log(
                    "feed_rows_gone",
                    {"after_feed_seq": opened.after_feed_seq, "fed_seq": self.feed.fed_seq},
                    "error",
                )
            ]
        rows: list[FeedItem] = self.feed.after(opened.after_feed_seq)
        return [Push(MARKET_DATA, row) for row in rows]

    # --- orders and sessions --------------------------------------------------------------------

    def _on_order(
        self, wanted: NewOrder | CancelOrder | ReplaceOrder, event: Event, now: Now
    ) -> list[Output]:
        if wanted.session != event.envelope.producer:
            return [_foreign(wanted.session, event)]
        match wanted:
            case NewOrder():
                correlation_id = event.envelope.correlation_id
                return self._report(self.exchange.submit(wanted, now.stream_ns, correlation_id))
            case CancelOrder():
                return self._report(self.exchange.cancel(wanted, now.stream_ns))
            case ReplaceOrder():
                return self._report(self.exchange.replace(wanted, now.stream_ns))

    def _on_cancel(self, session: str, event: Event, now: Now) -> list[Output]:
        if session != event.envelope.producer:
            return [_foreign(session, event)]
        return self._report(self.exchange.cancel_others(session, now.stream_ns))

    def _report(self, reports: list[Report]) -> list[Output]:
        return [
            _push(report.session, self._session(report.session).add(report)) for report in reports
        ]

    def _session(self, name: str) -> Session:
        return self._state.sessions.setdefault(name, Session())

    def _on_query(self, query: BrokerQuery, event: Event) -> list[Output]:
        """Every missed event again, in order; the snapshot behind them is then the present."""
        name = query.session
        if name != event.envelope.producer:
            return [_foreign(name, event)]
        session = self._session(name)
        missed = [_push(name, kept) for kept in session.after(query.after_session_seq)]
        return [*missed, Push(name, self._snapshot(query, session))]

    def _snapshot(self, query: BrokerQuery, session: Session) -> BrokerSnapshot:
        name = query.session
        finished = self.exchange.finished_orders(name, SNAPSHOT_FINISHED_MAX)
        orders = [*finished, *self.exchange.live_orders()]
        positions = self.exchange.state.positions
        return BrokerSnapshot(
            session=name,
            query_id=query.query_id,
            session_seq=session.last_seq,
            events_from_seq=session.first_kept_seq(),
            orders=tuple(_broker_order(order) for order in orders),
            positions=tuple(
                BrokerPosition(instrument, positions[instrument])
                for instrument in sorted(positions)
                if positions[instrument]
            ),
            complete=True,
        )


def _push(session: str, kept: SessionEvent) -> Output:
    return Push(session, kept.message, kept.correlation_id)


def _foreign(session: str, event: Event) -> Output:
    """A session belongs to the peer of its name; nobody else may use it."""
    fields: dict[str, str | int | bool | None] = {
        "session": session,
        "producer": event.envelope.producer,
    }
    return Log("session_foreign", fields, "error")


def _broker_order(order: Order) -> BrokerOrder:
    return BrokerOrder(
        order.client_order_id, order.session, order.instrument, order.side, order.quantity_lots,
        order.filled_lots, order.state, order.order_type, order.price_ticks, order.reduce_only,
        order.parent_id, order.revision,
    )  # fmt: skip
