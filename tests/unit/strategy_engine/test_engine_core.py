"""The engine around the strategy: permissions, orders from wish to end, and the fence."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from proto_schemas.control import (
    Blind,
    PeerStatus,
    Replace,
    RequestExpired,
    Sighted,
    TimerFired,
)
from proto_schemas.enums import Mode, OrderState
from proto_schemas.market_data import Bar, Trade
from proto_schemas.signals import Intent, Nack
from services.strategy_engine.api import Context, Side
from services.strategy_engine.config import Tunables
from services.strategy_engine.desk import OPEN_ORDERS_MAX
from services.strategy_engine.open_orders import LEGS_MAX
from shared.kernel.clock import MINUTE, SECOND
from shared.kernel.outputs import Log, Request, Send, SetTimer
from tests.support import INSTALL_ID, bodies, event
from tests.unit.strategy_engine.rig import (
    ES,
    MARKET,
    Rig,
    Script,
    buy,
    control,
    decision,
    order_update,
    position,
)


def test_an_order_wanted_becomes_an_intent_that_expires() -> None:
    rig = Rig(Script(buy)).ready()
    outputs = rig.trade(123)
    [request] = [o for o in outputs if isinstance(o, Request)]
    intent = request.message
    assert isinstance(intent, Intent)
    assert request.to == "risk_engine"
    assert request.correlation_id == "script-1-1"
    assert request.expires_ns == intent.expires_ns == rig.boot_ns + 2 * SECOND
    assert intent.client_order_id == f"{INSTALL_ID[:8]}-{INSTALL_ID[8:]}-0001-0001-000000000001"
    assert (intent.reference_ticks, intent.quantity_lots, intent.reduce_only) == (123, 2, False)


def test_ids_of_two_lives_never_meet() -> None:
    rig = Rig(Script(buy)).ready()
    first = rig.intent()
    rig.start(epoch=2)
    rig.feed(Sighted("ledger", "order_state"))
    rig.feed(Sighted(MARKET, "market_data"))
    rig.feed(control(Mode.NORMAL))
    assert rig.intent().client_order_id != first.client_order_id


def test_the_strategy_starts_once_in_a_run() -> None:
    script = Script()
    rig = Rig(script).ready()
    rig.start(epoch=2)
    assert script.heard == ["start"]


def test_a_repeated_trade_or_bar_is_shown_once() -> None:
    script = Script()
    rig = Rig(script).ready()
    trade = Trade(5, ES, 0, 0, 1, 1)
    bar = Bar(ES, 60, MINUTE, 0, 1, 1, 1, 1, 1, 1)
    for body in (trade, trade, bar, bar):
        rig.feed(body)
    assert script.heard == ["start", "trade 5", "bar 60"]


@pytest.mark.parametrize("missing", ["ledger", MARKET])
def test_nothing_leaves_while_a_stream_is_blind(missing: str) -> None:
    rig = Rig(Script(buy)).ready()
    rig.feed(Blind(missing, "order_state"))
    assert rig.core.state_word() == "RECONCILING"
    assert bodies(rig.trade(), Request) == []
    assert sum(rig.core._desk.state.suppressed.values()) == 1
    rig.feed(Sighted(missing, "order_state"))
    assert rig.core.state_word() == "TRADING"
    assert len(bodies(rig.trade(), Request)) == 1


def test_the_position_is_unknown_while_the_ledger_is_blind() -> None:
    rig = Rig(Script()).ready()
    assert rig.seen()["position_lots"] == 0
    rig.feed(position(3))
    rig.feed(position(9, strategy="other"))
    rig.feed(position(9, instrument="ESU18"))
    assert rig.seen()["position_lots"] == 3
    rig.feed(Blind("ledger", "order_state"))
    assert rig.seen()["position_lots"] is None
    assert rig.seen()["can_trade"] is False


def test_halt_lets_nothing_out_and_reduce_only_lets_exits_out() -> None:
    rig = Rig(Script(buy)).ready()
    rig.feed(control(Mode.HALT))
    assert bodies(rig.trade(), Request) == []
    assert rig.core.state_word() == "PAUSED"
    rig.feed(control(Mode.REDUCE_ONLY))
    assert rig.core.state_word() == "REDUCE_ONLY"
    assert bodies(rig.trade(), Request) == []
    rig.core._strategy.does = [lambda ctx: ctx.market(Side.SELL, 1, reduce_only=True)]  # type: ignore[attr-defined]
    assert [intent.reduce_only for intent in bodies(rig.trade(), Request)] == [True]
    assert rig.core._desk.state.suppressed == {"HALT": 1, "REDUCE_ONLY": 1}


def test_a_mode_is_logged_only_when_it_changes() -> None:
    rig = Rig(Script()).ready()
    logs = [o for mode in ("HALT", "HALT", "NORMAL") for o in rig.feed(control(Mode(mode)))]
    assert [log.fields["mode"] for log in logs if isinstance(log, Log)] == ["HALT", "NORMAL"]


def test_an_order_is_open_from_the_wish_until_risk_refuses() -> None:
    script = Script(buy)
    rig = Rig(script).ready()
    intent = rig.intent()
    assert [o.state for o in rig.seen()["open_orders"]] == ["WANTED"]
    rig.feed(decision(intent, False, "MAX_POSITION"))
    assert rig.seen()["open_orders"] == ()
    assert "REFUSED MAX_POSITION" in script.heard


def test_a_nack_ends_the_order_that_it_is_about() -> None:
    rig = Rig(Script(buy)).ready()
    gone, keep = rig.intent(), rig.intent()
    nack = event(Nack("FIELD_INVALID", "side", "x"), producer="risk_engine")
    rig.feed(replace(nack, subject=f"order:{gone.client_order_id}"))
    assert [o.client_order_id for o in rig.seen()["open_orders"]] == [keep.client_order_id]


def test_an_order_is_open_until_the_ledger_says_that_it_ended() -> None:
    script = Script(buy)
    rig = Rig(script).ready()
    intent = rig.intent()
    rig.feed(decision(intent, True))
    for state, filled in (("ACKNOWLEDGED", 0), ("PARTIAL_FILL", 1), ("PARTIAL_FILL", 1)):
        rig.feed(order_update(intent.client_order_id, OrderState(state), filled))
    [order] = rig.seen()["open_orders"]
    assert (order.state, order.filled_lots) == ("PARTIAL_FILL", 1)
    for _ in range(2):
        rig.feed(order_update(intent.client_order_id, OrderState.FILLED, 2))
    assert rig.seen()["open_orders"] == ()
    told = [word for word in script.heard if not word.startswith(("trade", "start"))]
    assert told == ["APPROVED OK", "ACKNOWLEDGED OK", "PARTIAL_FILL OK", "FILLED OK"]


def test_an_approval_that_comes_after_the_ledgers_word_changes_nothing() -> None:
    rig = Rig(Script(buy)).ready()
    intent = rig.intent()
    rig.feed(order_update(intent.client_order_id, OrderState.ACKNOWLEDGED))
    rig.feed(decision(intent, True))
    assert [o.state for o in rig.seen()["open_orders"]] == ["ACKNOWLEDGED"]


def test_an_unanswered_intent_ends_one_grace_after_it_expired() -> None:
    rig = Rig(Script(buy)).ready()
    rig.intent()
    rig.boot_ns += 2 * SECOND
    [timer] = rig.feed(RequestExpired("x", "intent"))
    assert timer == SetTimer("forget", rig.boot_ns + 5 * SECOND)
    rig.boot_ns += 5 * SECOND - 1
    rig.feed(TimerFired("forget"))
    assert len(rig.seen()["open_orders"]) == 1
    rig.boot_ns += 1
    rig.feed(TimerFired("forget"))
    assert rig.seen()["open_orders"] == ()


def test_an_unanswered_intent_that_the_ledger_knows_stays_open() -> None:
    rig = Rig(Script(buy)).ready()
    intent = rig.intent()
    rig.boot_ns += 2 * SECOND
    rig.feed(RequestExpired("x", "intent"))
    rig.feed(order_update(intent.client_order_id, OrderState.UNKNOWN))
    rig.boot_ns += 3_600 * SECOND
    rig.feed(TimerFired("forget"))
    assert [o.state for o in rig.seen()["open_orders"]] == ["UNKNOWN"]


@pytest.mark.parametrize("away", ["blind", "down"])
def test_silence_does_not_count_while_the_ledger_is_away(away: str) -> None:
    rig = Rig(Script(buy)).ready()
    rig.intent()
    rig.boot_ns += 2 * SECOND
    rig.feed(RequestExpired("x", "intent"))
    gone, back = {
        "blind": (Blind("ledger", "order_state"), Sighted("ledger", "order_state")),
        "down": (PeerStatus("order_state", False, 1), PeerStatus("order_state", True, 2)),
    }[away]
    rig.feed(gone)
    rig.boot_ns += 60 * SECOND
    rig.feed(TimerFired("forget"))
    assert len(rig.core._desk.open_orders) == 1
    rig.boot_ns += 4 * SECOND
    rig.feed(back)
    rig.boot_ns += 2 * SECOND
    rig.feed(TimerFired("forget"))
    assert len(rig.core._desk.open_orders) == 1
    rig.boot_ns += 5 * SECOND
    rig.feed(TimerFired("forget"))
    assert rig.core._desk.open_orders == ()


def test_an_approved_order_that_nobody_reports_ends_after_a_longer_grace() -> None:
    rig = Rig(Script(buy)).ready()
    intent = rig.intent()
    outputs = rig.feed(decision(intent, True))
    assert SetTimer("forget", intent.expires_ns + 30 * SECOND) in outputs
    rig.boot_ns = intent.expires_ns + 30 * SECOND
    rig.feed(TimerFired("forget"))
    assert rig.core._desk.open_orders == ()


def test_after_a_replace_the_ledger_is_rebuilt_and_unanswered_wishes_stay() -> None:
    rig = Rig(Script(buy)).ready()
    gone, live, wish = rig.intent(), rig.intent(), rig.intent()
    for intent in (gone, live):
        rig.feed(order_update(intent.client_order_id, OrderState.ACKNOWLEDGED))
    rig.feed(position(7))
    rig.feed(Replace("ledger", "order_state"))
    rig.feed(order_update(live.client_order_id, OrderState.PARTIAL_FILL, 1))
    rig.feed(Sighted("ledger", "order_state"))
    view = rig.seen()
    ids = [order.client_order_id for order in view["open_orders"]]
    assert ids == [live.client_order_id, wish.client_order_id]
    assert view["position_lots"] == 0


def test_open_orders_are_bounded() -> None:
    rig = Rig(Script(buy)).ready()
    for _ in range(OPEN_ORDERS_MAX - LEGS_MAX):
        rig.intent()
    assert bodies(rig.trade(), Request) == []
    assert rig.core._desk.state.suppressed == {"OPEN_ORDERS_FULL": 1}


@pytest.mark.parametrize("lots", [0, -1, 1.5, True, 100_001])
def test_an_impossible_size_pauses_the_strategy(lots: Any) -> None:
    rig = Rig(Script(lambda ctx: ctx.market(Side.BUY, lots))).ready()
    assert bodies(rig.trade(), Request) == []
    assert rig.core.state_word() == "PAUSED"


def test_a_strategy_that_raises_is_paused_and_its_half_done_wish_stays_in() -> None:
    def wish_then_fail(ctx: Context) -> None:
        ctx.market(Side.BUY, 1)
        raise KeyError("no such thing")

    class Here(Script):
        """Its hook stands in this file: the line that is told is one of the hook's file."""

        def on_trade(self, ctx: Context, trade: Trade) -> None:
            super().on_trade(ctx, trade)

    script = Here(wish_then_fail)
    rig = Rig(script, Tunables(progress_every=2)).ready()
    outputs = rig.trade()
    assert bodies(outputs, Request) == []
    [log] = [o for o in outputs if isinstance(o, Log)]
    assert (log.event, log.level, log.fields["error"]) == ("strategy_raised", "error", "KeyError")
    assert "no such thing" in str(log.fields["text"])
    assert log.fields["line"] == wish_then_fail.__code__.co_firstlineno + 2
    assert rig.core._desk.open_orders == ()
    heard = list(script.heard)
    progress = [body for _ in range(4) for body in bodies(rig.trade(), Send)]
    assert script.heard == heard, "it is called no more"
    assert [body.feed_seq for body in progress] == [2, 4]
    assert rig.core.state_word() == "PAUSED"


def test_a_strategy_cannot_reach_the_engine_by_a_public_name() -> None:
    names = [name for name in dir(Context) if not name.startswith("_")]
    assert names == [
        *("can_trade", "cancel", "data_age_ns", "depth", "instrument", "is_behind"),
        *("last_price_ticks", "limit", "market", "open_orders", "position_lots", "quote"),
        *("replace", "stop", "stream_ns"),
    ]
