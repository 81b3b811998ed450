"""What the monitor answers, what it counts, and what it raises the alarm for."""

from __future__ import annotations

from typing import Any

from proto_schemas.base import Message
from proto_schemas.broker import BrokerPosition
from proto_schemas.control import (
    AccountView,
    Blind,
    Control,
    Heartbeat,
    PeerStatus,
    Replace,
    Sighted,
    StatusReport,
    StatusRequest,
)
from proto_schemas.enums import FeedState, Mode, OrderState, ServiceState, SessionPhase, Side
from proto_schemas.ledger import Break, OrderUpdate, PositionUpdate, ReconcileReport
from proto_schemas.market_data import FeedStatus
from proto_schemas.registry import SERVICES
from services.monitor.config import MonitorConfig
from services.monitor.core import ORDERS_MAX, MonitorCore
from shared.bus.peers import Peers
from shared.kernel.clock import SECOND
from shared.kernel.outputs import Log, Output, Reply
from shared.kernel.state import state_hash
from tests.support import event, now, started

ES = "ESM18"
KEYS = {
    *("stage", "run_id", "instrument", "strategy", "simulated_time", "mode", "phase", "reason"),
    *("flat", "reconciled", "kill_id", "feed_state", "feed_seq", "events_out", "gaps", "rows_in"),
    *("rows_other", "rows_bad", "position_lots", "broker_position_lots", "broker_live_orders"),
    *("orders", "filled_orders", "realised_mills", "open_mills", "fees_mills", "stream_ns"),
}


def ready() -> MonitorCore:
    core = MonitorCore(MonitorConfig("replay", "run-1", ES, "ema_cross"))
    core.handle(started("monitor", 2), now())
    core.handle(event(Sighted("ledger", "order_state")), now())
    return core


def feed(core: MonitorCore, *inputs: Message) -> list[Output]:
    return [output for body in inputs for output in core.handle(event(body), now())]


def ask(core: MonitorCore, **moment: int) -> StatusReport:
    [reply] = core.handle(event(StatusRequest()), now(**moment))
    assert isinstance(reply, Reply)
    assert isinstance(reply.message, StatusReport)
    return reply.message


def fields(core: MonitorCore) -> dict[str, Any]:
    return dict(ask(core).fields)


def order(number: int, state: OrderState = OrderState.ACKNOWLEDGED) -> OrderUpdate:
    return OrderUpdate(
        f"{number:036x}", "order_router", "ema_cross", ES, Side.BUY, 1, 0, 0, state, "OK"
    )


def position(lots: int, strategy: str = "ema_cross") -> PositionUpdate:
    return PositionUpdate(strategy, ES, lots, 0, 10 * lots, 20 * lots, 30, None)


def feed_status(state: FeedState = FeedState.LIVE) -> FeedStatus:
    return FeedStatus(ES, state, 7, 9, 1, 1, 8, 2)


def control(mode: Mode = Mode.NORMAL, kill_id: str | None = None) -> Control:
    return Control(1, mode, SessionPhase.OPEN, "all well", True, True, kill_id)


def report(broker_lots: int, *breaks: Break) -> ReconcileReport:
    broker = (BrokerPosition(ES, broker_lots),)
    return ReconcileReport(1, not breaks, (), broker, 1, breaks, 0)


def test_the_answer_has_every_field_before_anything_was_heard() -> None:
    found = fields(ready())
    assert set(found) == KEYS
    assert (found["mode"], found["feed_state"], found["broker_position_lots"]) == (None,) * 3
    assert (found["simulated_time"], found["position_lots"], found["orders"]) == (True, 0, 0)


def test_the_answer_is_the_last_of_everything() -> None:
    core = ready()
    feed(core, control(), feed_status(), position(2), position(-1, "other"), report(7))
    feed(core, AccountView((BrokerPosition(ES, 2), BrokerPosition("ESU24", 3)), 4, 1))
    feed(core, order(1), order(2), order(2, OrderState.FILLED))
    found = fields(core)
    assert (found["mode"], found["phase"], found["reason"]) == ("NORMAL", "OPEN", "all well")
    assert (found["feed_state"], found["feed_seq"], found["rows_in"]) == ("LIVE", 7, 9)
    assert (found["events_out"], found["gaps"]) == (8, 2)
    assert (found["position_lots"], found["broker_position_lots"]) == (1, 5)
    assert found["broker_live_orders"] == 4
    assert (found["realised_mills"], found["open_mills"], found["fees_mills"]) == (10, 20, 60)
    assert (found["orders"], found["filled_orders"]) == (2, 1)
    assert found["stream_ns"] == now().stream_ns


