"""The kill switch in containers: by command, and with nothing alive but the watchdog and a broker.

Whoever pulled it resumes at the end, and orders fill again.
"""

from __future__ import annotations

import json
import time
from typing import Any

from proto_schemas.enums import SessionPhase
from proto_schemas.registry import SERVICES
from tests.container.stack import RUN, Stack, wait_until

FLAT_WITHIN_S = 90.0
KILL_FILE = f"{RUN}/KILL"
NEEDED = ("watchdog", "venue")


def killed_and_flat(stack: Stack) -> bool:
    seen = stack.status()
    flat = seen.get("flat") is True and seen.get("reconciled") is True
    return seen.get("kill_id") is not None and flat and seen.get("phase") == "FLAT"


def test_a_kill_ends_flat_and_holds_over_restarts(trading: Stack) -> None:
    trading.flows()
    said = trading.execute("monitor", "bulkhead", "kill", "--reason", "a test")
    assert said.code == 0, (said.out, said.err)
    assert "KILLED: " in said.out and "flat" in said.out
    assert "docker compose exec monitor bulkhead resume --kill-id" in said.out
    assert trading.compose("restart", "order_router", "watchdog").code == 0
    wait_until("killed and flat", lambda: killed_and_flat(trading), FLAT_WITHIN_S)
    before = trading.seen()
    time.sleep(5)
    after = trading.seen()
    assert after["orders"] == before["orders"], "an order left while it was killed"
    assert after["position_lots"] == after["broker_position_lots"] == 0
    wait_until("a kill makes nobody ill", trading.all_healthy, FLAT_WITHIN_S)
    trading.resume(after["kill_id"])
    trading.flows()


def test_the_file_kills_with_nothing_alive_but_the_watchdog(trading: Stack) -> None:
    """The venue stays too: it is the broker, and somebody has to take the closing orders."""
    trading.flows()
    others = [name for name in SERVICES if name not in NEEDED]
    assert trading.compose("kill", *others).code == 0
    assert trading.execute("watchdog", "touch", KILL_FILE).code == 0
    wait_until("it latches", lambda: bool(since_the_kill(trading)), FLAT_WITHIN_S)
    wait_until("the watchdog alone ends flat", lambda: ended_flat(trading), FLAT_WITHIN_S)
    trading.up()
    wait_until("killed and flat", lambda: killed_and_flat(trading), FLAT_WITHIN_S)
    seen = trading.seen()
    assert seen["position_lots"] == seen["broker_position_lots"] == 0
    trading.resume(seen["kill_id"])
    trading.flows()
    assert trading.execute("watchdog", "test", "-e", KILL_FILE).code == 1, "resume removes the file"


def since_the_kill(stack: Stack) -> list[dict[str, Any]]:
    """The watchdog's own words from its last kill by the file on; none before it."""
    lines = [line.partition("{")[1:] for line in stack.logs("watchdog").splitlines()]
    said = [json.loads(brace + rest) for brace, rest in lines if brace]
    kills = [n for n, each in enumerate(said) if each["event"] == "killed" and by_the_file(each)]
    return said[kills[-1] :] if kills else []


def by_the_file(line: dict[str, Any]) -> bool:
    return KILL_FILE in json.dumps(line)


def ended_flat(stack: Stack) -> bool:
    return any(
        each["event"] == "session_phase" and each["phase"] == SessionPhase.FLAT
        for each in since_the_kill(stack)
    )
