"""The kill switch while parts of the box are dead or frozen, over `down` and `up`, and mid-flatten.

About twenty orders a second flow on the paper run when it is thrown. The venue's record decides:
behind the moment at which the gate was closed nothing but the watchdog's closing orders arrives.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from shared.runtime.host import boot_ns
from tests.process.independent import journaled, orders_received
from tests.process.trading import (
    BUSY,
    ME,
    SECOND_NS,
    flows,
    resume,
    run_of,
    sessions_since,
    status,
    up,
    wait_until,
)

if TYPE_CHECKING:
    from tests.process.conftest import Bulkhead

ROUTER = "order_router"
VICTIMS = ("strategy_engine", "risk_engine", ROUTER, "order_state")
WAYS = {"dead": signal.SIGKILL, "frozen": signal.SIGSTOP}
GATE_CLOSED_WITHIN_S = 1.2
FLAT_WITHIN_S = 5.0
DELAYS_S = (0.0, 0.08, 0.15, 0.25, 0.4)


def gate_closed_ns(run: Path, kill_id: str) -> int:
    """When it was certain that nothing of the router could leave any more.

    Confirmed by the router, or fenced, whichever the watchdog heard first for this kill; by its own
    journal.
    """
    gate_ns = None
    for frame in journaled(run, "watchdog"):
        if frame.kind in ("gate_closed", "fenced"):
            gate_ns = frame.boot_ns
    assert gate_ns is not None, kill_id
    return gate_ns


def kill(paper: Bulkhead, why: str) -> dict[str, Any]:
    ended = paper("kill", "--reason", why, "--json")
    report = ended.report
    assert ended.code == 0 and report["flat"] is True, (why, report, ended.err)
    assert report["broker_position_lots"] == 0, why
    return report


@pytest.mark.parametrize("way", WAYS)
def test_whoever_is_dead_or_frozen_a_kill_ends_flat_and_latched(paper: Bulkhead, way: str) -> None:
    up(paper, *BUSY)
    run = run_of(paper)
    for victim in VICTIMS:
        flows(paper)
        os.kill(paper.service_pids()[victim], WAYS[way])
        thrown_ns = boot_ns()
        report = kill(paper, f"{victim} is {way}")
        closed_ns = gate_closed_ns(run, report["kill_id"])
        closed_s = (closed_ns - thrown_ns) / SECOND_NS
        print(f"{victim} {way}: gate closed {closed_s:.2f} s, flat {report['seconds']} s")
        assert closed_s < GATE_CLOSED_WITHIN_S + 0.8  # the command's own start counts in
        assert report["seconds"] < FLAT_WITHIN_S
        time.sleep(1.0)
        assert ROUTER not in sessions_since(run, closed_ns), "an order after the gate was closed"
        wait_until("it is shown", lambda: status(paper)["kill_id"] == report["kill_id"])  # noqa: B023
        if way == "frozen" and victim != ROUTER:  # a frozen router was ended by force
            os.kill(paper.service_pids()[victim], signal.SIGCONT)
        resume(paper, report["kill_id"])
    flows(paper)
    wait_until("books equal", lambda: _equal(status(paper)))


def _equal(seen: dict[str, Any]) -> bool:
    return seen["position_lots"] == seen["broker_position_lots"] and seen["reconciled"] is True


def test_a_kill_holds_over_down_and_up_until_a_person_names_it(paper: Bulkhead) -> None:
    up(paper, *BUSY)
    flows(paper)
    killed = kill(paper, "over a restart of everything")
    kill_id = killed["kill_id"]
    assert paper("down", "--json").code == 0
    quiet_ns = boot_ns()
    again = up(paper)
    assert (again["state"], again["kill_id"]) == ("KILLED", kill_id)
    time.sleep(3.0)
    run = run_of(paper)
    assert sessions_since(run, quiet_ns) == [], "something was sent though it is killed"
    seen = status(paper)
    assert (seen["state"], seen["kill_id"], seen["mode"]) == ("KILLED", kill_id, "HALT")
    assert seen["services"]["strategy_engine"]["state"] == "PAUSED"
    nameless = paper("resume", *ME)
    assert nameless.code == 64 and "--kill-id" in nameless.err, nameless
    wrong = paper("resume", "--kill-id", "kill-9-9", *ME)
    assert wrong.code == 64 and wrong.report["code"] == "KILL_ID_DIFFERS", wrong
    assert status(paper)["kill_id"] == kill_id
    resume(paper, kill_id)
    flows(paper)
    assert status(paper)["kill_id"] is None


def test_a_watchdog_killed_in_the_middle_of_a_flatten_still_ends_flat(paper: Bulkhead) -> None:
    up(paper, *BUSY)
    run = run_of(paper)
    for delay_s in DELAYS_S:
        flows(paper)
        (run / "KILL").touch()
        wait_until("latched", lambda: _latched(run))
        time.sleep(delay_s)
        os.kill(paper.service_pids()["watchdog"], signal.SIGKILL)
        died_ns = boot_ns()
        found: dict[str, Any] = {}

        def flat(found: dict[str, Any] = found) -> bool:
            found.update(status(paper))
            return bool(found["kill_id"]) and found["phase"] == "FLAT" and found["flat"] is True

        wait_until("flat all the same", flat)
        seconds = (boot_ns() - died_ns) / SECOND_NS
        print(f"watchdog killed {delay_s} s after the latch: seen flat {seconds:.2f} s later")
        assert found["broker_position_lots"] == 0
        held_ns = boot_ns()
        time.sleep(1.0)
        assert sessions_since(run, held_ns) == []
        (run / "KILL").unlink()
        resume(paper, str(found["kill_id"]))
    assert never_reversed(run)


def _latched(run: Path) -> bool:
    """The latch's file names a kill."""
    path = run / "latch" / "latch"
    return path.exists() and b'"kill_id": "kill' in path.read_bytes()


def never_reversed(run: Path) -> bool:
    """Every closing order of the watchdog is reduce-only and no larger than a position can be."""
    closing = [o.body for o in orders_received(run) if o.body["session"] == "watchdog"]
    assert closing, "nothing was ever closed"
    return all(each["reduce_only"] and each["quantity_lots"] <= 10 for each in closing)
