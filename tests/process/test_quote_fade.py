"""`quote_fade` through all real processes: made-up quotes, and recorded ones if there are any."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.process.independent import check_run, journaled, orders_received, received
from tests.real_data import real

if TYPE_CHECKING:
    from tests.process.conftest import Bulkhead

QUOTES = "databento-es/futures_mbp-1_2024-07-01T23-58_2024-07-02T00-02.dbn.zst"
MADE_UP_ROWS = "12000"


def replay(bulkhead: Bulkhead, *options: str) -> dict[str, Any]:
    """Ends flat, and the venue's record is what the ledger says."""
    ended = bulkhead("replay", *options, "--strategy", "quote_fade", "--json", timeout_s=160)
    report = ended.report
    assert ended.code == 0, (report, ended.err[-3000:])
    assert report["ok"] is True and report["reconciled"] is True and report["gaps"] == 0
    assert report["position_lots"] == 0 and report["broker_position_lots"] == 0
    check_run(Path(report["run"]))
    return report


@pytest.mark.timeout(180)
def test_it_works_quotes_over_the_made_up_market_and_ends_flat(bulkhead: Bulkhead) -> None:
    options = ("--made-up", MADE_UP_ROWS, "--instrument", "ESM30", "--speed", "60")
    report = replay(bulkhead, *options)
    run = Path(report["run"])
    assert report["fills"] > 4 and report["events_out"] == int(MADE_UP_ROWS)
    entries = [o.body for o in orders_received(run) if o.body["order_type"] == "LIMIT"]
    assert entries and all(len(entry["legs"]) == 2 for entry in entries)
    sent = {frame.kind for frame in received(run)}
    # Which of the two depends on when the answers come; each by itself is in the unit tests.
    assert sent & {"cancel_order", "replace_order"}, "entries that waited were changed"
    states = {
        f.body["state"] for f in journaled(run, "strategy_engine") if f.kind == "order_update"
    }
    assert states >= {"WORKING", "FILLED", "CANCELLED"}
    assert report["trace_id"] and report["latency_us"]["p50"] > 0
    traced = bulkhead("trace", report["trace_id"], "--json")
    assert traced.code == 0 and traced.report["missing"] == [], traced.out


@pytest.mark.timeout(180)
def test_it_works_recorded_quotes_and_ends_flat(bulkhead: Bulkhead) -> None:
    path = real(QUOTES)
    report = replay(bulkhead, str(path), "--instrument", "ESU24", "--speed", "20")
    assert report["orders"] > 0, "a maker's entry was sent"
    assert report["ticks"] == report["events_out"] > 2_000
