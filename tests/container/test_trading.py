"""`docker compose up` from a clean copy, and every container restarted and crashed in the flow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from proto_schemas.registry import SERVICES
from tests.container.conftest import made
from tests.container.stack import ROOT, RUN, Stack, command, wait_until

USER = "10001"
CLEAN_IMAGE = "bulkhead-test:clean"
HEALTHY_WITHIN_S = 120.0
SETTLED_WITHIN_S = 120.0
QUIET_S = 5.0
BOOKS = ("orders", "filled_orders", "position_lots", "broker_position_lots")


def test_from_a_clean_copy_to_all_healthy_and_trading(
    image: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The very files that a user has, without a setting: ema_cross on the made-up market.

    There is no image yet: `up` builds it, from what the engine has kept of the other build.
    """
    stack = made(tmp_path, "clean", CLEAN_IMAGE)
    command("docker", "rmi", CLEAN_IMAGE)
    request.addfinalizer(stack.down)
    stack.up()
    assert stack.all_healthy()
    wait_until("it trades", lambda: stack.status().get("state") == "TRADING", HEALTHY_WITHIN_S)
    seen = stack.seen()
    assert (seen["stage"], seen["strategy"]) == ("paper", "ema_cross"), seen
    assert (seen["error"], seen["kill_id"]) == (None, None), seen
    first = seen["feed_seq"]
    wait_until(
        "the feed moves", lambda: stack.status().get("feed_seq", 0) > first, HEALTHY_WITHIN_S
    )
    said = stack.execute("monitor", "bulkhead", "status")
    assert "supervisor" not in said.err, "nobody needs one here"


@pytest.mark.parametrize("name", SERVICES)
def test_nothing_of_ours_is_root_or_can_write_its_root(trading: Stack, name: str) -> None:
    script = (
        "import os; print(os.getuid(), os.getgid()); print(open('/proc/self/status').read())\n"
        "for path in ('/x', '/app/x', '/opt/bulkhead/x', '/app/strategies/x'):\n"
        "    try: open(path, 'w')\n"
        "    except OSError as error: print('REFUSED', path, error.errno)"
    )
    said = trading.execute(name, "python", "-c", script)
    assert said.out.startswith(f"{USER} {USER}\n"), said
    assert said.out.count("REFUSED") == 4, said.out
    status = dict(line.split(":\t", 1) for line in said.out.splitlines() if ":\t" in line)
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    host = trading.inspect(name)["HostConfig"]
    assert host["Memory"] == host["MemorySwap"] > 0 and host["PidsLimit"] > 0
    assert host["Init"] is True and host["ReadonlyRootfs"] is True
    assert host["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}


def test_each_is_restarted_alone_and_trading_resumes_by_itself(trading: Stack) -> None:
    trading.flows()
    for name in SERVICES:
        began_s = time.monotonic()
        said = trading.compose("restart", name)
        assert said.code == 0, said.err
        trading.flows()
        print(f"restart {name}: orders fill again after {time.monotonic() - began_s:.1f} s")
    wait_until("all are healthy", trading.all_healthy, HEALTHY_WITHIN_S)
    assert {name: trading.restarts(name) for name in SERVICES} == dict.fromkeys(SERVICES, 0)


def test_each_crashes_alone_and_comes_back_by_itself_and_the_books_are_the_venues(
    trading: Stack, tmp_path: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may kill a process of a container from outside")
    before = {name: trading.restarts(name) for name in SERVICES}
    for name in SERVICES:
        began_s = time.monotonic()
        trading.crash(name)
        wait_until(
            f"{name} is started again",
            lambda name=name: trading.restarts(name) > before[name],
            HEALTHY_WITHIN_S,
        )
        trading.flows()
        print(f"crash {name}: orders fill again after {time.monotonic() - began_s:.1f} s")
    wait_until("all are healthy", trading.all_healthy, HEALTHY_WITHIN_S)
    judged = judge_when_settled(trading, tmp_path)
    assert judged["ok"] is True, judged
    assert judged["orders_in_venue_record"] == judged["orders_in_ledger"] > 100
    assert (judged["lost"], judged["duplicated"], judged["position_equal"]) == (0, 0, True)
    trading.up()
    trading.flows()


def judge_when_settled(trading: Stack, folder: Path) -> dict[str, Any]:
    """Stop the strategy, wait until all is quiet, stop all, and let the checker read the files."""
    assert trading.compose("stop", "strategy_engine").code == 0
    seen: tuple[object, ...] = ()
    since_s = time.monotonic()

    def settled() -> bool:
        nonlocal seen, since_s
        status = trading.status()
        found = tuple(status.get(key) for key in BOOKS)
        quiet = status.get("broker_live_orders") == 0 and status.get("reconciled") is True
        if found != seen or not quiet or found[2] != found[3]:
            seen, since_s = found, time.monotonic()
        return time.monotonic() - since_s > QUIET_S

    wait_until("all has settled", settled, SETTLED_WITHIN_S)
    assert trading.compose("stop").code == 0
    venue = trading.inspect("venue")
    assert venue["State"]["ExitCode"] == 0, "a stop is clean"
    said = command("docker", "cp", f"{venue['Id']}:{RUN}", str(folder / "run"))
    assert said.code == 0, said.err
    (folder / "run" / "chaos").mkdir()
    (folder / "run" / "chaos" / "history.jsonl").touch()  # the kills are counted by the test
    line = (sys.executable, "-m", "services.lab.chaos_check", str(folder / "run"))
    done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
    found: dict[str, Any] = json.loads(done.stdout)
    return found
