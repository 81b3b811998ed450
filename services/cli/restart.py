"""`bulkhead restart SERVICE`: one service of a run that is up; the others go on."""

from __future__ import annotations

import time
from pathlib import Path

from proto_schemas.control import StatusReport
from proto_schemas.registry import SERVICES
from services.cli import background
from services.cli.active import supervisor_pid
from services.cli.client import MonitorClient
from services.cli.exit_codes import NOT_OK, OK, TimedOut
from services.cli.output import print_json, say
from services.cli.runs import find_run, is_ours, refuse_in_containers
from services.cli.supervisor_config import control_socket
from services.cli.supervisor_control import Control
from shared.kernel.errors import OperatorFault
from shared.runtime.run_folder import RunFolder

SERVES_WITHIN_S = 20.0
LOOK_EVERY_S = 0.05
ANSWER_WITHIN_S = 0.5


def run_restart(service: str, named: Path | None, root: Path, as_json: bool) -> int:
    """Stop it in order, start it again, wait until it serves; 1 if no run is up."""
    if service not in SERVICES:
        raise OperatorFault(
            "SERVICE_UNKNOWN", field="SERVICE", value=service, fix=f"One of {', '.join(SERVICES)}."
        )
    run = find_run(named, root)
    refuse_in_containers(run, f"docker compose restart {service}")
    if not supervisor_pid(run) or not is_ours(run):
        return _report(service, 0, 0.0, f"no run is up: {run.root}", as_json)
    began_s = time.monotonic()
    Control(control_socket(run)).restart(service)
    pid = _until_it_serves(run, service)
    return _report(service, pid, time.monotonic() - began_s, None, as_json)


def _until_it_serves(run: RunFolder, service: str) -> int:
    """The new process id, once the monitor has heard it (or answers, if it is the monitor)."""
    deadline_s = time.monotonic() + SERVES_WITHIN_S
    with MonitorClient(run) as monitor:
        while time.monotonic() < deadline_s:
            info = background.processes(run).get(service)
            report = monitor.status(ANSWER_WITHIN_S)
            if info is not None and info.pid and _heard_pid(report, service) == info.pid:
                return info.pid
            time.sleep(LOOK_EVERY_S)
    raise TimedOut(
        "RESTART_TIMEOUT",
        field=service,
        value=f"not heard within {SERVES_WITHIN_S:.0f} s",
        fix=f"Read `bulkhead logs {service}`.",
    )


def _heard_pid(report: StatusReport | None, service: str) -> int:
    for status in report.services if report is not None else ():
        if status.service == service and status.alive:
            return status.pid
    return 0


def _report(service: str, pid: int, seconds: float, error: str | None, as_json: bool) -> int:
    if as_json:
        print_json(
            {
                "ok": error is None,
                "service": service,
                "pid": pid,
                "seconds": round(seconds, 3),
                "error": error,
            }
        )
    else:
        say(error or f"{service} serves again as process {pid} after {seconds:.1f} s")
    return OK if error is None else NOT_OK
