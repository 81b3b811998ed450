"""The kill switch on real processes: by command, file and signal, with a router that is frozen.

About twenty orders a second flow when it is thrown. What counts is the venue's own record: after
the kill nothing but the watchdog's closing orders arrives there, and it stays so over restarts
until a person resumes that very kill.
"""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.runtime.host import boot_ns
from tests.process.conftest import finish
from tests.process.independent import check_run, orders_received
from tests.process.trading import (
    ME,
    ORDERS_BEFORE_KILL,
    SECOND_NS,
    check_report,
    orders_since,
    resume,
    sessions_since,
    start_trading,
    status,
    wait_until,
)

if TYPE_CHECKING:
    from tests.process.conftest import Bulkhead

QUIET_S = 3.0
ROUTER = "order_router"
# A lease of one second, and half a second for what was already on its way.
GATE_CLOSED_WITHIN_S = 1.5


def trading_run(bulkhead: Bulkhead, seconds: int) -> tuple[subprocess.Popen[str], Path]:
    """A replay in which orders flow."""
    process = start_trading(bulkhead, seconds)
    latest = bulkhead.runs_dir / "latest"
    wait_until("orders flow", lambda: orders_since(latest, 0) >= ORDERS_BEFORE_KILL)
    return process, latest.resolve()


def kill(bulkhead: Bulkhead) -> dict[str, Any]:
    """`bulkhead kill`: it must end flat."""
    ended = bulkhead("kill", "--reason", "test of the switch", "--json")
    report = ended.report
    assert ended.code == 0, (report, ended.err)
    assert set(report) == {
        *("ok", "kill_id", "flat", "position_lots", "broker_position_lots", "seconds", "error")
    }
    assert report["ok"] is True and report["flat"] is True and report["error"] is None
    assert report["position_lots"] == 0 and report["broker_position_lots"] == 0
    print(f"bulkhead kill: {report['kill_id']} flat after {report['seconds']} s")
    return report


def latched_and_flat(bulkhead: Bulkhead, thrown_ns: int) -> str:
    """Wait until the status says so; the kill's id."""
    found: dict[str, Any] = {}

    def holds() -> bool:
        found.update(status(bulkhead))
        closed = found["phase"] == "FLAT" and found["flat"] and found["reconciled"]
        return found["kill_id"] is not None and closed

    wait_until("latched and flat", holds)
    seconds = (boot_ns() - thrown_ns) / SECOND_NS
    print(f"{found['kill_id']}: seen flat {seconds:.2f} s after it was thrown")
    assert found["broker_position_lots"] == 0
    return str(found["kill_id"])


def stays_quiet(run: Path, seconds: float = QUIET_S) -> None:
    """It is flat: for this long no order of anybody arrives."""
    since_ns = boot_ns()
    time.sleep(seconds)
    assert sessions_since(run, since_ns) == []


def gate_was_closed(run: Path, thrown_ns: int) -> None:
    """No order of the router arrived later than it may after a kill."""
    arrived = [o.boot_ns for o in orders_received(run) if o.body["session"] == ROUTER]
    last_s = (max(arrived) - thrown_ns) / SECOND_NS
    print(f"the router's last order arrived {last_s:.2f} s after it was thrown")
    assert last_s < GATE_CLOSED_WITHIN_S


def trades_after_resume(bulkhead: Bulkhead, run: Path, kill_id: str) -> None:
    """The right id opens it; then orders flow again."""
    resume(bulkhead, kill_id)
    since_ns = boot_ns()
    wait_until("orders flow again", lambda: ROUTER in sessions_since(run, since_ns))
    wait_until("the id has gone", lambda: status(bulkhead)["kill_id"] is None)


def ends_well(process: subprocess.Popen[str], restarted: set[str]) -> None:
    ended = finish(process, timeout_s=60)
    assert ended.code == 0, (ended.report, ended.err[-3000:])
    check_report(ended.report, restarted)
    assert check_run(Path(ended.report["run"])) == ended.report["orders"]


