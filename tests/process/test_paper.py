"""Paper trading that stays up: `up`, `restart`, `down`, `up` again, and all that can be wrong."""

from __future__ import annotations

import os
import shutil
import signal
import time
from typing import TYPE_CHECKING, Any

from proto_schemas.registry import SERVICES
from tests.process.trading import BUSY, flows, run_of, status, up, wait_until

if TYPE_CHECKING:
    from tests.process.conftest import Bulkhead, Ended


def test_up_serves_each_service_restarts_alone_and_down_ends_all(paper: Bulkhead) -> None:
    found = up(paper, *BUSY)
    assert (found["ok"], found["stage"], found["kill_id"]) == (True, "paper", None)
    assert set(found["services"]) == set(SERVICES)
    assert paper.service_pids() == {name: s["pid"] for name, s in found["services"].items()}
    flows(paper)
    pids = paper.service_pids()
    for name in SERVICES:
        ended = paper("restart", name, "--json")
        assert ended.code == 0, (name, ended.out, ended.err)
        assert ended.report["pid"] == paper.service_pids()[name] != pids[name]
        print(f"restart {name}: {ended.report['seconds']} s")
        flows(paper)
    seen = status(paper)
    assert {name: s["restarts"] for name, s in seen["services"].items()} == dict.fromkeys(
        SERVICES, 1
    )
    assert seen["stage"] == "paper" and seen["state"] == "TRADING" and seen["error"] is None
    down = paper("down", "--json")
    assert down.code == 0 and down.report["stopped"] is True, down
    assert paper.service_pids() == {}
    assert paper("status", "--json").code == 1
    assert status(paper)["error"] == "no run is up"


def test_down_and_up_go_on_where_it_stopped(paper: Bulkhead) -> None:
    up(paper, *BUSY)
    flows(paper)
    before = status(paper)
    paper("down")
    again = up(paper)
    assert again["services"]["venue"]["restarts"] == 0, "a start is no restart"
    after = status(paper)
    assert after["feed_seq"] >= before["feed_seq"] and after["stream_ns"] >= before["stream_ns"]
    assert after["strategy"] == "every_tick"
    flows(paper)
    logs = [(run_of(paper) / "logs" / f"{name}.log").read_text() for name in SERVICES]
    assert all(text.count('"checkpoint": "used"') == 1 for text in logs), "nothing is stepped twice"
    doctor = paper("doctor", "--json")
    assert doctor.code == 0, doctor.out


def test_up_twice_is_up_and_a_change_needs_a_down(paper: Bulkhead) -> None:
    first = up(paper)
    second = up(paper)
    assert second["services"].keys() == first["services"].keys()
    assert {n: s["pid"] for n, s in second["services"].items()} == paper.service_pids()
    refused = paper("up", "--speed", "9", "--json")
    assert refused.code == 64 and refused.report["code"] == "RUN_IS_UP", refused
    paper("down")
    other = paper("up", "--strategy", "every_tick", "--json")
    assert other.code == 64 and other.report["code"] == "RUN_DIFFERS", other
    assert "--fresh" in other.err
    fresh = up(paper, "--fresh", "--strategy", "every_tick")
    assert fresh["ok"]
    assert len(list((paper.runs_dir / "paper").iterdir())) == 2, "the old run is kept"


WRONG_CONFIGS = {
    "a key that nobody knows": (
        "[risk_engine]\norder_max_lotz = 1\n",
        "risk_engine.order_max_lotz",
    ),
    "a unit that is not ours": ("[watchdog]\nlease_ttl_ms = 500\n", "watchdog.lease_ttl_ms"),
    "a table that nobody knows": ("[strategie]\nx = 1\n", "strategie"),
    "a limit looser than the ceiling": ("[risk_engine]\norder_max_lots = 500\n", "order_max_lots"),
    "a value out of bounds": ("[market_data]\ncredit_events = 0\n", "market_data.credit_events"),
    "a text for a number": ('[order_router]\nack_timeout_ns = "3 s"\n', "ack_timeout_ns"),
    "a strategy that is not there": ('[run]\nstrategy = "get_rich"\n', "run.strategy"),
    "a contract that is none": ('[run]\ninstrument = "ES1!"\n', "run.instrument"),
    "something that is ours": ('[run]\nrun_id = "x"\n', "run.run_id"),
    "no TOML": ("[risk_engine\n", "my.toml"),
    "two feeds": ('[venue]\nsynthetic_seed = 1\ndata_path = "x"\n', "venue.data_path"),
}


def test_a_wrong_config_is_refused_with_field_value_and_fix_and_leaves_nothing(
    paper: Bulkhead,
) -> None:
    paper.runs_dir.mkdir(parents=True)
    path = paper.runs_dir / "my.toml"
    for what, (text, field) in WRONG_CONFIGS.items():
        path.write_text(text)
        ended = paper("up", "--config", str(path), "--json")
        assert ended.code == 64, (what, ended.out, ended.err)
        assert field in ended.report["field"] and ended.report["fix"], (what, ended.report)
        assert not run_of(paper).exists(), what
        assert paper.service_pids() == {}, what
    missing = paper("up", "--config", str(path.with_name("gone.toml")), "--json")
    assert missing.code == 64 and missing.report["code"] == "CONFIG_MISSING", missing


