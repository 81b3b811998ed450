"""The merged log: what stands in it, in which order, and that no line stands twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from proto_schemas.control import Control, StrategyFile, Undelivered
from proto_schemas.enums import Mode, SessionPhase
from proto_schemas.ledger import PositionUpdate
from services.monitor.audit import Auditor, iso_utc
from services.monitor.audit_source import AuditSource, merged_log, rebuild
from services.monitor.config import Tunables
from services.monitor.merge import Merge
from shared.kernel.clock import MS, SECOND, Now
from tests.unit.monitor.story import ES, FILLED, STREAM_NS, Story, whole_story

LATER_NS = 60 * SECOND


def read(run_root: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in merged_log(run_root).read_text().splitlines()]


def look(source: AuditSource, boot_ns: int) -> None:
    assert source.next_input(Now(0, boot_ns)) is None


def test_every_decision_of_every_process_stands_there_in_order(tmp_path: Path) -> None:
    run = whole_story(tmp_path).write()
    source = AuditSource(run, Tunables())
    look(source, LATER_NS)
    lines = read(tmp_path)
    assert [line["boot_ns"] for line in lines] == sorted(line["boot_ns"] for line in lines)
    first = [(line["layer"], line["event"]) for line in lines[:4]]
    assert first == [
        ("risk_engine", "intent"),
        ("strategy_engine", "decision"),
        ("order_router", "approval"),
        ("venue", "new_order"),
    ]
    assert lines[0]["client_order_id"] == FILLED
    assert lines[0]["correlation_id"] == "ema_cross-1-1"
    assert lines[0]["stream_time"] == "2018-05-07T13:45:00.000000Z"
    kinds = {line["event"] for line in lines}
    assert not kinds & {"feed_trade", "trade", "bar", "mark"}
    assert "monitor" not in {line["layer"] for line in lines}


def test_a_line_waits_for_slower_journals(tmp_path: Path) -> None:
    story = whole_story(tmp_path)
    run = story.write()
    source = AuditSource(run, Tunables())
    look(source, story.boot_ns)
    assert read(tmp_path) == []
    look(source, story.boot_ns + 500 * MS)
    assert read(tmp_path)


def test_journals_are_looked_at_five_times_a_second_at_most(tmp_path: Path) -> None:
    story = Story(tmp_path)
    source = AuditSource(story.run, Tunables())
    look(source, LATER_NS)
    assert source.next_due_ns(Now(0, LATER_NS)) == LATER_NS + 200 * MS
    whole_story(tmp_path / "other")
    story.intent(FILLED, "a-1-1", "x")
    story.write()
    look(source, LATER_NS + 199 * MS)
    assert read(tmp_path) == []
    look(source, LATER_NS + 200 * MS)
    assert len(read(tmp_path)) == 2


def test_a_restart_builds_the_same_file_again(tmp_path: Path) -> None:
    story = whole_story(tmp_path)
    run = story.write()
    look(AuditSource(run, Tunables()), LATER_NS)
    before = read(tmp_path)
    again = AuditSource(run, Tunables())
    assert read(tmp_path) == before, "the old file stays until the new one is whole"
    look(again, LATER_NS)
    assert read(tmp_path) == before
    story.intent(FILLED, "late-1-1", "x")
    story.write()
    look(again, 2 * LATER_NS)
    assert read(tmp_path)[: len(before)] == before
    assert len(read(tmp_path)) == len(before) + 2


def test_small_bites_give_the_same_log_as_one(tmp_path: Path) -> None:
    run = whole_story(tmp_path).write()
    look(AuditSource(run, Tunables()), LATER_NS)
    at_once = read(tmp_path)
    slow = AuditSource(run, Tunables(records_per_poll=1))
    for turn in range(60):
        look(slow, LATER_NS + turn * SECOND)
        assert read(tmp_path) == at_once, "half a file is never in place"
    assert read(tmp_path) == at_once
    assert not any("late" in line for line in at_once)


def test_a_log_can_be_rebuilt_after_the_run_to_its_last_line(tmp_path: Path) -> None:
    run = whole_story(tmp_path).write()
    look(AuditSource(run, Tunables()), LATER_NS)
    whole = read(tmp_path)
    assert rebuild(run) == merged_log(tmp_path)
    assert read(tmp_path) == whole


def test_a_damaged_journal_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    run = whole_story(tmp_path).write()
    path = run.journal("venue")
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(bytes(data))
    source = AuditSource(run, Tunables())
    for turn in (1, 2):
        look(source, turn * LATER_NS)
    lines = read(tmp_path)
    [named] = [line for line in lines if line["event"] == "journal_unreadable"]
    assert (named["journal"], named["code"]) == ("venue", "JOURNAL_DAMAGED")
    assert {"risk_engine", "order_router"} <= {line["layer"] for line in lines}


def test_what_is_repeated_has_a_line_only_when_it_changes(tmp_path: Path) -> None:
    story = Story(tmp_path)
    for mode in (Mode.NORMAL, Mode.NORMAL, Mode.HALT, Mode.HALT):
        story.tell(
            "risk_engine", Control(1, mode, SessionPhase.OPEN, "", True, True, None), "watchdog"
        )
    for open_mills in (0, 5, 9):
        body = PositionUpdate("ema_cross", ES, 1, 1, 0, open_mills, 0, 100)
        story.tell("risk_engine", body, "order_state")
    auditor = Auditor()
    lines = [auditor.line("risk_engine", payload) for payload in story.lines["risk_engine"]]
    assert [line[1]["event"] for line in lines if line] == ["control", "control", "position_update"]


def test_of_what_never_left_only_orders_have_a_line(tmp_path: Path) -> None:
    story = Story(tmp_path)
    for kind in ("market_progress", "new_order"):
        story.tell("order_router", Undelivered("order_router/1/x/1", kind, FILLED), "order_router")
    auditor = Auditor()
    lines = [auditor.line("order_router", payload) for payload in story.lines["order_router"]]
    assert [line is not None for line in lines] == [False, True]


def test_stream_time_reads_as_utc() -> None:
    assert iso_utc(0) == "1970-01-01T00:00:00.000000Z"
    assert iso_utc(STREAM_NS + 1_234_567) == "2018-05-07T13:45:00.001234Z"


def test_a_line_that_comes_too_late_is_written_and_marked() -> None:
    merge = Merge(hold_back_ns=10)
    merge.add(100, {"n": 1})
    assert merge.release(110) == [{"n": 1}]
    merge.add(99, {"n": 0})
    assert merge.release(110) == [{"n": 0, "late": True}]


def test_nothing_is_released_past_a_journal_that_has_more_to_read() -> None:
    merge = Merge(hold_back_ns=0)
    merge.add(100, {"n": 2})
    merge.read_up_to("venue", 50)
    assert merge.release(1_000) == []
    merge.add(60, {"n": 1})
    merge.read_up_to("venue", None)
    assert merge.release(1_000) == [{"n": 1}, {"n": 2}]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 50)), max_size=40))
def test_lines_that_wait_long_enough_come_out_sorted_and_whole(
    moves: list[tuple[str, int]],
) -> None:
    """Each journal is in order; readers are at most 50 behind; the hold-back is 50."""
    merge = Merge(hold_back_ns=50)
    clock, last, put, got = 0, {"a": 0, "b": 0, "c": 0}, [], []
    for journal, behind in moves:
        clock += 7
        last[journal] = max(last[journal], clock - behind, 0)
        merge.add(last[journal], {"at": last[journal]})
        put.append(last[journal])
        got += merge.release(clock)
    got += merge.drain()
    assert [line["at"] for line in got] == sorted(put)
    assert merge.late == 0


def test_a_change_of_code_has_a_line_with_its_hash_and_not_its_source(tmp_path: Path) -> None:
    story = Story(tmp_path)
    file = StrategyFile("mine", "mine.py", "abc", "import this\n", "OK", "", "", "")
    story.tell("strategy_engine", file, "strategy_engine")
    text = rebuild(story.write()).read_text()
    line = json.loads(text)
    assert (line["event"], line["source_hash"]) == ("strategy_file", "abc")
    assert "import this" not in text
