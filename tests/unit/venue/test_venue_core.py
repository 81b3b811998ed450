"""The venue's core: sessions without holes, snapshots, the feed within its credit, rebuilding."""

from __future__ import annotations

from typing import Any

import pytest

from proto_schemas.base import Envelope
from proto_schemas.broker import (
    BrokerExecution,
    BrokerOrderEvent,
    BrokerQuery,
    BrokerSnapshot,
    CancelOthers,
    NewOrder,
)
from proto_schemas.enums import OrderState, OrderType, Side
from proto_schemas.market_data import FeedCredit, FeedEnd, FeedOpen, FeedTrade
from services.venue.config import VenueConfig
from services.venue.core import SNAPSHOT_FINISHED_MAX, VenueCore
from services.venue.served_feed import ROWS_KEPT_MAX
from services.venue.sessions import SESSION_EVENTS_MAX, Session
from shared.bus.codec import FRAME_MAX_BYTES, encode
from shared.kernel.errors import OurFault
from shared.kernel.outputs import Event, Output, Push
from shared.kernel.state import state_hash
from tests.support import bodies, event, now, started

ROUTER, DOG = "order_router", "watchdog"


def core() -> VenueCore:
    venue = VenueCore(VenueConfig("ESM18"))
    venue.handle(started("venue"), now())
    return venue


def order(number: int, session: str = ROUTER, side: Side = Side.BUY, lots: int = 1) -> Event:
    new = NewOrder(session, f"{number:036d}", "ESM18", side, lots, OrderType.MARKET, False)
    return event(new, producer=session, correlation_id=f"signal-{number}")


def row(feed_seq: int, price_ticks: int = 100, lots: int | None = 5) -> Event:
    trade = FeedTrade(feed_seq, "ESM18", feed_seq * 1_000, price_ticks, lots)
    return event(trade, producer="venue")


def end(feed_seq: int) -> Event:
    return event(FeedEnd(feed_seq, "ESM18", feed_seq, 0, 0), producer="venue")


def query(after: int, session: str = ROUTER, query_id: int = 1) -> Event:
    return event(BrokerQuery(session, after, query_id), producer=session, correlation_id="ask")


def opened(after: int, credit: int) -> Event:
    return event(FeedOpen(after, credit))


def run(venue: VenueCore, *inputs: Event) -> list[Output]:
    return [output for each in inputs for output in venue.handle(each, now())]


def pushed_to(outputs: list[Output], peer: str) -> list[Any]:
    return [output.message for output in outputs if isinstance(output, Push) and output.to == peer]


def test_a_session_hears_its_order_with_the_orders_own_correlation_id() -> None:
    venue = core()
    outputs = run(venue, opened(0, 9), order(1), row(1))
    acknowledged, executed = pushed_to(outputs, ROUTER)
    assert isinstance(acknowledged, BrokerOrderEvent)
    assert isinstance(executed, BrokerExecution)
    assert (acknowledged.session_seq, executed.session_seq) == (1, 2)
    to_router = [o for o in outputs if isinstance(o, Push) and o.to == ROUTER]
    assert [o.correlation_id for o in to_router] == ["signal-1", "signal-1"]


def test_executions_leave_before_the_row_that_caused_them() -> None:
    venue = core()
    outputs = run(venue, opened(0, 9), order(1), row(1))
    assert [type(body) for body in bodies(outputs, Push)][-2:] == [BrokerExecution, FeedTrade]


def test_sessions_number_their_events_apart_and_hear_only_their_own() -> None:
    venue = core()
    outputs = run(venue, opened(0, 9), order(1), order(2, DOG), order(3), row(1))
    assert [m.session_seq for m in pushed_to(outputs, ROUTER)] == [1, 2, 3, 4]
    assert [m.session_seq for m in pushed_to(outputs, DOG)] == [1, 2]


def test_an_order_in_another_peers_session_is_not_taken() -> None:
    venue = core()
    foreign = event(order(1, ROUTER).body, producer=DOG)
    assert bodies(venue.handle(foreign, now()), Push) == []
    assert bodies(venue.handle(event(BrokerQuery(ROUTER, 0, 1), producer=DOG), now()), Push) == []
    assert venue.exchange.live_orders() == []


def test_cancelling_what_others_have_is_told_to_the_session_that_lost_its_order() -> None:
    venue = core()
    run(venue, opened(0, 9), order(1), order(2, DOG))
    outputs = run(venue, event(CancelOthers(DOG), producer=DOG))
    [cancelled] = pushed_to(outputs, ROUTER)
    assert (int(cancelled.client_order_id), cancelled.session_seq) == (1, 2)
    assert (cancelled.state, cancelled.code) == (OrderState.CANCELLED, "CANCELLED_BY_ACCOUNT")
    assert pushed_to(outputs, DOG) == []


def test_a_cancel_in_another_peers_session_is_not_done() -> None:
    venue = core()
    run(venue, opened(0, 9), order(1), order(2, DOG))
    outputs = run(venue, event(CancelOthers(DOG), producer=ROUTER))
    assert bodies(outputs, Push) == []
    assert len(venue.exchange.live_orders()) == 2


