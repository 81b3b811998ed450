"""From counts and readings to what Prometheus sees: names, labels, units, and what ages."""

from __future__ import annotations

import socket
import urllib.request
from collections import Counter

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from proto_schemas.market_data import Mark
from proto_schemas.signals import Decision, Nack
from shared.kernel.clock import MS, SECOND
from shared.kernel.errors import OperatorFault
from shared.kernel.readings import LABEL_VALUES_MAX, OTHER, Readings, labelled, one_of, queue
from shared.runtime.counts import BOUNDS_NS, CappedCounter, Counts, Histogram
from shared.runtime.metric_table import BY_NAME, EXPORTED, TABLE
from shared.runtime.metrics import LOOPBACK, Board, HostCollector, serve
from shared.runtime.paths import Paths
from tests.support import event, now

TAKEN_NS = 100 * SECOND


def board(readings: Readings | None = None) -> Board:
    made = Board("order_router", Counts(), Paths("order_router"))
    made.show(readings or {}, TAKEN_NS)
    return made


def scrape(made: Board, at_ns: int = TAKEN_NS) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(HostCollector(made, lambda: at_ns))
    text = generate_latest(registry).decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = {k: v for k, v in sample.labels.items() if k != "service"}
            assert sample.labels["service"] == "order_router"
            shown = "".join(f" {name}={value}" for name, value in sorted(labels.items()))
            found[f"{sample.name}{shown}"] = sample.value
    return found


def test_counts_become_counters_with_their_labels() -> None:
    made = board()
    made.counts.handled = Counter(trade=3)
    made.counts.resent, made.counts.journal_bytes = 4, 99
    made.counts.refused.add("KIND_UNKNOWN")
    made.counts.alarms.add("gate_refused")
    seen = scrape(made)
    assert seen["bulkhead_handled_total kind=trade"] == 3
    assert seen["bulkhead_frames_refused_total code=KIND_UNKNOWN"] == 1
    assert seen["bulkhead_alarms_total event=gate_refused"] == 1
    assert seen["bulkhead_resent_total"] == 4
    assert seen["bulkhead_journal_size_bytes"] == 99


def test_a_scrape_reads_the_numbers_of_that_moment() -> None:
    made = board()
    assert "bulkhead_sent_total kind=trade" not in scrape(made)
    made.counts.sent["trade"] += 1
    assert scrape(made)["bulkhead_sent_total kind=trade"] == 1


def test_units_are_shown_as_the_table_says() -> None:
    seen = scrape(board({("bulkhead_realised_dollars", "ema", "ESM30"): -15_625}))
    assert seen["bulkhead_realised_dollars instrument=ESM30 strategy=ema"] == -15.625


def test_what_ages_grows_and_what_runs_down_ends_at_zero_while_a_loop_hangs() -> None:
    readings = {
        ("bulkhead_lease_left_seconds",): 800 * MS,
        ("bulkhead_reconcile_age_seconds",): 2 * SECOND,
        ("bulkhead_gate_open",): 1,
    }
    made = board(readings)
    made.counts.heard_ns["lease"] = TAKEN_NS - SECOND
    fresh = scrape(made)
    assert fresh["bulkhead_lease_left_seconds"] == 0.8
    assert fresh["bulkhead_loop_age_seconds"] == 0
    late = scrape(made, TAKEN_NS + 3 * SECOND)
    assert late["bulkhead_lease_left_seconds"] == 0
    assert late["bulkhead_reconcile_age_seconds"] == 5
    assert late["bulkhead_loop_age_seconds"] == 3
    assert late["bulkhead_message_age_seconds kind=lease"] == 4
    assert late["bulkhead_gate_open"] == 1


def test_a_histogram_counts_each_duration_in_its_bucket_and_all_above() -> None:
    made = board()
    for duration_ns in (50_000, 50_001, 3 * MS, 60 * SECOND):
        made.counts.sync.observe(duration_ns)
    seen = scrape(made)
    name = "bulkhead_journal_sync_seconds"
    by_bound = {
        bound: seen[f"{name}_bucket le={bound}"]
        for bound in ("5e-05", "0.0001", "0.002", "0.005", "5.0", "+Inf")
    }
    assert by_bound == {"5e-05": 1, "0.0001": 2, "0.002": 2, "0.005": 3, "5.0": 3, "+Inf": 4}
    assert seen[f"{name}_count"] == 4
    assert seen[f"{name}_sum"] == pytest.approx(60.003_100_001)


