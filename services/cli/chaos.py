"""`bulkhead chaos`: real processes, really killed, while a strategy trades; then a judgement.

A fresh run on the made-up market, faster than real, so that a strategy trades all the time: bars at
a speed at which a session ends every two minutes, quotes slower, so that orders work for a while.
The nemesis strikes so often; then everybody gets well and the strategy is stopped. What still works
at the venue then is ended by the kill switch, what is open settles, and everything is shut down in
order. Only after that a program of its own reads the files and says whether an order was lost or
doubled.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proto_schemas.control import StatusReport
from services.cli.client import MonitorClient
from services.cli.exit_codes import NOT_OK, OK, TimedOut
from services.cli.follow import field
from services.cli.kill import ask_watchdog, make_kill_file
from services.cli.output import note, print_json, say
from services.cli.playing import checked_run
from services.cli.runs import NewRun, remove_sockets
from services.cli.supervisor import Supervised
from services.cli.supervisor_control import pids
from services.lab.chaos import Nemesis
from shared.kernel.errors import OurFault
from shared.runtime.run_folder import REPOSITORY, RunFolder

INSTRUMENT, BARS_STRATEGY = "ESM30", "ema_cross"
STRATEGY_ENGINE = "strategy_engine"
SUNDAY_OPEN_NS = 1_898_809_200 * 10**9  # 2030-03-03 18:00 in New York: 22 hours of session
# Speed, and the part of the usual rows that keeps the load the same.
BARS_PACE = {"speed_milli": 600_000, "synthetic_rate_milli": 50}
QUOTES_PACE = {"speed_milli": 60_000, "synthetic_rate_milli": 1_000}
WARM_UP_WITHIN_S = 90.0
SETTLED_WITHIN_S = 40.0
QUIET_S = 5.0
LOOK_EVERY_S = 0.25
ANSWER_WITHIN_S = 1.0


@dataclass(frozen=True, slots=True)
class ChaosOptions:
    """The options of the command."""

    kills: int
    seed: int
    strategy: str
    root: Path
    as_json: bool


def run_chaos(options: ChaosOptions) -> int:
    """Strike, settle, judge; 1 if a promise was broken."""
    began_s = time.monotonic()
    run = _make(options)
    try:
        with Supervised(run) as supervised, MonitorClient(run) as monitor:
            _until(monitor, _traded, WARM_UP_WITHIN_S, "the first order")
            with Nemesis(run, options.seed, lambda: pids(supervised.check())) as nemesis:
                nemesis.strike(options.kills, (lambda _line: None) if options.as_json else note)
            supervised.control.stop(STRATEGY_ENGINE)
            _end_what_works(run, monitor)
            _until(monitor, Settled().holds, SETTLED_WITHIN_S, "all to settle")
    finally:
        remove_sockets(run)
    seconds = round(time.monotonic() - began_s, 1)
    facts = {
        "strategy": options.strategy,
        "seed": options.seed,
        "seconds": seconds,
        "run": str(run.root),
    }
    result = {**judge(run), **facts}
    if options.as_json:
        print_json(result)
    else:
        _say(result)
    return OK if result["ok"] else NOT_OK


def judge(run: RunFolder) -> dict[str, Any]:
    """Ask the checker, which is a program of its own; `OurFault` if it could not do its work."""
    command = [sys.executable, "-m", "services.lab.chaos_check", str(run.root)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    if done.returncode not in (OK, NOT_OK) or not lines:
        said = done.stderr.strip()[-300:]
        raise OurFault("CHECKER_FAILED", field="chaos_check", value=said, fix="Report this.")
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def _make(options: ChaosOptions) -> RunFolder:
    venue = {
        "synthetic_seed": options.seed,
        "synthetic_start_ns": SUNDAY_OPEN_NS,
        **(BARS_PACE if options.strategy == BARS_STRATEGY else QUOTES_PACE),
    }
    new = NewRun("chaos", INSTRUMENT, options.strategy, {"venue": venue})
    return checked_run(new, options.root)


def _end_what_works(run: RunFolder, monitor: MonitorClient) -> None:
    """Without its strategy an order lives on, so the account would never come to rest."""
    report = monitor.status(ANSWER_WITHIN_S)
    if report is not None and field(report, "broker_live_orders") == 0:
        return
    if not ask_watchdog(run, "chaos is over: end what works"):
        make_kill_file(run)


def _until(monitor: MonitorClient, holds: Any, within_s: float, what: str) -> None:
    deadline_s = time.monotonic() + within_s
    seen = None
    while time.monotonic() < deadline_s:
        seen = monitor.status(ANSWER_WITHIN_S) or seen
        if seen is not None and holds(seen):
            return
        time.sleep(LOOK_EVERY_S)
    fields = dict(seen.fields) if seen is not None else None
    raise TimedOut("CHAOS_TIMEOUT", field=what, value=fields, fix="Read the logs of the run.")


def _traded(report: StatusReport) -> bool:
    return bool(field(report, "filled_orders"))


class Settled:
    """Books and account agree, nothing is live, and it has been so for a while.

    The while is longer than the watchdog waits between two looks at the account.
    """

    def __init__(self) -> None:
        self._seen: tuple[object, ...] = ()
        self._since_s = 0.0

    def holds(self, report: StatusReport) -> bool:
        """Told of each look."""
        names = ("orders", "filled_orders", "position_lots", "broker_position_lots")
        seen = tuple(field(report, name) for name in names)
        quiet = field(report, "broker_live_orders") == 0 and field(report, "reconciled") is True
        if seen != self._seen or not quiet or seen[2] != seen[3]:
            self._seen, self._since_s = seen, time.monotonic()
            return False
        return time.monotonic() - self._since_s > QUIET_S


def _say(result: dict[str, Any]) -> None:
    for key, value in result.items():
        if key == "recovery_ms":
            for name, times in value.items():
                say(f"{name:16} serving again after p50 {times['p50']} ms, max {times['max']} ms")
        else:
            say(f"{key}: {value}")
