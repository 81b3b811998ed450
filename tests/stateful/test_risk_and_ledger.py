"""Risk engine and ledger together, in a small world that delays, repeats, overtakes and forgets.

The world knows the truth: what the router took, what traded, what ended. Reports reach the ledger
in any order (only an order's cancel never overtakes its own fills), the ledger's stream reaches the
risk engine late, and now and then the risk engine goes blind, hears everything again, or restarts.
Whatever happens: the true worst case stays within the limits, and nothing stays reserved for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from proto_schemas.base import Message
from proto_schemas.control import Blind, Replace, Sighted
from proto_schemas.enums import OrderAction as A
from proto_schemas.enums import Side
from proto_schemas.ledger import Execution
from proto_schemas.signals import Ack, Approval, Intent, Nack
from services.order_state.core import OrderStateCore
from services.risk_engine.checks import RiskState
from services.risk_engine.core import RiskCore
from services.risk_engine.limits import CEILINGS
from shared.kernel.outputs import Publish, Reply, Request
from tests.support import bodies, started
from tests.unit.order_state import ledger_reports
from tests.unit.risk_engine.risk_inputs import (
    CONFIG,
    NOW,
    answer,
    control,
    feed_status,
    give,
    intent,
    mark,
)

LIMIT_LOTS = CEILINGS["demo"].position_max_lots
LEDGER = ("ledger", "order_state")
pick = st.integers(0, 1_000)
side = st.sampled_from(Side)


@dataclass
class TrueOrder:
    """One order as it really is. `reports`: what the ledger has not heard yet."""

    approval: Approval
    request: tuple[int, int]
    taken: bool = False
    ended: bool = False
    filled: int = 0
    reports: list[Message] = field(default_factory=list)

    @property
    def leaves(self) -> int:
        return 0 if self.ended else self.approval.quantity_lots - self.filled


class World(RuleBasedStateMachine):
    """See the module's docstring."""

    def __init__(self) -> None:
        super().__init__()
        self.epoch = 1
        self.requests = 0
        self.risk = RiskCore(CONFIG)
        self.ledger: OrderStateCore = ledger_reports.ready_core()
        self.orders: list[TrueOrder] = []
        self.asked: list[tuple[Intent, Message]] = []
        self.stream: list[Message] = []
        self.position = 0
        self.executions = 0
        self.risk.handle(started("risk_engine"), NOW)
        self.see_everything()

    # --- what happens -----------------------------------------------------------------------------

    @rule(side=side, lots=st.integers(1, 11), reduce_only=st.booleans())
    def want(self, side: Side, lots: int, reduce_only: bool) -> None:
        number = len(self.asked) + 1
        wanted = intent(number, side=side, quantity_lots=lots, reduce_only=reduce_only)
        outputs = give(self.risk, wanted)
        self.asked.append((wanted, bodies(outputs, Reply)[0]))
        for approval in bodies(outputs, Request):
            self.requests += 1
            self.orders.append(TrueOrder(approval, (self.epoch, self.requests)))
            if reduce_only:
                assert self.worst(side) <= 0, "an exit may open nothing, whatever trades first"

    @precondition(lambda self: self.asked)
    @rule(which=pick)
    def want_the_same_again(self, which: int) -> None:
        wanted, decision = self.asked[which % len(self.asked)]
        outputs = give(self.risk, wanted)
        assert bodies(outputs, Reply) == [decision]
        assert bodies(outputs, Request) == []

    @precondition(lambda self: self.waiting())
    @rule(which=pick, takes=st.booleans())
    def router_answers(self, which: int, takes: bool) -> None:
        order = self.waiting()[which % len(self.waiting())]
        epoch, number = order.request
        order.taken, order.ended = True, not takes
        if takes:
            order.reports = [self.report(order, A.CREATE), self.report(order, A.SUBMIT)]
        answer(self.risk, number, Ack() if takes else Nack("EXPIRED", "", ""), epoch)

    @precondition(lambda self: self.live())
    @rule(which=pick, lots=st.integers(1, 10))
    def trade(self, which: int, lots: int) -> None:
        order = self.live()[which % len(self.live())]
        lots = min(lots, order.leaves)
        order.filled += lots
        self.position += order.approval.side.sign * lots
        self.executions += 1
        order.reports.append(self.fill(order, lots))
        order.ended = order.leaves == 0

    @precondition(lambda self: self.live())
    @rule(which=pick, action=st.sampled_from([A.CANCEL, A.LOSE_SIGHT, A.ACKNOWLEDGE]))
    def broker_speaks(self, which: int, action: A) -> None:
        order = self.live()[which % len(self.live())]
        order.ended = action is A.CANCEL
        order.reports.append(self.report(order, action))

    @precondition(lambda self: self.unheard())
    @rule(which=pick, index=pick, repeat=st.booleans())
    def ledger_hears(self, which: int, index: int, repeat: bool) -> None:
        order = self.unheard()[which % len(self.unheard())]
        report = order.reports[index % len(order.reports)]
        if getattr(report, "action", None) is A.CANCEL and len(order.reports) > 1:
            return
        order.reports.remove(report)
        for _ in range(1 + repeat):
            outputs = ledger_reports.feed(self.ledger, report)
            assert bodies(outputs, Reply) == [Ack()]
            self.stream += bodies(outputs, Publish)

    @precondition(lambda self: self.stream)
    @rule(count=st.integers(1, 4))
    def risk_hears(self, count: int) -> None:
        for _ in range(min(count, len(self.stream))):
            give(self.risk, self.stream.pop(0))

    @rule(everything=st.booleans())
    def resync(self, everything: bool) -> None:
        give(self.risk, Blind(*LEDGER))
        if everything:
            self.see_everything()
        else:
            give(self.risk, *self.stream, Sighted(*LEDGER))
            self.stream.clear()

    @rule()
    def risk_restarts(self) -> None:
        self.epoch, self.requests = self.epoch + 1, 0
        self.risk.handle(started("risk_engine", epoch=self.epoch), NOW)
        self.see_everything()

    # --- what must always hold --------------------------------------------------------------------

    @invariant()
    def the_true_worst_case_is_within_the_limits(self) -> None:
        assert max(self.worst(each) for each in Side) <= LIMIT_LOTS

    @invariant()
    def the_running_totals_are_the_sum_of_what_is_held(self) -> None:
        book = self.state().reservations
        for each in Side:
            held = [entry.leaves_lots for entry in book.held.values() if entry.side is each]
            assert book.lots("ESM18", each) == sum(held)

    @invariant()
    def with_no_order_live_and_all_heard_nothing_is_reserved(self) -> None:
        if self.stream or any(not o.ended or o.reports for o in self.orders):
            return
        assert self.state().reservations.held == {}
        assert self.state().net_lots("ESM18") == self.position

    def teardown(self) -> None:
        while self.waiting():
            self.router_answers(0, takes=False)
        while self.live():
            self.broker_speaks(0, A.CANCEL)
        while self.unheard():
            self.ledger_hears(0, 0, repeat=True)
        while self.stream:
            self.risk_hears(4)
        self.with_no_order_live_and_all_heard_nothing_is_reserved()

    # --- the truth --------------------------------------------------------------------------------

    def worst(self, side: Side) -> int:
        leaves = [order.leaves for order in self.orders if order.approval.side is side]
        return side.sign * self.position + sum(leaves)

    def waiting(self) -> list[TrueOrder]:
        return [order for order in self.orders if not order.taken]

    def live(self) -> list[TrueOrder]:
        return [order for order in self.orders if order.taken and not order.ended]

    def unheard(self) -> list[TrueOrder]:
        return [order for order in self.orders if order.reports]

    def state(self) -> RiskState:
        state: RiskState = self.risk.state()[0]  # type: ignore[index]
        return state

    def see_everything(self) -> None:
        self.stream.clear()
        current = self.ledger.current("ledger")
        give(self.risk, Replace(*LEDGER), *current, Sighted(*LEDGER))
        give(self.risk, control(), feed_status(), mark())

    def report(self, order: TrueOrder, action: A) -> Message:
        approval = order.approval
        return ledger_reports.order_event(
            action,
            client_order_id=approval.client_order_id,
            side=approval.side,
            quantity_lots=approval.quantity_lots,
        )

    def fill(self, order: TrueOrder, lots: int) -> Execution:
        return ledger_reports.execution(
            self.executions,
            client_order_id=order.approval.client_order_id,
            side=order.approval.side,
            quantity_lots=lots,
        )


World.TestCase.settings = settings(max_examples=80, stateful_step_count=40)
TestRiskAndLedger = World.TestCase
