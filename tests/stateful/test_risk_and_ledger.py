"""Risk engine and ledger together, in a small world that delays, repeats, overtakes and forgets.

The world knows the truth: what the router took, what traded, what ended. Reports reach the ledger
in any order (only an order's cancel never overtakes its own fills), the ledger's stream reaches the
risk engine late, and now and then the risk engine goes blind, hears everything again, or restarts
from its journal. Whatever happens: the true worst case stays within the limits, nothing stays
reserved for ever, and each intent is answered once per request that the strategy still waits for.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from proto_schemas.base import Envelope, Message
from proto_schemas.control import Blind, Replace, Sighted
from proto_schemas.enums import OrderAction as A
from proto_schemas.enums import Side
from proto_schemas.ledger import Execution
from proto_schemas.signals import Ack, Approval, Decision, Intent, Nack
from services.order_state.core import OrderStateCore
from services.risk_engine.checks import RiskState
from services.risk_engine.core import Life, RiskCore
from services.risk_engine.limits import CEILINGS
from shared.kernel.outputs import Event, Output, Publish, Reply, Request
from shared.kernel.state import state_hash
from tests.support import bodies, event, started
from tests.unit.order_state import ledger_reports
from tests.unit.risk_engine.risk_inputs import (
    CONFIG,
    NOW,
    control,
    feed_status,
    intent,
    mark,
    router_says,
)

LIMIT_LOTS = CEILINGS["demo"].position_max_lots
LEDGER = ("ledger", "order_state")
LATE = Nack("LEASE_EXPIRED", "5", "6")
pick = st.integers(0, 1_000)
side = st.sampled_from(Side)


@dataclass
class Wish:
    """One intent, the newest request it came in, and its decision once there is one."""

    intent: Intent
    request: Envelope
    decision: Decision | None = None


@dataclass
class TrueOrder:
    """One order as it really is. `reports`: what the ledger has not heard yet."""

    approval: Approval
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
        self.risk = RiskCore(CONFIG)
        self.journal: list[Event] = []
        self.ledger: OrderStateCore = ledger_reports.ready_core()
        self.orders: list[TrueOrder] = []
        self.wishes: dict[str, Wish] = {}
        self.stream: list[Message] = []
        self.position = 0
        self.executions = 0
        self.take(started("risk_engine"))
        self.see_everything()

    # --- what happens -----------------------------------------------------------------------------

    @rule(side=side, lots=st.integers(1, 11), reduce_only=st.booleans())
    def want(self, side: Side, lots: int, reduce_only: bool) -> None:
        number = len(self.wishes) + 1
        wanted = intent(number, side=side, quantity_lots=lots, reduce_only=reduce_only)
        command = event(wanted)
        outputs = self.take(command)
        self.wishes[wanted.client_order_id] = wish = Wish(wanted, command.envelope)
        approvals = bodies(outputs, Request)
        self.orders += [TrueOrder(approval) for approval in approvals]
        if approvals:
            assert bodies(outputs, Reply) == [], "the router has not spoken yet"
            assert not reduce_only or self.worst(side) <= 0, "an exit opens nothing, ever"
            return
        wish.decision = self.only_reply(outputs, wish)
        assert not wish.decision.approved

    @precondition(lambda self: self.wishes)
    @rule(which=pick)
    def want_the_same_again(self, which: int) -> None:
        wish = list(self.wishes.values())[which % len(self.wishes)]
        command = event(wish.intent)
        wish.request = command.envelope
        outputs = self.take(command)
        assert outputs == ([Reply(wish.request, wish.decision)] if wish.decision else [])

    @precondition(lambda self: self.waiting())
    @rule(which=pick, takes=st.booleans())
    def router_answers(self, which: int, takes: bool) -> None:
        order = self.waiting()[which % len(self.waiting())]
        order.taken, order.ended = True, not takes
        if takes:
            order.reports = [self.report(order, A.CREATE), self.report(order, A.SUBMIT)]
        key = order.approval.client_order_id
        wish = self.wishes[key]
        wish.decision = self.only_reply(self.take(router_says(key, Ack() if takes else LATE)), wish)
        words = ("APPROVED", "", "") if takes else (LATE.code, LATE.field, LATE.value)
        assert wish.decision == Decision(key, takes, *words)

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
            self.hear(self.stream.pop(0))

    @rule(everything=st.booleans())
    def resync(self, everything: bool) -> None:
        self.hear(Blind(*LEDGER))
        if everything:
            self.see_everything()
        else:
            self.hear(*self.stream, Sighted(*LEDGER))
            self.stream.clear()

    @rule()
    def risk_restarts(self) -> None:
        """Killed: a new core steps the journal with the outputs thrown away, and goes on."""
        before = state_hash(self.risk.state())
        self.risk = RiskCore(CONFIG)
        for each in self.journal:
            self.risk.handle(each, NOW)
        assert state_hash(self.risk.state()) == before
        self.epoch += 1
        assert bodies(self.take(started("risk_engine", epoch=self.epoch)), Reply) == []
        self.see_everything()

    # --- what must always hold --------------------------------------------------------------------

    @invariant()
    def the_true_worst_case_is_within_the_limits(self) -> None:
        assert max(self.worst(each) for each in Side) <= LIMIT_LOTS

    @invariant()
    def the_strategy_waits_exactly_for_what_the_router_has_not_answered(self) -> None:
        life: Life = self.risk.state()[1]  # type: ignore[index]
        open_wishes = {k: w.request for k, w in self.wishes.items() if w.decision is None}
        assert life.asked == open_wishes
        assert set(open_wishes) == {o.approval.client_order_id for o in self.waiting()}

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
        assert all(wish.decision for wish in self.wishes.values()), "nobody waits for ever"

    # --- the risk engine and its journal ----------------------------------------------------------

    def take(self, each: Event) -> list[Output]:
        self.journal.append(each)
        return self.risk.handle(each, NOW)

    def hear(self, *inputs: Message) -> None:
        """What the ledger, the market and the watchdog say is no reason to answer anybody."""
        for body in inputs:
            outputs = self.take(event(body))
            assert bodies(outputs, Reply) + bodies(outputs, Request) == []

    def only_reply(self, outputs: list[Output], wish: Wish) -> Decision:
        """The one reply, to the newest request of this intent; and no approval beside it."""
        assert bodies(outputs, Request) == []
        (reply,) = [each for each in outputs if isinstance(each, Reply)]
        assert reply.request == wish.request
        assert isinstance(reply.message, Decision)
        return reply.message

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
        self.hear(Replace(*LEDGER), *current, Sighted(*LEDGER))
        self.hear(control(), feed_status(), mark())

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
