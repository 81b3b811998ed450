"""The flatten planner: its laws one by one, and that it can never run through zero."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proto_schemas.broker import BrokerOrder, BrokerPosition, BrokerSnapshot
from proto_schemas.enums import OrderState, Side
from services.order_router.gate import SIZE_CAP_LOTS
from services.watchdog.flatten import CLOSE_MAX_LOTS, Close, Flattening, plan
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
    return BrokerSnapshot("watchdog", 1, 0, 1, orders, positions, True)


def look(planner: Flattening, snapshot: BrokerSnapshot, boot_ns: int) -> list[Close] | None:
    """A look whose answer came in the same nanosecond."""
    return planner.look(snapshot, boot_ns, SETTLE, at(boot_ns))


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
    assert look(planner, view(position(2)), 1_000) is None
    assert look(planner, view(position(2)), 1_000 + SETTLE - 1) is None
    assert look(planner, view(position(2)), 1_000 + SETTLE) == plan(view(position(2)))


@pytest.mark.parametrize(
    "changed",
    [view(position(3)), view(position(2), order(Side.SELL, 1)), view(position(2, "ESU18"))],
    ids=["position", "order", "instrument"],
)
def test_a_change_starts_the_wait_again(changed: BrokerSnapshot) -> None:
    planner = Flattening()
    look(planner, view(position(2)), 0)
    assert look(planner, changed, SETTLE) is None
    assert look(planner, changed, 2 * SETTLE - 1) is None
    assert look(planner, changed, 2 * SETTLE) == plan(changed)


def test_a_fill_that_the_position_does_not_show_yet_starts_the_wait_again() -> None:
    """The account lags: the order is filled, the position still stands. Closing now is twice."""
    planner = Flattening()
    look(planner, view(position(2), order(Side.SELL, 2)), 0)
    lagging = view(position(2), order(Side.SELL, 2, filled=2, state=OrderState.FILLED))
    assert look(planner, lagging, SETTLE) is None
    assert look(planner, view(), SETTLE + 50) is None


def test_a_partial_fill_that_the_position_does_not_show_yet_starts_the_wait_again() -> None:
    planner = Flattening()
    look(planner, view(position(5), order(Side.SELL, 4)), 0)
    lagging = view(position(5), order(Side.SELL, 4, filled=2))
    assert look(planner, lagging, SETTLE) is None
    settled = view(position(3), order(Side.SELL, 4, filled=2))
    assert look(planner, settled, SETTLE + 50) is None
    assert look(planner, settled, 2 * SETTLE + 50) == [Close("ESM18", Side.SELL, 1)]


def test_after_sending_it_waits_even_if_nothing_changed() -> None:
    planner = Flattening()
    look(planner, view(position(2)), 0)
    assert look(planner, view(position(2)), SETTLE)
    assert look(planner, view(position(2)), 2 * SETTLE - 1) is None
    assert look(planner, view(position(2)), 2 * SETTLE)
    assert planner.sent_ns == 2 * SETTLE


@pytest.mark.parametrize("asked_ns", [SETTLE - 1, SETTLE])
def test_a_view_asked_for_before_our_last_send_is_no_view(asked_ns: int) -> None:
    """Its answer waited in our socket: it does not show the order that has left since."""
    planner, held = Flattening(), view(position(2))
    look(planner, held, 0)
    assert look(planner, held, SETTLE) == plan(held)
    late = at(9 * SETTLE)
    assert planner.look(held, asked_ns, SETTLE, late) is None
    assert planner.look(view(), asked_ns, SETTLE, late) is None
    assert planner.view == ((), (("ESM18", 2),))
    assert planner.look(held, SETTLE + 1, SETTLE, late) == plan(held)


# --- size -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("lots", [CLOSE_MAX_LOTS + 1, -3 * CLOSE_MAX_LOTS])
def test_a_large_position_is_closed_in_several_orders(lots: int) -> None:
    side = Side.SELL if lots > 0 else Side.BUY
    assert plan(view(position(lots))) == [Close("ESM18", side, CLOSE_MAX_LOTS)]
    on_its_way = order(side, abs(lots) - 1)
    assert plan(view(position(lots), on_its_way)) == [Close("ESM18", side, 1)]


def test_the_largest_closing_order_is_one_that_the_exchange_takes() -> None:
    assert plan(view(position(CLOSE_MAX_LOTS))) == [Close("ESM18", Side.SELL, CLOSE_MAX_LOTS)]
    assert CLOSE_MAX_LOTS <= SIZE_CAP_LOTS


# --- proven flat ----------------------------------------------------------------------------------


def test_flat_is_proven_by_the_second_settled_look_only() -> None:
    planner = Flattening()
    look(planner, view(), 0)
    assert look(planner, view(), SETTLE) == []
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
    look(planner, view(), 0)
    planner.proven_flat(SETTLE, at(SETTLE))
    look(planner, view(fact), SETTLE + 1)
    assert not planner.proven_flat(SETTLE, at(3 * SETTLE))
    look(planner, view(), 3 * SETTLE)
    assert not planner.proven_flat(SETTLE, at(4 * SETTLE))
    assert planner.proven_flat(SETTLE, at(5 * SETTLE + 1))


def test_finished_orders_do_not_stand_in_the_way_of_flat() -> None:
    planner = Flattening()
    done = view(order(Side.SELL, 2, filled=2, state=OrderState.FILLED))
    look(planner, done, 0)
    planner.proven_flat(SETTLE, at(SETTLE))
    assert planner.proven_flat(SETTLE, at(2 * SETTLE + 1))


# --- the property ---------------------------------------------------------------------------------

INSTRUMENTS = ("ESM18", "ESU18")
HELD = st.integers(-6, 6) | st.integers(-2 * CLOSE_MAX_LOTS, 2 * CLOSE_MAX_LOTS)


@st.composite
def accounts(draw: st.DrawFn) -> BrokerSnapshot:
    facts: list[BrokerPosition | BrokerOrder] = [position(draw(HELD), name) for name in INSTRUMENTS]
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
        assert ours <= CLOSE_MAX_LOTS
        if ours < CLOSE_MAX_LOTS:
            assert way + ours == max(way, abs(held.position_lots))
        else:
            assert way + ours <= abs(held.position_lots)
