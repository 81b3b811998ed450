"""`kill -9` on real services in the middle of the flow; then the evidence is read independently.

About twenty orders a second flow while a service is killed. The run must end flat and reconciled,
and no order may have been sent twice, lost, or be booked otherwise than it was filled.
"""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from shared.runtime.host import boot_ns
from tests.process.conftest import ROOT, finish
from tests.process.independent import check_run
from tests.process.trading import (
    ORDERS_BEFORE_KILL,
    SECOND_NS,
    TICKS_PER_S,
    check_report,
    order_times,
    orders_since,
    start_trading,
    wait_until,
)

if TYPE_CHECKING:
    from tests.process.conftest import Bulkhead

ORDERS_AFTER_KILL = 30
PAUSE_MAX_S = 10.0
# Those with a record, a broker session, the books and the lease; the guard is the same for all.
TWINS = ("venue", "order_router", "order_state", "watchdog")


def kill_in_the_flow(bulkhead: Bulkhead, service: str, since_ns: int, orders: int) -> int:
    """Kill it once this many orders have come since then; the boot time of the kill."""
    run = bulkhead.runs_dir / "latest"
    wait_until(f"{orders} orders", lambda: orders_since(run, since_ns) >= orders)
    first = bulkhead.service_pids()[service]
    killed_ns = boot_ns()
    bulkhead.kill(service)
    bulkhead.wait_for(service, other_than=first)
    return killed_ns


def say_pause(service: str, killed_ns: int, times: list[int]) -> None:
    """Print how long the flow stood still around a kill, and hold it against a wide limit."""
    after_ns = [at_ns for at_ns in times if at_ns > killed_ns]
    assert after_ns, f"no order reached the venue after the kill of {service}"
    next_s = (after_ns[0] - killed_ns) / SECOND_NS
    window = [killed_ns, *(at for at in after_ns if at < killed_ns + 10 * SECOND_NS)]
    pause_s = max(b - a for a, b in pairwise([*window, after_ns[0]])) / SECOND_NS
    print(f"{service}: next order {next_s:.2f} s after the kill, longest pause {pause_s:.2f} s")
    assert next_s < PAUSE_MAX_S and pause_s < PAUSE_MAX_S
    assert any(at_ns > killed_ns + SECOND_NS for at_ns in times), "trading did not go on"


@pytest.mark.parametrize(
    "victims",
    [
        ("risk_engine", "order_router"),
        ("strategy_engine", "order_state"),
        ("venue", "market_data", "watchdog"),
    ],
    ids="+".join,
)
def test_a_kill_in_the_flow_loses_and_doubles_nothing(
    bulkhead: Bulkhead, victims: tuple[str, ...]
) -> None:
    process = start_trading(bulkhead, seconds=6 + 4 * len(victims))
    kills: dict[str, int] = {}
    since_ns, orders = 0, ORDERS_BEFORE_KILL
    for victim in victims:
        kills[victim] = since_ns = kill_in_the_flow(bulkhead, victim, since_ns, orders)
        since_ns, orders = since_ns + SECOND_NS, ORDERS_AFTER_KILL
    ended = finish(process, timeout_s=80)
    report = ended.report
    assert ended.code == 0, (report, ended.err[-3000:])
    check_report(report, set(victims))
    run = Path(report["run"])
    assert check_run(run) == report["orders"]
    times = order_times(run)
    for victim, killed_ns in kills.items():
        say_pause(victim, killed_ns, times)


def test_a_second_instance_of_a_running_service_is_refused_and_nobody_is_hurt(
    bulkhead: Bulkhead,
) -> None:
    process = start_trading(bulkhead, seconds=9)
    run = bulkhead.runs_dir / "latest"
    wait_until("orders flow", lambda: orders_since(run, 0) >= TICKS_PER_S)
    before = bulkhead.service_pids()
    twins = {service: second_instance(service, run.resolve()) for service in TWINS}
    for service, twin in twins.items():
        _, err = twin.communicate(timeout=30)
        assert twin.returncode == 64, (service, err)
        assert "SERVICE_RUNNING" in err and service in err
    refused_ns = boot_ns()
    assert bulkhead.service_pids() == before
    ended = finish(process, timeout_s=60)
    assert ended.code == 0, (ended.report, ended.err[-3000:])
    check_report(ended.report, restarted=set())
    assert check_run(Path(ended.report["run"])) == ended.report["orders"]
    assert orders_since(Path(ended.report["run"]), refused_ns) > 0, "trading did not go on"


def second_instance(service: str, run: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", f"services.{service}", "--run", str(run)],
        cwd=ROOT,
        env={**os.environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
