"""A run in numbers."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from proto_schemas.enums import Side
from services.monitor.journals import load_summary
from services.monitor.summary import Latency, percentile
from tests.unit.monitor.story import ES, EXIT, FILLED, REFUSED, Story, whole_story


def test_a_run_is_counted_from_its_journals(tmp_path: Path) -> None:
    summary = load_summary(whole_story(tmp_path).write())
    assert (summary.intents, summary.orders, summary.fills) == (2, 2, 2)
    assert summary.decisions == {"OK": 1, "MAX_POSITION": 1}
    assert summary.position_lots == {ES: 0}
    assert summary.broker_position_lots == {ES: 0}
    assert summary.reconciled is True
    assert summary.feed is not None
    assert (summary.feed["state"], summary.feed["rows_in"]) == ("ENDED", 4)
    assert set(summary.client_order_ids) == {FILLED, REFUSED, EXIT}
    assert summary.trace_id == "ema_cross-1-1"
    json.dumps(asdict(summary))


def test_latency_is_from_the_row_at_the_ingestor_to_the_order_at_the_venue(tmp_path: Path) -> None:
    """The watchdog's exit has no tick behind it and does not count."""
    assert load_summary(whole_story(tmp_path).write()).latency == Latency(1, 600, 600)


def test_a_fill_told_twice_counts_once(tmp_path: Path) -> None:
    story = whole_story(tmp_path)
    story.fill(FILLED, "order_router", Side.BUY, "ema_cross-1-1")
    summary = load_summary(story.write())
    assert (summary.fills, summary.position_lots) == (2, {ES: 0})


def test_a_run_that_has_only_begun_has_no_numbers_yet(tmp_path: Path) -> None:
    summary = load_summary(Story(tmp_path).write())
    assert (summary.intents, summary.latency, summary.reconciled) == (0, None, None)
    assert (summary.broker_position_lots, summary.trace_id) == (None, None)


@given(st.lists(st.integers(0, 100), min_size=1), st.integers(1, 100))
def test_a_percentile_is_the_smallest_value_that_enough_do_not_exceed(
    values: list[int], percent: int
) -> None:
    ordered = sorted(values)
    found = percentile(ordered, percent)
    assert 100 * sum(value <= found for value in values) >= percent * len(values)
    assert 100 * sum(value < found for value in values) < percent * len(values)