def test_the_kill_that_holds_is_shown_and_goes_when_it_is_resumed() -> None:
    core = ready()
    feed(core, control(Mode.HALT, "kill-1-1"))
    assert fields(core)["kill_id"] == "kill-1-1"
    feed(core, control())
    assert fields(core)["kill_id"] is None


def test_services_are_told_from_their_heartbeats() -> None:
    core = ready()
    core.pid = 42
    core.peers = Peers()
    core.peers.hear(Heartbeat("venue", 7, ServiceState.READY, 1, "", 0), 3, now().boot_ns)
    later_ns = now().boot_ns + 2 * SECOND
    found = {one.service: one for one in ask(core, boot_ns=later_ns).services}
    assert tuple(found) == SERVICES
    venue, silent, own = found["venue"], found["watchdog"], found["monitor"]
    assert (venue.pid, venue.state, venue.restarts, venue.age_ns) == (7, "READY", 2, 2 * SECOND)
    assert venue.alive
    assert (silent.pid, silent.alive, silent.age_ns) == (0, False, 2 * SECOND)
    assert (own.pid, own.alive, own.restarts, own.state) == (42, True, 1, "READY")
    core.peers.silent(later_ns)
    assert not {one.service: one for one in ask(core).services}["venue"].alive


def test_a_question_changes_nothing() -> None:
    core = ready()
    feed(core, position(1), order(1))
    before = state_hash(core.state())
    assert ask(core) == ask(core)
    assert state_hash(core.state()) == before


def test_an_order_told_again_counts_once() -> None:
    core = ready()
    feed(core, *[order(1, OrderState.FILLED)] * 3, order(1, OrderState.ACKNOWLEDGED))
    assert (fields(core)["orders"], fields(core)["filled_orders"]) == (1, 1)


def test_the_kept_order_ids_are_bounded_and_the_count_is_not() -> None:
    core = ready()
    for number in range(ORDERS_MAX + 5):
        core.handle(event(order(number)), now())
    state: Any = core.state()
    assert len(state.orders) == ORDERS_MAX
    assert fields(core)["orders"] == ORDERS_MAX + 5


def test_positions_are_forgotten_at_a_replace() -> None:
    core = ready()
    feed(core, position(2), Blind("ledger", "order_state"))
    assert core.state_word() == "RECONCILING"
    feed(core, Replace("ledger", "order_state"), position(3, "other"))
    feed(core, Sighted("ledger", "order_state"))
    assert (fields(core)["position_lots"], core.state_word()) == (3, "READY")


def test_alarms_are_raised_when_something_changes_and_not_again() -> None:
    core = ready()
    lost = Break("POSITION", ES, 1, 2)
    inputs = [control(), control(), control(Mode.HALT), control(Mode.HALT), feed_status()]
    inputs += [feed_status(FeedState.STALE)] * 2
    inputs += [PeerStatus("venue", False, 1), report(2, lost), order(1, OrderState.UNKNOWN)]
    logs = [(log.event, log.level) for log in feed(core, *inputs) if isinstance(log, Log)]
    assert logs == [
        ("control", "info"),
        ("control", "warning"),
        ("feed_state", "info"),
        ("feed_state", "warning"),
        ("peer_silent", "warning"),
        ("reconcile_break", "error"),
        ("order_unknown", "warning"),
    ]


def test_the_same_inputs_give_the_same_outputs_and_state() -> None:
    inputs = [started("monitor"), event(control()), event(position(1)), event(order(1))]
    inputs += [event(report(1, Break("POSITION", ES, 1, 2))), event(feed_status())]
    config = MonitorConfig("replay", "run-1", ES, "ema_cross")
    one, two = MonitorCore(config), MonitorCore(config)
    assert [one.handle(e, now()) for e in inputs] == [two.handle(e, now()) for e in inputs]
    assert state_hash(one.state()) == state_hash(two.state())