def test_a_query_repeats_what_was_missed_and_ends_with_the_account() -> None:
    venue = core()
    first = pushed_to(run(venue, opened(0, 9), order(1), order(2, DOG, lots=9), row(1)), ROUTER)
    outputs = run(venue, query(1))
    again, snapshot = pushed_to(outputs, ROUTER)
    assert again == first[1]
    assert isinstance(outputs[0], Push)
    assert outputs[0].correlation_id == "signal-1"
    assert isinstance(snapshot, BrokerSnapshot)
    assert (snapshot.session_seq, snapshot.events_from_seq, snapshot.complete) == (2, 1, True)
    seen = {o.client_order_id: (o.session, o.state, o.filled_lots) for o in snapshot.orders}
    assert seen == {
        f"{1:036d}": (ROUTER, OrderState.FILLED, 1),
        f"{2:036d}": (DOG, OrderState.PARTIAL_FILL, 4),
    }
    assert [(p.instrument, p.position_lots) for p in snapshot.positions] == [("ESM18", 5)]


def test_a_query_of_a_new_session_gets_an_empty_complete_account() -> None:
    (snapshot,) = pushed_to(run(core(), query(0)), ROUTER)
    assert snapshot == BrokerSnapshot(ROUTER, 1, 0, 1, (), (), True)


def test_an_answer_repeats_its_querys_number_whatever_came_before() -> None:
    venue = core()
    for query_id in (7, 7, 3, 0, 2**62):
        (snapshot,) = pushed_to(run(venue, query(0, query_id=query_id)), ROUTER)
        assert snapshot.query_id == query_id
    (others,) = pushed_to(run(venue, query(0, DOG, query_id=5)), DOG)
    assert (others.session, others.query_id) == (DOG, 5)


def test_a_query_changes_nothing_at_the_venue() -> None:
    venue = core()
    run(venue, opened(0, 9), order(1), row(1))
    run(venue, query(0))
    before = state_hash(venue.state())
    run(venue, query(0, query_id=2), query(1, query_id=3))
    assert state_hash(venue.state()) == before


def test_a_session_does_not_list_the_others_finished_orders_nor_flat_positions() -> None:
    venue = core()
    run(venue, opened(0, 9), order(1, DOG), order(2, DOG, Side.SELL), row(1))
    (snapshot,) = pushed_to(run(venue, query(0)), ROUTER)
    assert (snapshot.orders, snapshot.positions) == ((), ())


def test_events_beyond_the_bound_are_forgotten_and_the_snapshot_says_from_where() -> None:
    venue = core()
    for number in range(SESSION_EVENTS_MAX + 5):
        body = order(number).body
        assert isinstance(body, NewOrder)
        venue.handle(event(body, producer=ROUTER) if number else order(0), now())
    messages = pushed_to(run(venue, query(0)), ROUTER)
    snapshot = messages[-1]
    assert messages[0].session_seq == snapshot.events_from_seq == 6
    assert len(messages) == SESSION_EVENTS_MAX + 1
    assert len(snapshot.orders) <= SNAPSHOT_FINISHED_MAX + 1_000
    envelope = Envelope("broker_snapshot", 1, "venue", 1, "push.x", 1, 0, 0, None, None)
    assert len(encode(envelope, snapshot)) < FRAME_MAX_BYTES


def test_rows_are_kept_and_served_again_after_the_asked_one() -> None:
    venue = core()
    run(venue, opened(0, 9), row(1), row(2), row(3), end(4))
    again = pushed_to(run(venue, opened(1, 5)), "market_data")
    assert [body.feed_seq for body in again] == [2, 3, 4]
    assert isinstance(again[-1], FeedEnd)
    assert pushed_to(run(venue, opened(4, 9)), "market_data") == []


def test_credit_only_rises() -> None:
    venue = core()
    run(venue, opened(0, 9), event(FeedCredit(4)), opened(0, 3))
    assert venue.feed.credit_feed_seq == 9
    run(venue, event(FeedCredit(12)))
    assert venue.feed.credit_feed_seq == 12


def test_a_row_beyond_the_credit_or_out_of_order_stops_the_process() -> None:
    with pytest.raises(OurFault):
        run(core(), opened(0, 1), row(1), row(2))
    with pytest.raises(OurFault):
        run(core(), opened(0, 9), row(2))
    with pytest.raises(OurFault):
        run(core(), opened(0, 9), row(1), end(2), row(3))


def test_rows_that_are_gone_are_said_to_be_gone() -> None:
    venue = core()
    run(venue, opened(0, ROWS_KEPT_MAX + 9))
    for feed_seq in range(1, ROWS_KEPT_MAX + 3):
        venue.handle(row(feed_seq), now())
    assert len(pushed_to(run(venue, opened(2, 0)), "market_data")) == ROWS_KEPT_MAX
    assert pushed_to(run(venue, opened(1, 0)), "market_data") == []


def test_after_the_end_an_order_fills_at_once() -> None:
    venue = core()
    run(venue, opened(0, 9), row(1), end(2))
    assert venue.state_word() == "READY"
    acknowledged, executed = pushed_to(run(venue, order(1, lots=50)), ROUTER)
    assert (acknowledged.state, executed.quantity_lots) == (OrderState.ACKNOWLEDGED, 50)


def test_a_core_rebuilt_from_its_inputs_goes_on_without_a_hole_or_a_repeat() -> None:
    inputs = [opened(0, 9), order(1), row(1), order(2, lots=7), row(2), order(1), row(3)]
    rest = [order(3), row(4), query(0)]
    one, two = core(), core()
    first = run(one, *inputs)
    assert run(two, *inputs) == first
    assert state_hash(one.state()) == state_hash(two.state())
    assert run(two, *rest) == run(one, *rest)
    session = [m for m in pushed_to(run(two, query(0)), ROUTER) if hasattr(m, "code")]
    assert [m.code for m in session].count("DUPLICATE_CLIENT_ORDER_ID") == 1


def test_a_session_that_forgot_nothing_starts_at_one() -> None:
    assert Session().first_kept_seq() == 1
