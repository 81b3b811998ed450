"""The flatten planner: its laws one by one, and that it can never run through zero."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto_schemas.broker import BrokerOrder, BrokerPosition, BrokerSnapshot
from proto_schemas.enums import OrderState, Side
from services.watchdog.flatten import Close, Flattening, plan
from shared.kernel.clock import Now
from shared.kernel.order_states import is_live

SETTLE = 200
LIVE = OrderState.ACKNOWLEDGED


def at(boot_ns: int) -> Now:
    return Now(0, boot_ns)


def position(lots: int, instrument: str = "ESM18") -> BrokerPosition:
    return BrokerPosition(instrument, lots)


def order(
    side: Side,
    lots: int,
    filled: int = 0,
    state: OrderState = LIVE,
    session: str = "order_router",
    instrument: str = "ESM18",
) -> BrokerOrder:
    order_id = f"{session}-{side}-{lots}-{state}"
    return BrokerOrder(order_id, session, instrument, side, lots, filled, state)


def view(*facts: BrokerPosition | BrokerOrder) -> BrokerSnapshot:
    orders = tuple(each for each in facts if isinstance(each, BrokerOrder))
    positions = tuple(each for each in facts if isinstance(each, BrokerPosition))
    return BrokerSnapshot("watchdog", 0, 1, orders, positions, True)


@pytest.mark.parametrize(
    ("lots", "close"),
    [(5, Close("ESM18", Side.SELL, 5)), (-3, Close("ESM18", Side.BUY, 3))],
    ids=["long", "short"],
)
def test_a_position_is_closed_from_the_other_side(lots: int, close: Close) -> None:
    assert plan(view(position(lots))) == [close]


def test_no_position_needs_no_order() -> None:
    assert plan(view()) == plan(view(position(0))) == []


def test_each_expiry_is_closed_by_itself() -> None:
    closes = plan(view(position(2), position(-2, "ESU18"), order(Side.SELL, 1)))
    assert closes == [Close("ESM18", Side.SELL, 1), Close("ESU18", Side.BUY, 2)]


@pytest.mark.parametrize("session", ["order_router", "watchdog"])
def test_what_is_on_its_way_is_subtracted_whoever_sent_it(session: str) -> None:
    facts = [position(5), order(Side.SELL, 4, filled=1, session=session)]
    assert plan(view(*facts)) == [Close("ESM18", Side.SELL, 2)]
    assert plan(view(position(3), order(Side.SELL, 3, session=session))) == []


@pytest.mark.parametrize("state", [each for each in OrderState if not is_live(each)])
def test_an_order_that_has_ended_subtracts_nothing(state: OrderState) -> None:
    facts = [position(5), order(Side.SELL, 4, state=state)]
    assert plan(view(*facts)) == [Close("ESM18", Side.SELL, 5)]


def test_an_order_that_opens_more_subtracts_nothing() -> None:
    assert plan(view(position(5), order(Side.BUY, 4))) == [Close("ESM18", Side.SELL, 5)]


def test_more_on_its_way_than_held_is_left_alone() -> None:
    assert plan(view(position(2), order(Side.SELL, 9))) == []


# --- the third law: settle ------------------------------------------------------------------------


def test_the_first_look_is_never_acted_on() -> None:
    planner = Flattening()
    assert planner.look(view(position(2)), SETTLE, at(1_000)) is None
    assert planner.look(view(position(2)), SETTLE, at(1_000 + SETTLE - 1)) is None
    assert planner.look(view(position(2)), SETTLE, at(1_000 + SETTLE)) == plan(view(position(2)))


@pytest.mark.parametrize(
    "changed",
    [view(position(3)), view(position(2), order(Side.SELL, 1)), view(position(2, "ESU18"))],
    ids=["position", "order", "instrument"],
)
def test_a_change_starts_the_wait_again(changed: BrokerSnapshot) -> None:
    planner = Flattening()
    planner.look(view(position(2)), SETTLE, at(0))
    assert planner.look(changed, SETTLE, at(SETTLE)) is None
    assert planner.look(changed, SETTLE, at(2 * SETTLE - 1)) is None
    assert planner.look(changed, SETTLE, at(2 * SETTLE)) == plan(changed)


def test_a_fill_that_the_position_does_not_show_yet_starts_the_wait_again() -> None:
    """The account lags: the order is filled, the position still stands. Closing now is twice."""
    planner = Flattening()
    planner.look(view(position(2), order(Side.SELL, 2)), SETTLE, at(0))
    lagging = view(position(2), order(Side.SELL, 2, filled=2, state=OrderState.FILLED))
    assert planner.look(lagging, SETTLE, at(SETTLE)) is None
    assert planner.look(view(), SETTLE, at(SETTLE + 50)) is None


def test_a_partial_fill_that_the_position_does_not_show_yet_starts_the_wait_again() -> None:
    planner = Flattening()
    planner.look(view(position(5), order(Side.SELL, 4)), SETTLE, at(0))
    lagging = view(position(5), order(Side.SELL, 4, filled=2))
    assert planner.look(lagging, SETTLE, at(SETTLE)) is None
    settled = view(position(3), order(Side.SELL, 4, filled=2))
    assert planner.look(settled, SETTLE, at(SETTLE + 50)) is None
    assert planner.look(settled, SETTLE, at(2 * SETTLE + 50)) == [Close("ESM18", Side.SELL, 1)]


def test_after_sending_it_waits_even_if_nothing_changed() -> None:
    planner = Flattening()
    planner.look(view(position(2)), SETTLE, at(0))
    assert planner.look(view(position(2)), SETTLE, at(SETTLE))
    assert planner.look(view(position(2)), SETTLE, at(2 * SETTLE - 1)) is None
    assert planner.look(view(position(2)), SETTLE, at(2 * SETTLE))
    assert planner.sent == 2


# --- proven flat ----------------------------------------------------------------------------------


def test_flat_is_proven_by_the_second_settled_look_only() -> None:
    planner = Flattening()
    planner.look(view(), SETTLE, at(0))
    assert planner.look(view(), SETTLE, at(SETTLE)) == []
    assert not planner.proven_flat(SETTLE, at(SETTLE))
    assert not planner.proven_flat(SETTLE, at(2 * SETTLE))
    assert planner.proven_flat(SETTLE, at(2 * SETTLE + 1))


def test_a_planner_that_never_looked_proves_nothing() -> None:
    planner = Flattening()
    assert not planner.proven_flat(SETTLE, at(0))
    assert not planner.proven_flat(SETTLE, at(10 * SETTLE))


@pytest.mark.parametrize("fact", [position(1), order(Side.SELL, 1)], ids=["position", "order"])
def test_anything_seen_between_two_looks_starts_the_proof_again(
    fact: BrokerPosition | BrokerOrder,
) -> None:
    planner = Flattening()
    planner.look(view(), SETTLE, at(0))
    planner.proven_flat(SETTLE, at(SETTLE))
    planner.look(view(fact), SETTLE, at(SETTLE + 1))
    assert not planner.proven_flat(SETTLE, at(3 * SETTLE))
    planner.look(view(), SETTLE, at(3 * SETTLE))
    assert not planner.proven_flat(SETTLE, at(4 * SETTLE))
    assert planner.proven_flat(SETTLE, at(5 * SETTLE + 1))


def test_finished_orders_do_not_stand_in_the_way_of_flat() -> None:
    planner = Flattening()
    done = view(order(Side.SELL, 2, filled=2, state=OrderState.FILLED))
    planner.look(done, SETTLE, at(0))
    planner.proven_flat(SETTLE, at(SETTLE))
    assert planner.proven_flat(SETTLE, at(2 * SETTLE + 1))


# --- the property ---------------------------------------------------------------------------------

INSTRUMENTS = ("ESM18", "ESU18")


@st.composite
def accounts(draw: st.DrawFn) -> BrokerSnapshot:
    facts: list[BrokerPosition | BrokerOrder] = [
        position(draw(st.integers(-6, 6)), name) for name in INSTRUMENTS
    ]
    for number in range(draw(st.integers(0, 6))):
        lots = draw(st.integers(1, 5))
        facts.append(
            BrokerOrder(
                f"order-{number}", draw(st.sampled_from(("order_router", "watchdog"))),
                draw(st.sampled_from(INSTRUMENTS)), draw(st.sampled_from(Side)), lots,
                draw(st.integers(0, lots)), draw(st.sampled_from(OrderState)),
            )
        )  # fmt: skip
    return view(*facts)


@given(accounts())
def test_the_worst_case_on_the_closing_side_never_crosses_zero(snapshot: BrokerSnapshot) -> None:
    closes = plan(snapshot)
    assert len({close.instrument for close in closes}) == len(closes)
    for held in snapshot.positions:
        sign = 1 if held.position_lots > 0 else -1
        side = Side.SELL if sign > 0 else Side.BUY
        mine = [close for close in closes if close.instrument == held.instrument]
        assert all(close.side is side and close.quantity_lots > 0 for close in mine)
        way = sum(
            each.quantity_lots - each.filled_lots
            for each in snapshot.orders
            if each.instrument == held.instrument and each.side is side and is_live(each.state)
        )
        ours = sum(close.quantity_lots for close in mine)
        assert way + ours == max(way, abs(held.position_lots))
