"""Nonsense through real sockets, and a service that dies again and again, on the paper run."""

from __future__ import annotations

import os
import signal
import tomllib
from typing import TYPE_CHECKING

import zmq

from proto_schemas.registry import SERVICES
from proto_schemas.signals import Nack
from shared.bus.codec import decode
from shared.runtime.wires import MESSAGE_MAX_BYTES
from tests.process.trading import BUSY, flows, run_of, status, up, wait_until

if TYPE_CHECKING:
    from tests.process.conftest import Bulkhead

GARBAGE = (b"", b"hello", b"to.x\0\xc1", b"to.x\0" + b"\xc0" * 1_500_000)
VICTIM = "risk_engine"


def test_garbage_and_giants_are_answered_or_cut_off_and_trading_goes_on(paper: Bulkhead) -> None:
    up(paper, *BUSY)
    flows(paper)
    pids = paper.service_pids()
    config = tomllib.loads((run_of(paper) / "config.toml").read_text())
    for name in SERVICES:
        endpoint = f"ipc://{config['run']['sock_dir']}/{name}.cmd"
        assert nacks(endpoint) == ["FRAME_SHAPE"] * 3 + ["FRAME_TOO_LARGE"], name
        flows(paper, 5)
    assert paper.service_pids() == pids, "somebody died of it"
    assert status(paper)["state"] == "TRADING"
    log = (run_of(paper) / "logs" / "risk_engine.log").read_text()
    assert '"event": "frame_refused"' in log and '"peer": "stranger"' in log and '"fix"' in log


def nacks(endpoint: str) -> list[str]:
    """Send a giant, which ends the connection, then garbage; the codes of the answers."""
    context = zmq.Context()
    try:
        giant = context.socket(zmq.DEALER)
        giant.setsockopt(zmq.LINGER, 0)
        giant.connect(endpoint)
        giant.send(b"x" * (MESSAGE_MAX_BYTES + 1))
        assert not giant.poll(300), "a giant was taken"

        socket = context.socket(zmq.DEALER)
        socket.setsockopt(zmq.IDENTITY, b"stranger")
        socket.setsockopt(zmq.LINGER, 0)
        socket.connect(endpoint)
        codes = []
        for frame in GARBAGE:
            socket.send(frame)
            assert socket.poll(5_000), "no answer"
            body = decode(socket.recv_multipart()[-1]).body
            assert isinstance(body, Nack)
            codes.append(body.code)
        return codes
    finally:
        context.destroy(linger=0)


def test_a_crash_loop_pulls_the_switch_is_given_up_and_comes_back_by_name(paper: Bulkhead) -> None:
    up(paper, *BUSY)
    flows(paper)

    ended = 0

    def end_it() -> None:
        """Each life once, when it has begun: one that nobody has heard of is no death yet."""
        nonlocal ended
        begun = (run_of(paper) / "logs" / f"{VICTIM}.log").read_text().count('"started"')
        pid = paper.service_pids().get(VICTIM)
        if pid and begun > ended:
            ended = begun
            os.kill(pid, signal.SIGKILL)

    def tripped() -> bool:
        end_it()
        return str(status(paper)["reason"]).startswith("KILL")

    wait_until("the budget trips", tripped, timeout_s=90)
    wait_until("it ends flat", lambda: status(paper)["phase"] == "FLAT")
    kill_id = status(paper)["kill_id"]
    log = (run_of(paper) / "logs" / "watchdog.log").read_text()
    assert f"RESTART_BUDGET: {VICTIM}" in log

    def given_up() -> bool:
        end_it()
        return "deaths in" in status(paper)["services"][VICTIM]["state"]

    wait_until("it is given up", given_up, timeout_s=90)
    assert status(paper)["services"][VICTIM]["pid"] == 0
    assert paper("restart", VICTIM, "--json").code == 0
    resumed = paper("resume", "--kill-id", kill_id, "--operator", "me", "--reason", "x", "--json")
    assert resumed.code == 0, resumed
    flows(paper)
