"""`bulkhead status`: one look at a run that is up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from proto_schemas.control import StatusReport
from services.cli.client import MonitorClient
from services.cli.exit_codes import NOT_OK, OK
from services.cli.follow import Look, field
from services.cli.kill import resume_command
from services.cli.outcome import services_json
from services.cli.output import print_json, say
from services.cli.runs import find_run, is_ours
from shared.runtime.run_folder import RunFolder

ANSWER_WITHIN_S = 2.0


def run_status(named: Path | None, root: Path, as_json: bool) -> int:
    """Ask the monitor; silence means that no run is up."""
    run = find_run(named, root)
    report = _ask(run)
    if as_json:
        print_json(status_json(run, report))
    elif report is None:
        say(f"No run is up: the monitor of {run.root} does not answer.")
    else:
        _say_status(run, report)
    return OK if report is not None else NOT_OK


def status_json(run: RunFolder, report: StatusReport | None) -> dict[str, Any]:
    """Everything the monitor says, with the words that scripts rely on first."""
    fields = report.fields if report is not None else {}
    first = {
        "ok": report is not None,
        "stage": run.settings.stage,
        "state": services_json(report).get("watchdog", {}).get("state"),
        "kill_id": fields.get("kill_id"),
        "position_lots": fields.get("position_lots"),
        "broker_position_lots": fields.get("broker_position_lots"),
        "services": services_json(report),
        "run": str(run.root),
        "error": None if report is not None else "no run is up",
    }
    return {**first, **{key: value for key, value in fields.items() if key not in first}}


def _ask(run: RunFolder) -> StatusReport | None:
    if not is_ours(run):
        return None
    with MonitorClient(run) as monitor:
        return monitor.status(ANSWER_WITHIN_S)


def _say_status(run: RunFolder, report: StatusReport) -> None:
    from rich.console import Console
    from rich.markup import escape

    from services.cli.screen import BANNER, services_table

    console = Console()
    console.print(
        f"[bold]{escape(run.settings.run_id)}[/]  {run.settings.stage}  "
        f"{run.settings.instrument}  {run.settings.strategy}  [yellow]{BANNER}[/]"
    )
    console.print(services_table(Look(0.0, {}, report)))
    kill_id = field(report, "kill_id")
    if kill_id is not None:
        say(f"KILLED: {kill_id}; clear it with: {resume_command(str(kill_id))}")
    for key, value in report.fields.items():
        console.print(f"{key:24} {escape(str(value))}", highlight=False)
