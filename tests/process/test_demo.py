"""`bulkhead demo` from start to flat, and what it does with wrong input: all real processes."""

from __future__ import annotations

import signal
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from proto_schemas.registry import SERVICES

if TYPE_CHECKING:
    from tests.process.conftest import Bulkhead

KEYS = {
    "ok",
    "stage",
    "ticks",
    "intents",
    "orders",
    "fills",
    "position_lots",
    "broker_position_lots",
    "reconciled",
    "trace_id",
    "services",
    "run",
    "error",
}
SAMPLE = "shared/feeds/samples/ESM30_demo_trades.csv.gz"


def test_the_demo_trades_and_ends_flat_and_its_trade_can_be_traced(bulkhead: Bulkhead) -> None:
    began = time.monotonic()
    ended = bulkhead("demo", "--json", timeout_s=65)
    assert time.monotonic() - began < 60
    report = ended.report
    assert ended.code == 0, (report, ended.err)
    assert set(report) == KEYS
    assert report["ok"] is True and report["stage"] == "demo" and report["error"] is None
    assert report["reconciled"] is True
    assert report["position_lots"] == 0 and report["broker_position_lots"] == 0
    for count in ("ticks", "intents", "orders", "fills"):
        assert report[count] > 0, count
    check_services(report)
    check_folder(Path(report["run"]), bulkhead.runs_dir)

    traced = bulkhead("trace", report["trace_id"], "--json")
    assert traced.code == 0, traced.err
    check_trace(traced.report)


def check_services(report: dict[str, Any]) -> None:
    assert set(report["services"]) == set(SERVICES)
    for name, service in report["services"].items():
        assert set(service) == {"pid", "state", "restarts"}, name
        assert service["restarts"] == 0, name
    assert len({service["pid"] for service in report["services"].values()}) == len(SERVICES)


def check_folder(run: Path, runs_dir: Path) -> None:
    assert (runs_dir / "latest").resolve() == run.resolve()
    assert stat.S_IMODE(run.stat().st_mode) == 0o700
    assert {path.stem for path in (run / "journals").glob("*.journal")} == set(SERVICES)


def check_trace(trace: dict[str, Any]) -> None:
    assert trace["complete"] is True and trace["missing"] == []
    layers = {step["layer"] for step in trace["steps"]}
    assert {
        "market_data",
        "strategy_engine",
        "risk_engine",
        "order_router",
        "order_state",
    } <= layers
    times = [step["boot_ns"] for step in trace["steps"]]
    assert times == sorted(times)
    assert trace["client_order_ids"]


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        (("demo", "--data", "no/such/file.csv", "--instrument", "ESM30"), "path", "no/such/file"),
        (("demo", "--data", SAMPLE), "--instrument", "None"),
        (("demo", "--data", SAMPLE, "--instrument", "ESM3"), "contract", "ESM3"),
        (("demo", "--data", SAMPLE, "--instrument", "NQM30"), "file", "other instruments"),
        (("demo", "--strategy", "get_rich"), "strategy", "get_rich"),
        (("replay", SAMPLE, "--instrument", "XXM30"), "root", "XX"),
        (("replay", SAMPLE, "--instrument", "ESM30", "--speed", "fast"), "--speed", "fast"),
    ],
)
def test_wrong_input_ends_with_64_and_the_fix_and_starts_nothing(
    bulkhead: Bulkhead, arguments: tuple[str, ...], field: str, value: str
) -> None:
    ended = bulkhead(*arguments, "--json")
    assert ended.code == 64, ended.err
    line = ended.err.strip().splitlines()[-1]
    assert line.startswith("[operator] ") and field in line and value in line
    assert line.rstrip().endswith("."), "the fix is a sentence"
    assert ended.report["ok"] is False and field in ended.report["error"]
    assert not (bulkhead.runs_dir / "latest").exists()
    assert not list(bulkhead.runs_dir.glob("*/*")), "a run that never started leaves no folder"


def test_a_replay_names_its_bad_rows_and_counts_every_row(bulkhead: Bulkhead) -> None:
    bulkhead.runs_dir.mkdir()
    data = bulkhead.runs_dir / "ESM30_few.csv"
    rows = [f"2030-03-05T15:00:{second:02d}.5Z,6000.25" for second in range(60)]
    rows[10] = "2030-03-05T15:00:10.5Z,6000.33"
    rows[20] = "noise"
    data.write_text("\n".join(["ts_utc,price", *rows]) + "\n")
    ended = bulkhead("replay", str(data), "--instrument", "ESM30", "--json", timeout_s=60)
    report = ended.report
    assert ended.code == 0, (report, ended.err)
    assert set(report) == KEYS | {
        "rows_in", "rows_other", "rows_bad", "events_out", "gaps", "latency_us"
    }  # fmt: skip
    counts = [report[key] for key in ("rows_in", "rows_other", "rows_bad", "ticks", "gaps")]
    assert counts == [60, 0, 2, 58, 0]
    assert f"bad row: {data}:12: OFF_TICK" in ended.err
    assert f"bad row: {data}:22: MALFORMED" in ended.err


def test_status_sees_a_run_while_it_is_up_and_says_so_when_it_is_not(bulkhead: Bulkhead) -> None:
    process = bulkhead.start("demo", "--json")
    bulkhead.wait_for("monitor")
    deadline = time.monotonic() + 20
    while (seen := bulkhead("status", "--json")).code != 0 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert seen.code == 0, seen.err
    assert {"stage", "state", "position_lots", "broker_position_lots"} <= set(seen.report)
    assert set(seen.report["services"]) == set(SERVICES)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    after = bulkhead("status", "--json")
    assert after.code == 1 and after.report["error"] == "no run is up"


def test_ctrl_c_stops_everything_and_ends_with_130(bulkhead: Bulkhead) -> None:
    process = bulkhead.start("demo", "--json")
    bulkhead.wait_for("monitor")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert bulkhead.left_over() == []
