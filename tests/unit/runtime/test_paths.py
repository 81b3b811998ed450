"""Stages of the order path: which stamp begins them, what ends them, and what is not timed."""

from __future__ import annotations

from dataclasses import replace

from proto_schemas.broker import BrokerOrderEvent
from proto_schemas.enums import OrderState, OrderType, Side
from proto_schemas.market_data import MarketBurst, Quote, Trade
from proto_schemas.signals import Approval
from shared.kernel.clock import MS
from shared.kernel.outputs import Event
from shared.runtime import paths as paths_module
from shared.runtime.effects import Transmit
from shared.runtime.paths import STAGES, Paths
from tests.support import event, now

ORDER = "0" * 8 + "-0000-0000-0000-" + "0" * 12


def sent_at(made: Event, sent_ns: int) -> Event:
    return replace(made, envelope=replace(made.envelope, sent_ns=sent_ns))


def approval(sent_ns: int) -> Event:
    body = Approval(ORDER, "ema", "ESM30", Side.BUY, 1, OrderType.MARKET, False, 10**15, "hash")
    return sent_at(event(body), sent_ns)


def order(message_id: str = "m1", subject: str = ORDER) -> Transmit:
    return Transmit("dealer", "venue", b"", message_id, "new_order", True, subject)


def answer(order_id: str = ORDER) -> Event:
    return event(
        BrokerOrderEvent("order_router", 1, order_id, "B1", OrderState.ACKNOWLEDGED, "", 1)
    )


def times(paths: Paths) -> dict[str, tuple[int, int]]:
    return {name: (sum(each.counts), each.sum_ns) for name, each in paths.times.items()}


def test_the_router_is_timed_until_the_order_left_and_until_its_first_answer() -> None:
    paths = Paths("order_router")
    paths.took(approval(10 * MS), [order()], now(boot_ns=11 * MS))
    assert times(paths) == {}, "not before the disk has it and the socket took it"
    paths.left(order(), True, lambda: 14 * MS)
    paths.took(answer(), [], now(boot_ns=20 * MS))
    paths.took(answer(), [], now(boot_ns=90 * MS))
    assert times(paths) == {
        "approval_to_sent": (1, 4 * MS),
        "sent_to_acknowledged": (1, 6 * MS),
    }


def test_what_no_socket_took_is_not_timed() -> None:
    paths = Paths("order_router")
    paths.took(approval(10 * MS), [order()], now(boot_ns=11 * MS))
    paths.left(order(), False, lambda: 14 * MS)
    paths.left(order(), True, lambda: 99 * MS)
    paths.took(answer(), [], now(boot_ns=20 * MS))
    assert times(paths) == {}


def test_a_strategy_is_timed_from_the_row_and_only_if_it_wants_something() -> None:
    paths = Paths("strategy_engine")
    tick = event(Trade(1, "ESM30", 5, 2 * MS, 100, 1))
    paths.took(tick, [], now(boot_ns=3 * MS))
    assert times(paths) == {"feed_to_strategy": (1, MS)}
    intent = Transmit("dealer", "risk_engine", b"", "m2", "intent")
    other = Transmit("dealer", "market_data", b"", "m3", "market_progress")
    paths.took(tick, [other, intent], now(boot_ns=4 * MS))
    paths.left(other, True, lambda: 5 * MS)
    paths.left(intent, True, lambda: 6 * MS)
    assert times(paths) == {"feed_to_strategy": (2, 3 * MS), "tick_to_intent": (1, 4 * MS)}


def test_a_repeat_of_a_command_is_not_timed_again() -> None:
    paths = Paths("risk_engine")
    body = event(approval(0).body)
    stage_in = sent_at(replace(body, envelope=replace(body.envelope, kind="intent")), MS)
    out = Transmit("dealer", "order_router", b"", "m4", "approval")
    paths.took(stage_in, [out], now(boot_ns=2 * MS))
    paths.left(out, True, lambda: 3 * MS)
    paths.left(out, True, lambda: 500 * MS)
    assert times(paths) == {"intent_to_approval": (1, 2 * MS)}


def test_what_waits_for_an_answer_is_bounded() -> None:
    paths = Paths("order_router")
    for number in range(paths_module.WAITING_MAX + 3):
        out = order(f"m{number}", f"order-{number}")
        paths.took(approval(0), [out], now(boot_ns=MS))
        paths.left(out, True, lambda: 2 * MS)
    paths.took(answer("order-0"), [], now(boot_ns=3 * MS))
    assert "sent_to_acknowledged" not in paths.times, "the oldest was forgotten"
    paths.took(answer("order-5"), [], now(boot_ns=3 * MS))
    assert sum(paths.times["sent_to_acknowledged"].counts) == 1


def test_every_stage_has_a_name_of_its_own() -> None:
    assert {s.path for stages in STAGES.values() for s in stages.values()} == {
        *("tick_to_intent", "intent_to_approval", "approval_to_sent"),
    }


def test_a_burst_is_timed_from_its_oldest_row() -> None:
    trades = tuple(Trade(n, "ESM30", 1, n * MS, 100, 1) for n in (5, 6))
    quotes = (Quote(4, "ESM30", 1, 4 * MS, None, None),)
    paths = Paths("strategy_engine")
    burst = event(MarketBurst("ESM30", trades, quotes, ()))
    paths.took(burst, [replace(order("i1"), kind="intent")], now(boot_ns=9 * MS))
    paths.left(replace(order("i1"), kind="intent"), True, lambda: 10 * MS)
    assert times(paths) == {"feed_to_strategy": (1, 5 * MS), "tick_to_intent": (1, 6 * MS)}
