"""The dangerous parts of the ledger: arrival order, repeats, and money against an exact twin."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from proto_schemas.base import Message
from proto_schemas.enums import OrderAction as A
from proto_schemas.enums import Side
from proto_schemas.ledger import OrderUpdate, PositionUpdate
from proto_schemas.market_data import Mark
from proto_schemas.signals import Ack
from services.order_state.core import OrderStateCore
from services.order_state.ledger import Position
from shared.kernel.outputs import Reply
from shared.kernel.state import state_hash
from tests.support import bodies
from tests.unit.order_state.ledger_reports import (
    execution,
    feed,
    order_event,
    order_id,
    ready_core,
)

ORDERS = 2
QUANTITY = 4


@st.composite
def one_life(draw: st.DrawFn, number: int) -> list[Message]:
    """Everything that is ever reported about one order: a possible life, in order."""
    facts = {"client_order_id": order_id(number), "side": draw(st.sampled_from(Side))}
    start = [A.CREATE, A.SUBMIT, *draw(st.sampled_from([[], [A.LOSE_SIGHT]]))]
    fills = draw(st.lists(st.integers(1, 3), max_size=3))
    end = draw(st.sampled_from([[], [A.ACKNOWLEDGE], [A.ACKNOWLEDGE, A.CANCEL], [A.CANCEL]]))
    if not fills and draw(st.booleans()):
        end = [A.REJECT]
    events = [order_event(action, quantity_lots=QUANTITY, **facts) for action in start + end]
    price = st.integers(-50, 50)
    trades = [
        execution(10 * number + index, quantity_lots=lots, price_ticks=draw(price), **facts)
        for index, lots in enumerate(fills)
    ]
    return [*events, *trades]


@st.composite
def reports_and_arrival(draw: st.DrawFn) -> tuple[list[Message], list[Message]]:
    reports = [each for number in range(ORDERS) for each in draw(one_life(number))]
    repeats = draw(st.lists(st.sampled_from(reports), max_size=6))
    return reports, draw(st.permutations([*reports, *repeats]))


def booked(reports: list[Message]) -> OrderStateCore:
    core = ready_core()
    for report in reports:
        assert bodies(feed(core, report), Reply) == [Ack()], report
    return core


def outcome(core: OrderStateCore) -> tuple[object, ...]:
    """What may not depend on arrival order: of the P&L the sum, as average cost may split it."""
    feed(core, Mark("ESM18", 1, 1, 17))
    orders, money = [], []
    for message in core.current("ledger"):
        if isinstance(message, OrderUpdate):
            orders.append(message)
        if isinstance(message, PositionUpdate):
            total = message.realised_mills + message.open_mills
            money.append((message.position_lots, message.fees_mills, total))
            if message.position_lots == 0:
                money.append((message.open_cost_ticks, message.realised_mills, 0))
    return sorted(orders, key=lambda order: order.client_order_id), money, core.state_word()


@settings(max_examples=200)
@given(reports_and_arrival())
def test_any_arrival_order_with_repeats_ends_in_the_same_ledger(
    case: tuple[list[Message], list[Message]],
) -> None:
    in_order, as_arrived = case
    assert outcome(booked(as_arrived)) == outcome(booked(in_order))


@settings(max_examples=50)
@given(reports_and_arrival())
def test_repeating_everything_changes_no_bit_of_the_state(
    case: tuple[list[Message], list[Message]],
) -> None:
    core = booked(case[1])
    before = state_hash(core.state())
    for report in case[1]:
        feed(core, report)
    assert state_hash(core.state()) == before


@dataclass
class Twin:
    """Average cost with fractions: slow, exact, written from the definition."""

    lots: int = 0
    average: Fraction = Fraction(0)
    realised: Fraction = Fraction(0)
    cash: int = 0
    partial_closes: int = 0

    def fill(self, signed_lots: int, price: int) -> None:
        self.cash -= signed_lots * price
        for _ in range(abs(signed_lots)):
            self._one_lot(1 if signed_lots > 0 else -1, price)
        self.partial_closes = self.partial_closes + 1 if self.lots else 0

    def _one_lot(self, sign: int, price: int) -> None:
        if self.lots * sign < 0:
            self.realised -= sign * (price - self.average)
        else:
            cost = self.average * abs(self.lots) + price
            self.average = cost / (abs(self.lots) + 1)
        self.lots += sign
        if not self.lots:
            self.average = Fraction(0)


fills = st.tuples(st.sampled_from(Side), st.integers(1, 20), st.integers(-40_000, 40_000))


@settings(max_examples=200)
@given(st.lists(fills, max_size=40))
def test_money_agrees_with_an_exact_twin(history: list[tuple[Side, int, int]]) -> None:
    position, twin = Position("ema_cross", "ESM18", 1), Twin()
    for side, lots, price in history:
        position.fill(side, lots, price, 7)
        twin.fill(side.sign * lots, price)
        assert position.position_lots == twin.lots
        assert position.realised_mills - position.open_cost_ticks == twin.cash, "conserved exactly"
        off = abs(position.realised_mills - twin.realised)
        assert off <= twin.partial_closes, "at most a tick for each partial close"
        if not twin.lots:
            assert off == 0, "flat is exact"
    assert position.fees_mills == 7 * len(history)
