"""`bulkhead status`: one look at a run that is up, or one a second.

Two witnesses: the monitor says how the services are, the supervisor says which processes there are.
Either may be gone; what the other says is still shown.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from proto_schemas.control import StatusReport
from services.cli import background
from services.cli.active import supervisor_pid
from services.cli.client import MonitorClient
from services.cli.exit_codes import NOT_OK, OK
from services.cli.follow import Look, field
from services.cli.kill import resume_command
from services.cli.outcome import known_services
from services.cli.output import note, print_json, say
from services.cli.runs import find_run, is_ours
from services.cli.screen import BANNER, money, services_table
from services.cli.supervisor_control import Processes
from shared.runtime.run_folder import SUPERVISORD, RunFolder

if TYPE_CHECKING:
    from rich.console import RenderableType

ANSWER_WITHIN_S = 2.0
WATCH_EVERY_S = 1.0


def run_status(named: Path | None, root: Path, watch: bool, as_json: bool) -> int:
    """Ask monitor and supervisor; 1 if the monitor does not answer."""
    run = find_run(named, root)
    if watch:
        return _watch(run, as_json)
    report, processes = look(run)
    if as_json:
        print_json(status_json(run, report, processes))
    elif report is None and not processes:
        say(f"No run is up: {run.root}")
    else:
        _say_status(run, report, processes)
    return OK if report is not None else NOT_OK


def look(run: RunFolder) -> tuple[StatusReport | None, Processes]:
    """What both witnesses say now."""
    if not is_ours(run):
        return None, {}
    with MonitorClient(run) as monitor:
        return monitor.status(ANSWER_WITHIN_S), background.processes(run)


def status_json(
    run: RunFolder, report: StatusReport | None, processes: Processes
) -> dict[str, Any]:
    """Everything that is known, with the words that scripts rely on first."""
    fields = report.fields if report is not None else {}
    services = known_services(report, processes)
    first = {
        "ok": report is not None,
        "stage": run.settings.stage,
        "state": services.get("watchdog", {}).get("state"),
        "kill_id": fields.get("kill_id"),
        "position_lots": fields.get("position_lots"),
        "broker_position_lots": fields.get("broker_position_lots"),
        "services": services,
        "run": str(run.root),
        "error": _error(report, processes),
    }
    return {**first, **{key: value for key, value in fields.items() if key not in first}}


def kill_lines(kill_id: object) -> list[str]:
    """What a person must know while a kill holds; nothing otherwise."""
    if kill_id is None:
        return []
    return [f"KILLED: {kill_id}; clear it with: {resume_command(str(kill_id))}"]


def _error(report: StatusReport | None, processes: Processes) -> str | None:
    if report is not None:
        return None
    return "the monitor does not answer" if processes else "no run is up"


def _watch(run: RunFolder, as_json: bool) -> int:
    """Look once a second until Ctrl-C."""
    with _shown(run, as_json) as show:
        while True:
            began_s = time.monotonic()
            report, processes = look(run)
            show(report, processes)
            time.sleep(max(0.0, WATCH_EVERY_S - (time.monotonic() - began_s)))


Show = Callable[[StatusReport | None, Processes], None]


@contextmanager
def _shown(run: RunFolder, as_json: bool) -> Iterator[Show]:
    if as_json:
        yield lambda report, processes: print_json(status_json(run, report, processes))
        return
    from rich.live import Live

    with Live(refresh_per_second=4) as live:
        yield lambda report, processes: live.update(
            screen(run, report, processes, field(report, "kill_id")), refresh=True
        )


def screen(
    run: RunFolder,
    report: StatusReport | None,
    processes: Processes,
    kill_id: object = None,
) -> RenderableType:
    """The whole page for one look."""
    from rich.console import Group
    from rich.markup import escape
    from rich.text import Text

    settings = run.settings
    head = (
        f"[bold]{escape(settings.run_id)}[/]  {settings.stage}  {settings.instrument}  "
        f"{settings.strategy}  [yellow]{BANNER}[/]"
    )
    seen = Look(0.0, processes, report)
    facts = [
        f"state {known_services(report, processes).get('watchdog', {}).get('state', 'unknown')}",
        f"mode {field(report, 'mode')}",
        f"phase {field(report, 'phase')}: {field(report, 'reason')}",
        f"position {field(report, 'position_lots')} lots, broker "
        f"{field(report, 'broker_position_lots')}",
        f"P&L {money(seen)}",
        f"feed {field(report, 'feed_state')} row {field(report, 'feed_seq')}",
    ]
    killed = [Text(line, style="bold red") for line in kill_lines(kill_id)]
    silent = [Text(error, style="red")] if (error := _error(report, processes)) else []
    body = Text("   ".join(facts))
    return Group(Text.from_markup(head), *killed, *silent, services_table(seen), body)


def _say_status(run: RunFolder, report: StatusReport | None, processes: Processes) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console()
    console.print(screen(run, report, processes))
    if run.settings.kept_by == SUPERVISORD and not supervisor_pid(run):
        note("the supervisor of this run does not live: nothing is started again if it dies")
    for line in kill_lines(field(report, "kill_id")):
        say(line)
    for key, value in (report.fields if report is not None else {}).items():
        console.print(f"{key:24} {escape(str(value))}", highlight=False)