def test_a_limit_is_tightened_over_a_clean_stop_and_not_over_another(paper: Bulkhead) -> None:
    path = paper.runs_dir.parent / "my.toml"
    path.write_text('[run]\nstrategy = "every_tick"\n\n[risk_engine]\nposition_max_lots = 2\n')
    up(paper, "--config", str(path))
    assert "position_max_lots = 2" in (run_of(paper) / "config.toml").read_text()
    flows(paper, 3)
    paper("down")
    path.write_text('[run]\nstrategy = "every_tick"\n\n[risk_engine]\nposition_max_lots = 1\n')
    up(paper, "--config", str(path))
    flows(paper, 3)
    _end_without_order(paper)
    path.write_text('[run]\nstrategy = "every_tick"\n')
    refused = paper("up", "--config", str(path), "--json")
    assert refused.code == 64 and refused.report["code"] == "STOP_NOT_CLEAN", refused
    assert "position_max_lots = 1" in (run_of(paper) / "config.toml").read_text()
    up(paper)
    flows(paper, 3)


def _end_without_order(paper: Bulkhead) -> None:
    """As a power button would: supervisor and services at once."""
    pids = [pid for pid, _ in paper.left_over()]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    wait_until("all gone", lambda: paper.left_over() == [])


def test_after_the_power_button_it_comes_back_reconciled_and_trades(paper: Bulkhead) -> None:
    up(paper, *BUSY)
    flows(paper)
    _end_without_order(paper)
    doctor = paper("doctor", "--json")
    assert any("stale" in each["seen"] for each in doctor.report["findings"]), doctor.out
    back = up(paper)
    assert back["state"] == "TRADING"
    flows(paper)
    wait_until("books equal", lambda: _equal(status(paper)))


def _equal(seen: dict[str, Any]) -> bool:
    return seen["position_lots"] == seen["broker_position_lots"] and seen["reconciled"] is True


def test_without_its_supervisor_trading_goes_on_and_down_still_ends_all(paper: Bulkhead) -> None:
    up(paper, *BUSY)
    pid = int((run_of(paper) / "supervisord.pid").read_text())
    os.kill(pid, signal.SIGKILL)
    flows(paper)
    text = paper("status", "--run", str(run_of(paper)))
    assert text.code == 0 and "supervisor of this run does not live" in text.err
    doctor = paper("doctor", "--json")
    assert doctor.code == 1 and "without a supervisor" in doctor.report["error"], doctor.out
    ended = paper("down", "--run", str(run_of(paper)), "--json")
    assert ended.report["stopped"] is True and paper.service_pids() == {}


def refused_start(paper: Bulkhead) -> Ended:
    ended = paper("up", "--json")
    assert ended.code != 0 and paper.service_pids() == {}, (ended.out, ended.err)
    return ended


def test_a_journal_that_is_foreign_damaged_or_unreadable_is_named(paper: Bulkhead) -> None:
    up(paper, *BUSY)
    flows(paper)
    paper("down")
    journals = run_of(paper) / "journals"
    router = journals / "order_router.journal"
    kept = router.read_bytes()

    shutil.copy(journals / "risk_engine.journal", router)
    foreign = refused_start(paper)
    assert foreign.code == 64 and foreign.report["code"] == "JOURNAL_FOREIGN", foreign.report
    assert str(router) in foreign.report["field"]

    router.write_bytes(b"not a journal at all")
    assert refused_start(paper).report["code"] == "JOURNAL_FOREIGN"

    damaged = bytearray(kept)
    damaged[len(kept) // 2] ^= 1
    router.write_bytes(damaged)
    (journals / "order_router.checkpoint").unlink()
    named = refused_start(paper)
    assert named.code == 70 and named.report["code"] == "JOURNAL_DAMAGED", named.report
    assert "record" in named.report["field"] and named.report["fix"]

    router.write_bytes(kept)
    up(paper)
    flows(paper)


def test_logs_are_readable_and_follow(paper: Bulkhead) -> None:
    up(paper)
    shown = paper("logs", "-n", "400")
    assert shown.code == 0
    for name in SERVICES:
        assert any(name in line and "started" in line for line in shown.out.splitlines()), name
    one = paper("logs", "risk_engine", "-n", "5", "--json")
    assert 0 < len(one.out.splitlines()) <= 5
    wrong = paper("logs", "risk_engin")
    assert wrong.code == 64 and "risk_engine" in wrong.err
    following = paper.start("logs", "-f", "-n", "0")
    time.sleep(1.0)
    paper("restart", "risk_engine")
    time.sleep(0.5)
    following.send_signal(signal.SIGINT)
    out, _ = following.communicate(timeout=20)
    assert following.returncode == 130
    assert any("risk_engine" in line and "recovered" in line for line in out.splitlines()), out


def test_restart_of_what_is_no_service_or_not_up_is_said(paper: Bulkhead) -> None:
    up(paper)
    wrong = paper("restart", "order_rooter", "--json")
    assert wrong.code == 64 and wrong.report["code"] == "SERVICE_UNKNOWN", wrong
    paper("down")
    late = paper("restart", "order_router", "--json")
    assert late.code == 1 and "no run is up" in late.report["error"]
