"""`bulkhead up` and `bulkhead down`: the paper run in the background, and its end.

`up` returns when everything serves, or says what does not. What it started stays up, whatever
happens to the terminal. `down` stops in order, strategy first and watchdog last; it closes nothing:
a position that is open stays open in the paper account, and the next `up` finds it there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proto_schemas.control import StatusReport
from proto_schemas.enums import ServiceState
from proto_schemas.registry import SERVICES
from services.cli import background
from services.cli.active import supervisor_pid
from services.cli.client import MonitorClient
from services.cli.exit_codes import OK, TimedOut
from services.cli.follow import field
from services.cli.outcome import known_services, services_json
from services.cli.output import note, print_json, say
from services.cli.paper import Wanted, paper_folder, prepare
from services.cli.runs import find_run, is_ours, refuse_in_containers
from services.cli.screen import BANNER
from services.cli.service_log import code_differs, last_fault
from services.cli.status import kill_lines
from services.cli.supervisor import GIVEN_UP
from services.cli.supervisor_config import ENDS_FOR_GOOD
from services.cli.supervisor_control import Processes
from shared.kernel.errors import Fault, OperatorFault
from shared.runtime.run_folder import RunFolder

SERVES_WITHIN_S = 40.0
LOOK_EVERY_S = 0.1
ANSWER_WITHIN_S = 0.5
NOT_YET = (ServiceState.STARTING, ServiceState.RECONCILING)


@dataclass(frozen=True, slots=True)
class UpOptions:
    """The options of the command."""

    wanted: Wanted
    root: Path
    as_json: bool


def run_up(options: UpOptions) -> int:
    """Start it, or say that it is up; 0 when all serve, killed or not."""
    began_s = time.monotonic()
    existing = paper_folder(options.root) / "config.toml"
    if existing.is_file():
        run = RunFolder.open(existing.parent)
        if supervisor_pid(run):
            return _already_up(run, options)
    run = prepare(options.root, options.wanted)
    background.start(run)
    try:
        report = _until_it_serves(run)
    except TimedOut:
        note(f"it stays up: see `bulkhead status` and `bulkhead logs`; run {run.root}")
        raise
    except Fault:
        background.stop(run)
        raise
    _say_up(run, report, time.monotonic() - began_s, options.as_json)
    return OK


def run_down(named: Path | None, root: Path, as_json: bool) -> int:
    """Stop a run that is up in the background; nothing to stop is fine too."""
    run = find_run(named, root)
    refuse_in_containers(run, "docker compose stop")
    began_s = time.monotonic()
    lots = _lots(run)
    stopped = background.stop(run)
    result = {
        "ok": True,
        "stopped": stopped,
        "position_lots": lots,
        "seconds": round(time.monotonic() - began_s, 3),
        "run": str(run.root),
        "error": None,
    }
    if as_json:
        print_json(result)
        return OK
    say(f"stopped {run.root}" if stopped else f"nothing was up: {run.root}")
    if lots:
        say(f"{lots} lots stay open in the account; nobody watches them until `bulkhead up`")
    return OK


def _already_up(run: RunFolder, options: UpOptions) -> int:
    wanted = options.wanted
    if wanted.fresh or wanted.config or wanted.speed or wanted.strategy or wanted.instrument:
        raise OperatorFault(
            "RUN_IS_UP",
            field="bulkhead up",
            value=str(run.root),
            fix="Nothing can be changed while it runs: `bulkhead down` first.",
        )
    note("it was up already")
    _say_up(run, _until_it_serves(run), 0.0, options.as_json)
    return OK


def _until_it_serves(run: RunFolder) -> StatusReport:
    """The first report in which all have come up; a service that ended for good is its fault."""
    deadline_s = time.monotonic() + SERVES_WITHIN_S
    waiting = "an answer from the monitor"
    with MonitorClient(run) as monitor:
        while time.monotonic() < deadline_s:
            _refuse_ended(run, background.processes(run))
            report = monitor.status(ANSWER_WITHIN_S)
            waiting = _waiting_for(report) if report is not None else waiting
            if report is not None and not waiting:
                return report
            time.sleep(LOOK_EVERY_S)
    raise TimedOut(
        "NOT_UP_IN_TIME",
        field=f"after {SERVES_WITHIN_S:.0f} s",
        value=waiting,
        fix="Read `bulkhead logs`.",
    )


def _waiting_for(report: StatusReport) -> str:
    """Who is not there yet, or nothing."""
    silent = [s.service for s in report.services if not s.alive]
    states = {s.service: s.state for s in report.services}
    if silent:
        return f"{', '.join(silent)} silent"
    if states["watchdog"] in NOT_YET:
        return f"the watchdog is {states['watchdog']}"
    return ""


def _refuse_ended(run: RunFolder, processes: Processes) -> None:
    for info in processes.values():
        ended = info.state == "EXITED" and info.exit_code in ENDS_FOR_GOOD
        if info.given_up or ended or (info.state in GIVEN_UP and info.state != "EXITED"):
            why = info.given_up or f"{info.state} with exit code {info.exit_code}"
            raise last_fault(run, info.name, why)


def _lots(run: RunFolder) -> int | None:
    if not is_ours(run):
        return None
    with MonitorClient(run) as monitor:
        lots = field(monitor.status(ANSWER_WITHIN_S), "position_lots")
    return lots if isinstance(lots, int) else None


def _say_up(run: RunFolder, report: StatusReport, seconds: float, as_json: bool) -> None:
    state = str(services_json(report)["watchdog"]["state"])
    kill_id = field(report, "kill_id")
    if as_json:
        print_json(up_json(run, report, state, seconds))
        return
    settings = run.settings
    say(
        f"up in {seconds:.1f} s: {len(SERVICES)} services, {state}, {settings.strategy} on "
        f"{settings.instrument}, {settings.stage}, {BANNER}"
    )
    for line in kill_lines(kill_id):
        say(line)
    if (changed := code_differs(run)) is not None:
        say(f"{changed} is not the code that runs: bulkhead reload takes it")
    say("next: bulkhead status --watch, bulkhead logs -f, bulkhead kill, bulkhead down")


def up_json(run: RunFolder, report: StatusReport, state: str, seconds: float) -> dict[str, Any]:
    """The keys that scripts rely on."""
    return {
        "ok": True,
        "stage": run.settings.stage,
        "state": state,
        "kill_id": field(report, "kill_id"),
        "position_lots": field(report, "position_lots"),
        "services": known_services(report, background.processes(run)),
        "seconds": round(seconds, 3),
        "run": str(run.root),
        "error": None,
    }