def test_a_kill_holds_over_a_restart_until_it_is_resumed_by_its_id(bulkhead: Bulkhead) -> None:
    process, run = trading_run(bulkhead, seconds=22)  # so much happens before it is resumed
    thrown_ns = boot_ns()
    kill_id = kill(bulkhead)["kill_id"]
    stays_quiet(run)
    gate_was_closed(run, thrown_ns)
    says_killed(bulkhead, kill_id)

    before = bulkhead.kill("watchdog")
    after = bulkhead.wait_for("watchdog", other_than=before)
    wait_until("the new life speaks", lambda: watchdog_pid(bulkhead) == after)
    assert latched_and_flat(bulkhead, boot_ns()) == kill_id
    stays_quiet(run, seconds=1)
    gate_was_closed(run, thrown_ns)

    wrong = bulkhead("resume", "--kill-id", "kill-9-9", *ME)
    assert wrong.code == 64 and wrong.report["code"] == "KILL_ID_DIFFERS", wrong
    assert kill_id in wrong.err and "bulkhead status" in wrong.err
    assert status(bulkhead)["kill_id"] == kill_id
    trades_after_resume(bulkhead, run, kill_id)
    ends_well(process, restarted={"watchdog"})


def watchdog_pid(bulkhead: Bulkhead) -> int:
    return int(status(bulkhead)["services"]["watchdog"]["pid"])


def says_killed(bulkhead: Bulkhead, kill_id: str) -> None:
    found = status(bulkhead)
    assert (found["kill_id"], found["mode"], found["phase"]) == (kill_id, "HALT", "FLAT")
    assert found["services"]["watchdog"]["state"] == "KILLED"
    text = bulkhead("status").out
    assert f"KILLED: {kill_id}; clear it with: bulkhead resume --kill-id {kill_id}" in text


def test_a_kill_does_not_need_the_router_and_a_frozen_one_is_ended_by_force(
    bulkhead: Bulkhead,
) -> None:
    process, run = trading_run(bulkhead, seconds=13)
    frozen = bulkhead.kill(ROUTER, signal.SIGSTOP)
    thrown_ns = boot_ns()
    ended = bulkhead("kill", "--reason", "the router hangs", "--json")
    assert ended.code == 0, (ended.report, ended.err)
    assert ended.report["flat"] is True
    assert ended.report["broker_position_lots"] == 0
    fenced = bulkhead.wait_for(ROUTER, other_than=frozen)
    print(f"the frozen router {frozen} was ended by force, {fenced} came up")
    print(f"router frozen: flat after {ended.report['seconds']} s")
    time.sleep(QUIET_S)
    assert ROUTER not in sessions_since(run, thrown_ns), "the router sent after the kill"
    trades_after_resume(bulkhead, run, latched_and_flat(bulkhead, thrown_ns))
    ends_well(process, restarted={ROUTER})


def test_a_frozen_watchdog_gets_the_file_and_stops_everything_when_it_wakes(
    bulkhead: Bulkhead,
) -> None:
    process, run = trading_run(bulkhead, seconds=13)
    bulkhead.kill("watchdog", signal.SIGSTOP)
    try:
        throwing = bulkhead.start("kill", "--reason", "the watchdog hangs", "--json")
        wait_until("the file", (run / "KILL").exists)
    finally:
        bulkhead.kill("watchdog", signal.SIGCONT)
    ended = finish(throwing, timeout_s=60)
    assert ended.code == 0 and ended.report["flat"] is True, (ended.report, ended.err)
    print(f"watchdog frozen until the file came: flat after {ended.report['seconds']} s")
    stays_quiet(run, seconds=1)
    trades_after_resume(bulkhead, run, ended.report["kill_id"])
    assert not (run / "KILL").exists()
    ends_well(process, restarted=set())


def thrown(bulkhead: Bulkhead, run: Path, throw: Callable[[], object]) -> str:
    """Throw it, see it latched, flat and quiet; the kill's id."""
    thrown_ns = boot_ns()
    throw()
    kill_id = latched_and_flat(bulkhead, thrown_ns)
    stays_quiet(run, seconds=1)
    gate_was_closed(run, thrown_ns)
    return kill_id


def test_a_file_made_with_touch_and_a_signal_stop_everything_too(bulkhead: Bulkhead) -> None:
    process, run = trading_run(bulkhead, seconds=12)
    file = run / "KILL"
    by_file = thrown(bulkhead, run, lambda: subprocess.run(["touch", str(file)], check=True))
    wrong = bulkhead("resume", "--kill-id", "kill-9-9", *ME)
    assert wrong.code == 64 and file.exists(), "the file stays until its kill is resumed"
    trades_after_resume(bulkhead, run, by_file)
    assert not file.exists()

    by_signal = thrown(bulkhead, run, lambda: bulkhead.kill("watchdog", signal.SIGUSR1))
    assert by_signal != by_file
    trades_after_resume(bulkhead, run, by_signal)
    ends_well(process, restarted=set())
