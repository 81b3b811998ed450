"""What a process says about itself: JSON lines and Prometheus text."""

from __future__ import annotations

import json
import urllib.request
from collections import Counter

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from shared.runtime.log import open_log
from shared.runtime.metrics import LOOPBACK, Counts, HostCollector, serve


def scrape(counts: Counts, gauges: dict[str, float]) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(HostCollector("venue", counts, lambda: gauges))
    lines = generate_latest(registry).decode().splitlines()
    pairs = [line.rsplit(" ", 1) for line in lines if line and not line.startswith("#")]
    return {name: float(value) for name, value in pairs}


def test_a_log_line_is_one_json_object_with_its_service_and_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = open_log("venue", "test-1")
    log.info("started", epoch=2, correlation_id="ema_cross-1-4")
    log.warning("frame_refused", code="KIND_UNKNOWN")
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first.pop("timestamp").endswith("Z")
    assert first == {
        "service": "venue",
        "run": "test-1",
        "level": "info",
        "event": "started",
        "epoch": 2,
        "correlation_id": "ema_cross-1-4",
    }
    assert (second["level"], second["event"]) == ("warning", "frame_refused")


def test_a_log_line_can_hold_anything_and_stays_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    open_log("venue", "test-1").error("odd", value=object(), text="two\nlines", raw=b"\xff")
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["text"] == "two\nlines"


def test_counts_become_metrics_with_the_service_as_label() -> None:
    counts = Counts(handled=Counter(trade=3, mark=1), refused=Counter(KIND_UNKNOWN=2))
    counts.resent, counts.syncs, counts.sync_ns, counts.journal_bytes = 4, 5, 1_500_000_000, 99
    seen = scrape(counts, {"epoch": 7})
    assert seen['bulkhead_handled_total{kind="trade",service="venue"}'] == 3
    assert seen['bulkhead_handled_total{kind="mark",service="venue"}'] == 1
    assert seen['bulkhead_refused_total{code="KIND_UNKNOWN",service="venue"}'] == 2
    assert seen['bulkhead_resent_total{service="venue"}'] == 4
    assert seen['bulkhead_journal_syncs_total{service="venue"}'] == 5
    assert seen['bulkhead_journal_sync_seconds_total{service="venue"}'] == 1.5
    assert seen['bulkhead_journal_bytes_total{service="venue"}'] == 99
    assert seen['bulkhead_epoch{service="venue"}'] == 7


def test_a_scrape_reads_the_counts_of_that_moment() -> None:
    counts = Counts()
    name = 'bulkhead_sent_total{kind="trade",service="venue"}'
    assert name not in scrape(counts, {})
    counts.sent["trade"] += 1
    assert scrape(counts, {})[name] == 1


def test_metrics_are_served_on_loopback_only() -> None:
    port = serve(HostCollector("venue", Counts(), lambda: {"epoch": 1.0}), 0)
    with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=5) as response:
        assert b'bulkhead_epoch{service="venue"} 1.0' in response.read()
    assert LOOPBACK == "127.0.0.1"