def test_a_negative_duration_is_of_two_boots_and_counts_nowhere() -> None:
    times = Histogram()
    times.observe(-1)
    assert times.counts == [0] * (len(BOUNDS_NS) + 1) and times.sum_ns == 0


def test_a_message_of_another_counts_its_hop_and_its_age_and_ours_does_not() -> None:
    counts = Counts()
    mark = event(Mark("ESM30", 1, 1, 100))
    counts.took("risk_engine", mark, now(boot_ns=7 * MS))
    counts.took("market_data", mark, now(boot_ns=9 * MS))
    assert counts.handled == {"mark": 2}
    assert sum(counts.hops["mark"].counts) == 1 and counts.hops["mark"].sum_ns == 7 * MS
    assert counts.heard_ns == {"mark": 7 * MS}


def test_refusals_are_counted_by_who_refused_and_why_and_approvals_are_none() -> None:
    counts = Counts()
    for body, by in (
        (Decision("a" * 36, False, "ORDER_SIZE", "10", "11"), "risk_engine"),
        (Decision("b" * 36, True, "APPROVED", "", ""), "risk_engine"),
        (Nack("LEASE_EXPIRED", "1", "2"), "order_router"),
        (Nack("LEASE_EXPIRED", "1", "2"), "order_router"),
    ):
        counts.took("strategy_engine", event(body, producer=by), now())
    assert counts.refusals == {
        ("risk_engine", "ORDER_SIZE"): 1,
        ("order_router", "LEASE_EXPIRED"): 2,
    }


def test_labels_that_others_choose_are_capped_and_nothing_is_lost() -> None:
    counter = CappedCounter()
    for number in range(LABEL_VALUES_MAX + 10):
        counter.add("somebody", f"CODE_{number}")
    counter.add("somebody", "CODE_0")
    assert len(counter) == LABEL_VALUES_MAX + 1
    assert counter[OTHER, OTHER] == 10 and counter["somebody", "CODE_0"] == 2
    readings = labelled("x", [((f"E{n}",), 1) for n in range(LABEL_VALUES_MAX + 5)])
    assert len(readings) == LABEL_VALUES_MAX + 1 and readings["x", OTHER] == 5


def test_one_of_several_words_holds() -> None:
    assert one_of("m", ("A", "B"), "B") == {("m", "A"): 0, ("m", "B"): 1}
    assert queue("outbox", 1, 2) == {
        ("bulkhead_queue_size", "outbox"): 1,
        ("bulkhead_queue_limit", "outbox"): 2,
    }


def test_a_number_that_the_table_does_not_know_fails_the_scrape_and_only_that() -> None:
    with pytest.raises(KeyError, match="bulkhead_made_up"):
        scrape(board({("bulkhead_made_up",): 1}))


def test_names_are_said_once_and_end_with_their_unit() -> None:
    assert len(BY_NAME) == len(TABLE)
    assert len(EXPORTED) == sum(len(row.exported) for row in TABLE)
    for row in TABLE:
        assert row.name.startswith("bulkhead_") and row.text and not row.text.endswith(".")
        in_seconds = row.divisor == SECOND
        assert row.name.endswith("_seconds") == in_seconds, row.name
        assert row.kind != "histogram" or in_seconds, row.name


def test_metrics_are_served_on_loopback_unless_told_otherwise() -> None:
    port = serve(HostCollector(board({("bulkhead_starts",): 7}), lambda: TAKEN_NS), 0)
    with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=5) as response:
        text = response.read()
    assert b'bulkhead_starts{service="order_router"} 7.0' in text
    assert b"process_resident_memory_bytes" in text
    assert LOOPBACK == "127.0.0.1"
    with socket.socket() as probe, pytest.raises(OSError):
        probe.settimeout(1)
        probe.connect(("127.0.0.2", port))
    other = serve(HostCollector(board(), lambda: 0), 0, "127.0.0.2")
    with urllib.request.urlopen(f"http://127.0.0.2:{other}/metrics", timeout=5) as response:
        assert response.status == 200


def test_a_port_that_is_taken_is_the_operators_fault_and_named() -> None:
    collector = HostCollector(board(), lambda: 0)
    with socket.socket() as other:
        other.bind((LOOPBACK, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(OperatorFault, match=f"(?s)METRICS_PORT.*{port}"):
            serve(collector, port)
