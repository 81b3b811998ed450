"""`[host]`: what the kernel is asked for, and what is said when it refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared.kernel.errors import OperatorFault
from shared.runtime import priority
from shared.runtime.run_folder import REPOSITORY, RunFolder
from tests.unit.runtime.runs import make_run

SHOW = """
import json, os, sys
from pathlib import Path
from shared.kernel.errors import OperatorFault
from shared.runtime import priority
from shared.runtime.run_folder import RunFolder
try:
    priority.apply(RunFolder.open(Path(sys.argv[1])), sys.argv[2])
except OperatorFault as fault:
    print(json.dumps({"fault": str(fault)}))
else:
    policy, level = os.sched_getscheduler(0), os.sched_getparam(0).sched_priority
    cpus = sorted(os.sched_getaffinity(0))
    found = {"nice": os.nice(0), "fifo": policy == os.SCHED_FIFO, "level": level, "cpus": cpus}
    print(json.dumps(found))
"""


def with_table(tmp_path: Path, text: str) -> RunFolder:
    run = make_run(tmp_path)
    run.config.write_text(f"{run.config.read_text()}\n[host]\n{text}\n")
    return run


def applied(run: RunFolder, service: str) -> dict[str, object]:
    """In a process of its own: what is asked for lasts as long as the process."""
    command = [sys.executable, "-c", SHOW, str(run.root), service]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_without_the_table_nothing_is_asked_for_the_order_path(tmp_path: Path) -> None:
    for service in (*priority.ORDER_PATH, priority.WATCHDOG):
        found = applied(make_run(tmp_path), service)
        assert found["fifo"] is False and found["nice"] == os.nice(0)
        assert found["cpus"] == sorted(os.sched_getaffinity(0))


@pytest.mark.parametrize(("service", "steps"), [("order_state", 5), ("monitor", 10)])
def test_bookkeeping_steps_back_for_orders(tmp_path: Path, service: str, steps: int) -> None:
    assert applied(make_run(tmp_path), service)["nice"] == min(19, os.nice(0) + steps)


def test_the_order_path_is_pinned_and_the_others_step_back(tmp_path: Path) -> None:
    cpu = min(os.sched_getaffinity(0))
    run = with_table(tmp_path, f'order_path_cpus = "{cpu}"\nothers_nice = 3')
    assert applied(run, "order_router")["cpus"] == [cpu]
    assert applied(run, "order_router")["nice"] == os.nice(0)
    ledger = applied(run, "order_state")
    assert ledger["nice"] == min(19, os.nice(0) + 3)
    assert ledger["cpus"] == sorted(os.sched_getaffinity(0))


def test_a_real_time_priority_is_given_or_refused_with_the_fix(tmp_path: Path) -> None:
    run = with_table(tmp_path, "order_path_realtime = 7")
    found = applied(run, "risk_engine")
    if "fault" in found:
        assert "HOST_REALTIME: host.order_path_realtime = 7" in str(found["fault"])
        assert "SYS_NICE" in str(found["fault"])
    else:
        assert (found["fifo"], found["level"]) == (True, 7)
    assert applied(run, "watchdog")["fifo"] is False


def test_processors_that_are_not_there_are_named(tmp_path: Path) -> None:
    found = applied(with_table(tmp_path, 'order_path_cpus = "4000"'), "venue")
    assert "HOST_CPUS: host.order_path_cpus = '[4000]" in str(found["fault"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("order_path_realtime = 90", "CONFIG_VALUE: host.order_path_realtime"),
        ('order_path_cpus = "1-3"', "CONFIG_VALUE: host.order_path_cpus"),
        ("others_nice = -5", "CONFIG_VALUE: host.others_nice"),
        ("cpus = 1", "CONFIG_UNKNOWN_KEY: host.cpus"),
    ],
)
def test_a_wrong_value_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(OperatorFault, match=said):
        priority.read(with_table(tmp_path, text))


def test_the_order_path_follows_the_registry() -> None:
    """Each of them sends the next one what leads from the tick to the order."""
    from proto_schemas.registry import BY_KIND

    hops = ("feed_trade", "trade", "intent", "approval", "new_order")
    path = [BY_KIND[kind].producers[0] for kind in hops]
    assert tuple(path) == priority.ORDER_PATH
