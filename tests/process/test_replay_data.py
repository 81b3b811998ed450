"""Replays of real data (when it is beside the checkout), at full speed, and the shipped sample."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from services.monitor.journals import load_index
from services.monitor.trace import missing
from shared.feeds import SAMPLE_PATH
from shared.runtime.run_folder import RunFolder
from tests.process.independent import check_run
from tests.process.trading import SAMPLE_SPEED
from tests.real_data import real

if TYPE_CHECKING:
    from tests.process.conftest import Bulkhead


def replay(bulkhead: Bulkhead, path: Path, instrument: str, speed: str = "max") -> dict[str, Any]:
    """Ends well and trades, and its evidence is whole."""
    options = ("--instrument", instrument, "--strategy", "ema_cross", "--speed", speed, "--json")
    ended = bulkhead("replay", str(path), *options, timeout_s=220)
    report = ended.report
    assert ended.code == 0, (report, ended.err[-3000:])
    assert report["ok"] is True and report["reconciled"] is True
    assert report["position_lots"] == 0 and report["broker_position_lots"] == 0
    assert report["fills"] > 0
    assert 0 < report["latency_us"]["p50"] <= report["latency_us"]["p99"]
    assert {service["restarts"] for service in report["services"].values()} == {0}
    assert check_run(Path(report["run"])) == report["orders"]
    check_traces(Path(report["run"]))
    return report


def check_traces(run: Path) -> None:
    """Every order can be told from the tick to its end."""
    index = load_index(RunFolder.open(run))
    order_ids = index.order_ids()
    assert order_ids
    holes = {order_id: missing(index.trace(order_id)) for order_id in order_ids}
    assert {order_id: hole for order_id, hole in holes.items() if hole} == {}


def feed_counts(report: dict[str, Any]) -> dict[str, int]:
    return {key: report[key] for key in ("rows_in", "rows_other", "rows_bad", "events_out", "gaps")}


def test_es_2018_goes_through_whole(bulkhead: Bulkhead) -> None:
    report = replay(bulkhead, real("es-trades-2018"), "ESM18")
    assert feed_counts(report) == {
        "rows_in": 59_976, "rows_other": 0, "rows_bad": 0, "events_out": 59_976, "gaps": 0
    }  # fmt: skip


def test_gc_2013_goes_through_whole_beside_other_contracts(bulkhead: Bulkhead) -> None:
    report = replay(bulkhead, real("lean-gc/tick"), "GCZ13")
    assert feed_counts(report) == {
        "rows_in": 92_514, "rows_other": 774, "rows_bad": 0, "events_out": 91_740, "gaps": 0
    }  # fmt: skip


def test_the_shipped_sample_goes_through_whole(bulkhead: Bulkhead) -> None:
    report = replay(bulkhead, SAMPLE_PATH, "ESM30", SAMPLE_SPEED)
    counts = feed_counts(report)
    assert counts["rows_in"] == counts["events_out"] == report["ticks"] > 0
    assert (counts["rows_other"], counts["rows_bad"], counts["gaps"]) == (0, 0, 0)
    bend_the_evidence(Path(report["run"]))


def bend_the_evidence(run: Path) -> None:
    """The independent reader is worth nothing if it cannot say no: lose an order, double one."""
    record = run / "venue" / "received.log"
    whole = record.read_bytes().splitlines(keepends=True)
    order = next(line for line in whole if b"new_order".hex().encode() in line)
    record.write_bytes(b"".join([*whole, order]))
    with pytest.raises(AssertionError, match="more than once"):
        check_run(run)
    record.write_bytes(b"".join(line for line in whole if line is not order))
    with pytest.raises(AssertionError, match="never arrived"):
        check_run(run)
    record.write_bytes(b"".join(whole))
    check_run(run)


def test_databento_quotes_and_trades_go_through_whole(bulkhead: Bulkhead) -> None:
    """Four minutes are too short for the strategy to trade; every quote and trade arrives."""
    path = real("databento-es/futures_mbp-1_2024-07-01T23-58_2024-07-02T00-02.dbn.zst")
    ended = bulkhead("replay", str(path), "--instrument", "ESU24", "--json", timeout_s=220)
    assert ended.code == 0 and ended.report["ok"] is True, (ended.report, ended.err[-3000:])
    assert feed_counts(ended.report) == {
        "rows_in": 2_288, "rows_other": 0, "rows_bad": 0, "events_out": 2_288, "gaps": 0,
    }  # fmt: skip
