"""A run that trades and is watched from outside: what the tests with real processes share.

Two ways to trade: a replay at real speed, which ends with its data, and the paper run, which stays
up. In both about twenty orders a second flow, and the venue's own record is the evidence.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.process.independent import orders_received

if TYPE_CHECKING:
    from tests.process.conftest import Bulkhead

SECOND_NS = 10**9
TICKS_PER_S = 20
ORDERS_BEFORE_KILL = 40
# The shipped sample's three hours in about five seconds. At full speed they are over in half a
# second, and on a machine that stalls for that long no order is approved in time.
SAMPLE_SPEED = "2400"
BUSY = ("--strategy", "every_tick", "--speed", "4")  # about twenty orders a second
ME = ("--operator", "tester", "--reason", "looked at it", "--json")


def wait_until(what: str, holds: Callable[[], bool], timeout_s: float = 20) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.02)


# --- a replay -------------------------------------------------------------------------------------


def made_up_ticks(folder: Path, seconds: int) -> Path:
    """A price that moves by a tick, twenty times a second, from ten in the morning in New York."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "ESM30_made_up.csv"
    rows = ["ts_utc,price"]
    for number in range(seconds * TICKS_PER_S):
        second, part = divmod(number, TICKS_PER_S)
        minute, second = divmod(second, 60)
        price = 6000 + 0.25 * (number % 3)
        rows.append(f"2030-03-05T15:{minute:02d}:{second:02d}.{part * 50:03d}Z,{price:.2f}")
    path.write_text("\n".join(rows) + "\n")
    return path


def start_trading(bulkhead: Bulkhead, seconds: int) -> subprocess.Popen[str]:
    """A replay at real speed in which every tick is an order."""
    data = made_up_ticks(bulkhead.runs_dir, seconds)
    arguments = ("--instrument", "ESM30", "--strategy", "every_tick", "--speed", "1", "--json")
    return bulkhead.start("replay", str(data), *arguments)


def order_times(run: Path) -> list[int]:
    """Boot times at which the venue received orders, so far."""
    if not (run / "venue" / "received.log").exists():
        return []
    return [order.boot_ns for order in orders_received(run)]


def orders_since(run: Path, boot_ns: int) -> int:
    return sum(at_ns > boot_ns for at_ns in order_times(run))


def sessions_since(run: Path, since_ns: int) -> list[str]:
    """Whose orders arrived at the venue since then."""
    return [o.body["session"] for o in orders_received(run) if o.boot_ns > since_ns]


def check_report(report: dict[str, Any], restarted: set[str]) -> None:
    assert report["ok"] is True and report["error"] is None
    assert report["reconciled"] is True
    assert report["position_lots"] == 0 and report["broker_position_lots"] == 0
    found = {name for name, service in report["services"].items() if service["restarts"] > 0}
    assert found == restarted


# --- the paper run --------------------------------------------------------------------------------


def run_of(paper: Bulkhead) -> Path:
    return paper.runs_dir / "paper" / "main"


def up(paper: Bulkhead, *options: str) -> dict[str, Any]:
    ended = paper("up", *options, "--json")
    assert ended.code == 0, (ended.out, ended.err)
    return ended.report


def status(paper: Bulkhead) -> dict[str, Any]:
    return paper("status", "--json").report


def orders(paper: Bulkhead) -> int:
    path = run_of(paper) / "venue" / "received.log"
    return len(orders_received(run_of(paper))) if path.exists() else 0


def flows(paper: Bulkhead, more: int = 20) -> None:
    before = orders(paper)
    wait_until("orders flow", lambda: orders(paper) >= before + more)


def resume(bulkhead: Bulkhead, kill_id: str) -> None:
    """The right id opens it, as soon as it is also reconciled."""

    def resumed() -> bool:
        ended = bulkhead("resume", "--kill-id", kill_id, *ME)
        assert ended.code == 0 or ended.report.get("code") == "NOT_FLAT", ended
        return ended.code == 0

    wait_until("resumed", resumed)
