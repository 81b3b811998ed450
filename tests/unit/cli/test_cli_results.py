"""What a run's report says: when it is ok, why it is not, how fast the data must go."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import zmq

from proto_schemas.base import Envelope
from proto_schemas.control import ServiceStatus, StatusReport, StatusRequest
from proto_schemas.enums import ServiceState
from proto_schemas.registry import SERVICES
from services.cli.client import MonitorClient
from services.cli.data_span import DataSpan, measure
from services.cli.demo import DATA_SECONDS
from services.cli.exit_codes import TimedOut
from services.cli.follow import STALL_S, Look, _refuse_waiting, waiting_for
from services.cli.outcome import Outcome, report_fields
from services.cli.replay import speed_setting
from services.cli.screen import money, one_line
from services.cli.service_log import bad_rows, last_fault
from services.cli.supervisor_control import ProcessInfo
from services.monitor.summary import Latency, Summary
from shared.bus.codec import decode, encode
from shared.feeds import SAMPLE_PATH
from shared.kernel.clock import SECOND
from shared.kernel.errors import OperatorFault, OurFault
from shared.runtime.run_folder import RunFolder, RunSettings

HOUR_NS = 3_600 * SECOND
FEED: dict[str, str | int] = {
    "state": "ENDED", "feed_seq": 100, "rows_in": 110, "rows_other": 7, "rows_bad": 4,
    "events_out": 99, "gaps": 0,
}  # fmt: skip
SUMMARY = Summary(
    run_id="r1",
    intents=10,
    decisions={},
    orders=11,
    fills=20,
    position_lots={"ESM30": 0},
    broker_position_lots={},
    reconciled=True,
    feed=FEED,
    latency=Latency(10, 900, 2_000),
    client_order_ids=(),
    trace_id="ema_cross-1-1",
)


def report(alive: bool = True, **fields: str | int | bool | None) -> StatusReport:
    services = tuple(
        ServiceStatus(name, 100 + n, ServiceState.READY, 0, 1, alive or name != "venue")
        for n, name in enumerate(SERVICES)
    )
    return StatusReport(services, fields)


def outcome(summary: Summary = SUMMARY, alive: bool = True, stage: str = "demo") -> Outcome:
    return Outcome(stage, "runs/r1", None, report_fields(summary), report(alive))


def test_a_flat_reconciled_run_with_fills_is_ok() -> None:
    made = outcome()
    assert made.ok and made.why_not() == []
    seen = made.to_json()
    assert (seen["ticks"], seen["intents"], seen["orders"], seen["fills"]) == (99, 10, 11, 20)
    assert seen["services"]["venue"] == {"pid": 100, "state": "READY", "restarts": 0}
    assert "rows_in" not in seen
    full = outcome(stage="replay").to_json()
    assert full["latency_us"] == {"p50": 900, "p99": 2_000}
    assert (full["rows_in"], full["rows_other"], full["rows_bad"]) == (110, 7, 4)


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (outcome(replace(SUMMARY, position_lots={"ESM30": 1})), "ledger 1"),
        (outcome(replace(SUMMARY, broker_position_lots={"ESM30": -2})), "broker -2"),
        (outcome(replace(SUMMARY, broker_position_lots=None)), "broker None"),
        (outcome(replace(SUMMARY, position_lots={"ESM30": 1, "ESU30": -1})), "not flat"),
        (outcome(replace(SUMMARY, reconciled=None)), "reconcile"),
        (outcome(replace(SUMMARY, fills=0)), "nothing was traded"),
        (outcome(alive=False), "silent at the end: venue"),
        (Outcome("demo"), "ledger None"),
    ],
)
def test_each_thing_that_is_not_well_is_named(made: Outcome, reason: str) -> None:
    assert not made.ok
    assert any(reason in each for each in made.why_not())


def test_a_replay_may_end_well_without_a_trade() -> None:
    assert outcome(replace(SUMMARY, fills=0), stage="replay").ok


def test_a_fault_is_never_ok_and_leaves_all_keys() -> None:
    made = Outcome("replay", error="[operator] X")
    assert not made.ok
    seen = made.to_json()
    assert seen["error"] == "[operator] X" and seen["ticks"] is None and seen["services"] == {}


def test_the_pace_brings_any_span_to_the_same_length() -> None:
    assert DataSpan(2, 0, HOUR_NS).speed_milli(15) == 240_000
    assert DataSpan(2, 0, SECOND).speed_milli(15) == 67
    assert DataSpan(1, 5, 5).speed_milli(15) == 1
    assert DataSpan(2, 0, 50 * 24 * HOUR_NS).speed_milli(15) == 0


def test_the_shipped_sample_is_measured_whole() -> None:
    told: list[int] = []
    span = measure(SAMPLE_PATH, "ESM30", told.append)
    assert span.rows > 1_000 and span.last_ns > span.first_ns
    assert 0 < span.speed_milli(DATA_SECONDS) < 10_000_000


@pytest.mark.parametrize(
    ("text", "milli"), [("max", 0), ("1", 1_000), ("60", 60_000), ("0.5", 500), (".25", 250)]
)
def test_speed_is_max_or_a_multiple_of_real_time(text: str, milli: int) -> None:
    assert speed_setting(text) == {"speed_milli": milli}


@pytest.mark.parametrize("text", ["", "0", "-1", "fast", "1.2345", "1e3", "1.", "0.0", "\u0661"])
def test_other_speeds_are_refused(text: str) -> None:
    if text == "1.":
        assert speed_setting(text) == {"speed_milli": 1_000}
        return
    with pytest.raises(OperatorFault, match="--speed"):
        speed_setting(text)


def look(**fields: str | int | bool | None) -> Look:
    processes = {"venue": ProcessInfo("venue", 1, "RUNNING", 0)}
    return Look(1.0, processes, report(**fields) if fields else None)


def test_waiting_ends_at_the_deadline_or_at_a_stall_and_names_what_is_missing() -> None:
    open_ = look(phase="OPEN", feed_seq=7)
    _refuse_waiting(open_, 10.0, None, STALL_S)
    _refuse_waiting(open_, 10.0, 10.0, 0.0)
    with pytest.raises(TimedOut, match="RUN_TIMEOUT.*seen OPEN at feed row 7"):
        _refuse_waiting(open_, 10.1, 10.0, 0.0)
    with pytest.raises(TimedOut, match="RUN_STALLED"):
        _refuse_waiting(open_, 10.0, None, STALL_S + 1)
    assert "an answer from the monitor" in waiting_for(look())


def test_a_look_on_one_line() -> None:
    line = one_line(look(phase="OPEN", feed_seq=8_045, position_lots=-1), 8_044)
    assert "row 8,044 of 8,044" in line and "position -1 lots" in line
    assert "starting: 1 of 1 processes up" in one_line(look(), None)


@pytest.mark.parametrize(
    ("mills", "text"),
    [(0, "$0.00"), (1_234_567, "$1,234.56"), (-12_500, "-$12.50"), (-5, "-$0.00")],
)
def test_money_is_shown_in_dollars_without_a_float(mills: int, text: str) -> None:
    assert money(look(realised_mills=mills, open_mills=3, fees_mills=3)) == text


# --- logs -----------------------------------------------------------------------------------------


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    (tmp_path / "logs").mkdir()
    sock_dir = tmp_path / "s"
    sock_dir.mkdir()
    settings = RunSettings("replay", "r1", "9f3ac21b77d0", "ESM30", "ema_cross", str(sock_dir))
    return RunFolder(tmp_path, settings)


def test_the_last_fault_of_a_log_is_found_between_other_lines(run: RunFolder) -> None:
    line = '{"event":"fault","side":"operator","code":"%s","field":"%s","value":"1","fix":"x"}\n'
    run.log("venue").write_text(f"no json\n{line % ('OLD', 'a')}{line % ('NEW', 'b')}[1]\n")
    found = last_fault(run, "venue", "EXITED")
    assert isinstance(found, OperatorFault) and (found.code, found.field) == ("NEW", "b")


def test_without_a_fault_the_last_line_is_shown(run: RunFolder) -> None:
    run.log("venue").write_text("Traceback\nValueError: odd\n")
    found = last_fault(run, "venue", "EXITED")
    assert isinstance(found, OurFault) and "ValueError: odd" in str(found)
    assert "SERVICE_ENDED" in str(last_fault(run, "watchdog", "FATAL"))


def test_a_bad_row_that_was_logged_twice_counts_once(run: RunFolder) -> None:
    line = '{"event":"row_bad","file":"a","line":3,"reason":"OFF_TICK"}\n'
    run.log("venue").write_text(line + '{"event":"started"}\n' + line)
    assert [row["line"] for row in bad_rows(run)] == [3]


# --- the question to the monitor ------------------------------------------------------------------


@pytest.fixture
def monitor(run: RunFolder) -> Iterator[zmq.Socket[bytes]]:
    context = zmq.Context()
    socket = context.socket(zmq.ROUTER)
    socket.bind(run.endpoint("monitor", "cmd"))
    yield socket
    context.destroy(linger=0)


def test_the_same_question_is_repeated_until_it_is_answered(
    run: RunFolder, monitor: zmq.Socket[bytes]
) -> None:
    asked: list[str] = []

    def serve() -> None:
        for turn in range(2):
            identity, frame = monitor.recv_multipart()
            request = decode(frame)
            assert isinstance(request.body, StatusRequest)
            asked.append(request.envelope.id)
            for cause in ("cli-1/1/to.monitor/99", request.envelope.id)[: turn * 2]:
                reply = Envelope(
                    "status_report", 1, "monitor", 1, "aux.cli", 1, 0, 0, None, cause
                )  # fmt: skip
                body = report(phase="OPEN" if cause == request.envelope.id else "STALE")
                monitor.send_multipart((identity, encode(reply, body)))

    server = threading.Thread(target=serve)
    server.start()
    with MonitorClient(run) as client:
        answer = client.status(5.0)
    server.join()
    assert answer is not None and answer.fields["phase"] == "OPEN"
    assert len(asked) == 2 and len(set(asked)) == 1
    assert asked[0].startswith(f"cli-{os.getpid()}-")


def test_a_monitor_that_is_away_is_silence_and_no_error(run: RunFolder) -> None:
    with MonitorClient(run) as client:
        assert client.status(0.2) is None
