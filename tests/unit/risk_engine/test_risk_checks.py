"""Every check alone: it passes at the limit, refuses beyond it, and names limit and value."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from proto_schemas.control import Blind
from proto_schemas.enums import FeedState, Mode, Side
from proto_schemas.ledger import ReconcileReport
from proto_schemas.signals import Intent
from services.risk_engine import checks
from services.risk_engine.config import RiskConfig
from services.risk_engine.core import RiskCore
from services.risk_engine.limits import Limits
from shared.kernel.clock import SECOND, Now
from tests.unit.risk_engine.risk_inputs import (
    BOOT,
    CONFIG,
    NOW,
    control,
    decide,
    feed_status,
    give,
    intent,
    mark,
    position,
    ready_core,
    sighted_core,
)

WIDE = Limits(100, 100, 100, 40, 10 * SECOND, 2 * SECOND, 50, 50)


def later(boot_ns: int) -> Now:
    return Now(1_000 * SECOND, boot_ns)


def refused(core: RiskCore, wanted: Intent, at: Now = NOW) -> tuple[str, str, str]:
    decision = decide(core, wanted, at)
    assert not decision.approved
    return decision.code, decision.limit, decision.value


def test_a_good_intent_is_approved() -> None:
    decision = decide(ready_core(), intent())
    assert (decision.approved, decision.code, decision.limit, decision.value) == (
        True, "APPROVED", "", "",
    )  # fmt: skip


def test_blind_on_the_ledger_nothing_passes() -> None:
    core = ready_core()
    give(core, Blind("ledger", "order_state"))
    assert refused(core, intent()) == ("BLIND", "ledger sighted", "blind")


def test_blindness_on_another_stream_is_none_of_our_business() -> None:
    core = ready_core()
    give(core, Blind("market.ESM18", "market_data"))
    assert decide(core, intent()).approved


@pytest.mark.parametrize("state", [FeedState.STALE, FeedState.ENDED])
def test_a_feed_that_is_not_live_refuses(state: FeedState) -> None:
    core = ready_core()
    give(core, feed_status(state))
    assert refused(core, intent()) == ("FEED_NOT_LIVE", "LIVE", state.value)


def test_no_word_about_the_feed_refuses() -> None:
    core = sighted_core()
    give(core, control(), mark(), feed_status(instrument="ESU18"))
    assert refused(core, intent()) == ("FEED_NOT_LIVE", "LIVE", "none")


def test_halt_refuses_entries_and_exits() -> None:
    core = ready_core()
    give(core, position(5), control(Mode.HALT))
    assert refused(core, intent(1)) == ("MODE_HALT", "NORMAL", "HALT")
    exit_order = intent(2, side=Side.SELL, reduce_only=True)
    assert refused(core, exit_order) == ("MODE_HALT", "NORMAL", "HALT")


def test_a_watchdog_never_heard_in_this_life_means_halt() -> None:
    core = sighted_core()
    give(core, feed_status(), mark())
    assert refused(core, intent()) == ("MODE_HALT", "NORMAL", "none")


def test_a_watchdog_silent_for_more_than_three_seconds_means_halt() -> None:
    core = ready_core()
    assert decide(core, intent(1), later(BOOT + 3 * SECOND)).approved
    late = later(BOOT + 3 * SECOND + 1)
    assert refused(core, intent(2), at=late) == ("MODE_HALT", "3000000000", "3000000001")


def test_reduce_only_mode_refuses_entries_and_passes_exits() -> None:
    core = ready_core()
    give(core, position(5), control(Mode.REDUCE_ONLY))
    assert refused(core, intent(1)) == ("MODE_REDUCE_ONLY", "NORMAL", "REDUCE_ONLY")
    assert decide(core, intent(2, side=Side.SELL, reduce_only=True)).approved


def test_an_intent_past_its_time_is_expired() -> None:
    core = ready_core()
    assert decide(core, intent(1, expires_ns=BOOT)).approved
    expected = ("EXPIRED", str(BOOT - 1), str(BOOT))
    assert refused(core, intent(2, expires_ns=BOOT - 1)) == expected


def test_an_id_seen_before_with_other_facts_is_a_duplicate() -> None:
    core = ready_core()
    assert decide(core, intent(1)).approved
    assert refused(core, intent(1, quantity_lots=1)) == ("DUPLICATE_ORDER", "1", "2")


LAG_NS = CONFIG.limits.data_lag_max_ns


def test_an_entry_that_rests_on_an_older_market_than_ours_is_stale() -> None:
    core = ready_core()
    assert decide(core, intent(1, data_ns=BOOT - LAG_NS)).approved
    old = intent(2, data_ns=BOOT - LAG_NS - 1)
    assert refused(core, old) == ("STALE_DATA", str(LAG_NS), str(LAG_NS + 1))


def test_a_quiet_market_is_no_stale_market_and_an_older_sender_is_believed() -> None:
    core = ready_core()
    quiet = later(BOOT + 3 * SECOND)
    assert decide(core, intent(1, data_ns=BOOT), quiet).approved
    assert decide(core, intent(2, data_ns=None), quiet).approved


def test_a_strategy_that_is_behind_may_still_get_out() -> None:
    core = ready_core()
    give(core, position(5))
    exit_order = intent(1, side=Side.SELL, reduce_only=True, data_ns=BOOT - 9 * SECOND)
    assert decide(core, exit_order).approved


def test_a_full_memory_of_ids_approves_nothing_new(monkeypatch: pytest.MonkeyPatch) -> None:
    core = ready_core()
    assert decide(core, intent(1)).approved
    monkeypatch.setattr(checks, "DECISIONS_MAX", 1)
    assert refused(core, intent(2)) == ("DUPLICATE_ORDER", "1", "1")


def test_only_the_strategy_of_the_run_may_trade() -> None:
    expected = ("STRATEGY_UNKNOWN", "ema_cross", "other")
    assert refused(ready_core(), intent(strategy="other")) == expected


def test_only_the_instrument_of_the_run_may_trade() -> None:
    expected = ("INSTRUMENT_UNKNOWN", "ESM18", "ESU18")
    assert refused(ready_core(), intent(instrument="ESU18")) == expected


def test_order_size_has_a_limit() -> None:
    assert decide(ready_core(), intent(quantity_lots=10)).approved
    assert refused(ready_core(), intent(quantity_lots=11)) == ("ORDER_SIZE", "10", "11")


@pytest.mark.parametrize(("side", "sign"), [(Side.BUY, 1), (Side.SELL, -1)])
def test_position_limit_counts_what_is_held_reserved_and_wanted(side: Side, sign: int) -> None:
    core = ready_core()
    give(core, position(4 * sign))
    assert decide(core, intent(1, side=side, quantity_lots=4)).approved
    wanted = intent(2, side=side, quantity_lots=3)
    assert refused(core, wanted) == ("POSITION_LIMIT", "10", "11")
    assert decide(core, intent(3, side=side, quantity_lots=2)).approved


def test_an_opposite_reservation_gives_no_room() -> None:
    core = ready_core()
    give(core, position(8))
    assert decide(core, intent(1, side=Side.SELL, quantity_lots=8)).approved
    assert refused(core, intent(2, quantity_lots=3)) == ("POSITION_LIMIT", "10", "11")


def test_positions_of_all_strategies_count() -> None:
    core = ready_core()
    give(core, position(6), position(3, strategy="other"))
    assert refused(core, intent()) == ("POSITION_LIMIT", "10", "11")


def test_the_aggregate_adds_up_the_worst_case_of_every_instrument() -> None:
    core = ready_core()
    give(core, position(-15, instrument="ESU18"), position(-2))
    assert decide(core, intent(1, side=Side.BUY, quantity_lots=4)).approved, "worst stays 2 short"
    assert refused(core, intent(2, side=Side.SELL, quantity_lots=4)) == (
        "AGGREGATE_LIMIT", "20", "21",
    )  # fmt: skip


def test_no_limit_traps_anyone_in_a_position_above_it() -> None:
    core = ready_core()
    give(core, position(30))
    assert decide(core, intent(1, side=Side.SELL, quantity_lots=10, reduce_only=True)).approved


@pytest.mark.parametrize(
    ("held", "side", "lots", "room"),
    [(0, Side.SELL, 1, "0"), (5, Side.BUY, 1, "0"), (5, Side.SELL, 6, "5"), (-5, Side.BUY, 6, "5")],
)
def test_an_exit_may_not_open_anything(held: int, side: Side, lots: int, room: str) -> None:
    core = ready_core()
    give(core, position(held))
    wanted = intent(side=side, quantity_lots=lots, reduce_only=True)
    assert refused(core, wanted) == ("REDUCE_ONLY_INCREASES", room, str(lots))


def test_exits_on_their_way_leave_less_to_close() -> None:
    core = ready_core()
    give(core, position(5))
    exit_order = {"side": Side.SELL, "quantity_lots": 3, "reduce_only": True}
    assert decide(core, intent(1, **exit_order)).approved
    assert refused(core, intent(2, **exit_order)) == ("REDUCE_ONLY_INCREASES", "2", "3")


def test_without_a_mark_there_is_no_reference() -> None:
    core = sighted_core()
    give(core, control(), feed_status())
    assert refused(core, intent()) == ("NO_REFERENCE", "mark", "none")


def test_an_old_mark_is_no_reference() -> None:
    core = ready_core()
    give(core, mark(receive_ns=BOOT - 10 * SECOND))
    assert decide(core, intent(1)).approved
    give(core, mark(receive_ns=BOOT - 10 * SECOND - 1))
    expected = ("STALE_REFERENCE", "10000000000", "10000000001")
    assert refused(core, intent(2)) == expected


def test_a_mark_from_the_future_is_no_reference() -> None:
    core = ready_core()
    give(core, mark(receive_ns=BOOT + 1))
    assert refused(core, intent()) == ("STALE_REFERENCE", "10000000000", "-1")


@pytest.mark.parametrize("sign", [1, -1])
def test_the_collar_holds_on_both_sides(sign: int) -> None:
    core = ready_core()
    assert decide(core, intent(1, reference_ticks=10_000 + sign * 40)).approved
    wanted = intent(2, reference_ticks=10_000 + sign * 41)
    assert refused(core, wanted) == ("COLLAR", "40", "41")


def test_the_order_rate_counts_approvals_in_a_sliding_second() -> None:
    core = ready_core(RiskConfig("ema_cross", "ESM18", WIDE))
    for number in range(50):
        assert decide(core, intent(number, quantity_lots=1), later(BOOT + number)).approved
    assert refused(core, intent(90), at=later(BOOT + SECOND - 1)) == ("ORDER_RATE", "50", "51")
    assert decide(core, intent(91), later(BOOT + SECOND)).approved
    assert refused(core, intent(92), at=later(BOOT + SECOND))[0] == "ORDER_RATE"


def test_a_reconcile_break_refuses_until_a_clean_report() -> None:
    core = ready_core()
    give(core, ReconcileReport(1, False, (), (), 0, (), BOOT))
    assert refused(core, intent(1)) == ("RECONCILE_BREAK", "clean", "break")
    give(core, ReconcileReport(2, True, (), (), 0, (), BOOT))
    assert decide(core, intent(2)).approved


def test_the_first_refusal_of_the_table_counts() -> None:
    core = ready_core()
    give(core, control(Mode.HALT), feed_status(FeedState.STALE))
    assert refused(core, intent(quantity_lots=99))[0] == "FEED_NOT_LIVE"


def test_every_check_is_in_the_table_once() -> None:
    own = [
        value
        for name, value in vars(checks).items()
        if callable(value)
        and getattr(value, "__module__", "") == checks.__name__
        and getattr(value, "__annotations__", {}).get("intent") == "Intent"
        and name != "first_refusal"
    ]
    table: tuple[Callable[..., object], ...] = checks.CHECKS
    assert sorted(own, key=repr) == sorted(table, key=repr)
    assert len(set(table)) == len(table) == 21
