"""A trade told from its journals: the steps, their order, and what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from proto_schemas.enums import Side
from services.monitor.journals import load_index
from services.monitor.trace import TICK_KINDS, missing, trace
from shared.kernel.errors import OperatorFault
from tests.unit.monitor.story import EXIT, FILLED, REFUSED, Story, snapshot, whole_story

WHOLE = [
    ("market_data", "tick received"),
    ("strategy_engine", "bar closed"),
    ("risk_engine", "intent"),
    ("strategy_engine", "decision APPROVED"),
    ("order_router", "approval"),
    ("venue", "order sent"),
    ("order_router", "acknowledged"),
    ("order_state", "order event ACKNOWLEDGE"),
    ("order_router", "fill"),
    ("order_state", "execution booked"),
    ("strategy_engine", "position"),
    ("strategy_engine", "order FILLED"),
    ("risk_engine", "position"),
    ("risk_engine", "order FILLED"),
    ("monitor", "position"),
    ("monitor", "order FILLED"),
]


def test_a_filled_order_is_told_from_tick_to_position(tmp_path: Path) -> None:
    index = load_index(whole_story(tmp_path).write())
    found = trace(index, "ema_cross-1-1")
    assert [(step.layer, step.event) for step in found.steps] == WHOLE
    assert (found.client_order_id, found.outcome, found.session) == (
        FILLED,
        "FILLED",
        "order_router",
    )
    assert missing(found) == ()
    times = [step.since_tick_us for step in found.steps]
    # The trade between row and bar took 100 us too; everything else follows 100 us apart.
    assert times[:6] == [0, 200, 300, 400, 500, 600]
    assert times == sorted(times)


def test_an_order_that_a_burst_led_to_says_which_rows_the_strategy_had(tmp_path: Path) -> None:
    story = Story(tmp_path)
    story.intent(FILLED, "ema_cross-1-1", story.burst(11, 14))
    story.approval(FILLED, "ema_cross-1-1")
    story.sent(FILLED, "order_router", Side.BUY, "ema_cross-1-1")
    index = load_index(story.write())
    found = trace(index, FILLED)
    assert [(step.event, step.detail) for step in found.steps[:2]] == [
        ("burst received", "4 rows, 11 to 14"),
        ("burst seen", "4 rows, 11 to 14"),
    ]
    assert not [gap for gap in missing(found) if "burst" in gap or "trade" in gap]
    assert index.tick_to_order_us(FILLED) == 500


@pytest.mark.parametrize("any_id", [FILLED, "ema_cross-1-1", "x1order_router"])
def test_every_id_of_an_order_leads_to_it(tmp_path: Path, any_id: str) -> None:
    index = load_index(whole_story(tmp_path).write())
    assert trace(index, any_id).client_order_id == FILLED


def test_a_refused_intent_ends_with_the_rule_that_refused_it(tmp_path: Path) -> None:
    found = trace(load_index(whole_story(tmp_path).write()), REFUSED)
    assert found.outcome == "REFUSED"
    assert found.steps[0].event == "tick received"
    assert found.steps[-1].event == "decision REFUSED MAX_POSITION"
    assert found.steps[-1].detail == "limit 3, was 4"
    assert missing(found) == ()


def test_an_order_of_the_watchdog_begins_at_the_venue(tmp_path: Path) -> None:
    found = trace(load_index(whole_story(tmp_path).write()), EXIT)
    assert (found.from_signal, found.session, found.outcome) == (False, "watchdog", "FILLED")
    assert (found.steps[0].layer, found.steps[0].event) == ("venue", "order sent")
    assert missing(found) == ()


# Step left out -> what must be reported.
CUTS = {
    ("market_data", 1): f"market_data: {' or '.join(TICK_KINDS)}",
    ("risk_engine", 0): "no order",
    ("strategy_engine", 3): "strategy_engine: decision",
    ("order_router", 0): "order_router: approval",
    ("order_router", 1): "order_router: broker_order_event",
    ("order_router", 2): "order_router: broker_execution",
    ("venue", 0): "venue: new_order",
    ("order_state", 1): "order_state: execution",
    ("risk_engine", 3): "risk_engine: order_update",
}


@pytest.mark.parametrize(("cut", "gap"), list(CUTS.items()))
def test_a_step_left_out_is_named(tmp_path: Path, cut: tuple[str, int], gap: str) -> None:
    story = whole_story(tmp_path)
    del story.lines[cut[0]][cut[1]]
    found = trace(load_index(story.write()), FILLED)
    if gap == "no order":
        assert not found.from_signal
    else:
        assert gap in missing(found)


def test_news_that_came_in_a_snapshot_counts_as_received(tmp_path: Path) -> None:
    story = whole_story(tmp_path)
    del story.lines["risk_engine"][3]
    body = story.update(FILLED, "order_router", Side.BUY)
    story.tell("risk_engine", snapshot(story, body, continues=False), "order_state")
    assert missing(trace(load_index(story.write()), FILLED)) == ()


def test_an_unknown_id_is_refused_with_a_known_one(tmp_path: Path) -> None:
    index = load_index(whole_story(tmp_path).write())
    with pytest.raises(OperatorFault) as caught:
        trace(index, "ema_cross-9-9")
    assert caught.value.code == "TRACE_UNKNOWN_ID"
    assert FILLED in caught.value.fix


def test_a_run_without_orders_says_so(tmp_path: Path) -> None:
    with pytest.raises(OperatorFault, match="no orders yet"):
        trace(load_index(Story(tmp_path).write()), "x")
