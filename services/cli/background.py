"""Runs that stay up when the command that started them has ended: start, find, end.

The run's folder is the whole truth: supervisord's process id stands in it, and its socket is where
`config.toml` says. A process id alone proves nothing, so the process must be the supervisord of
this very run. If supervisord was killed, its services live on without it: trading and the kill
switch go on, `bulkhead status` says so, and the next `up` or `down` ends them first.
"""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

from services.cli.active import supervisor_pid
from services.cli.runs import is_ours, remove_sockets
from services.cli.supervisor import (
    end_processes,
    left_over,
    start_supervisord,
    wait_until_it_answers,
)
from services.cli.supervisor_config import (
    STOP_WAIT_S,
    control_socket,
    pid_file,
    service_programs,
)
from services.cli.supervisor_control import LOOK_AGAIN_S, Control, ControlLost, Processes
from services.cli.supervisord_child import BACKGROUND
from shared.kernel.errors import OperatorFault
from shared.runtime.run_folder import RunFolder

DOWN_WITHIN_S = STOP_WAIT_S + 5.0


def start(run: RunFolder) -> None:
    """Start all services of a run that is not up; what was left of an earlier life ends first."""
    end_processes(left_over(service_programs(run)))
    open_sockets(run)
    daemon = start_supervisord(run, service_programs(run), BACKGROUND)
    wait_until_it_answers(run, daemon)


def stop(run: RunFolder) -> bool:
    """End every process of the run, the watchdog last; True if there was any. Waits are bounded."""
    pid, programs = supervisor_pid(run), service_programs(run)
    left = left_over(programs)
    if pid:
        with suppress(ControlLost):
            Control(control_socket(run)).shutdown()
        _wait_for_end(run, DOWN_WITHIN_S)
        end_processes([pid] if supervisor_pid(run) else [])
    end_processes(left_over(programs))
    pid_file(run).unlink(missing_ok=True)
    remove_sockets(run)
    return bool(pid or left)


def open_sockets(run: RunFolder) -> None:
    """Make the sockets' private folder where the config says, or refuse one of somebody else."""
    folder = Path(run.settings.sock_dir)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if not is_ours(run):
        raise OperatorFault(
            "SOCKETS_FOREIGN",
            field="run.sock_dir",
            value=str(folder),
            fix="Somebody else made this folder: remove it, or change run.sock_dir in config.toml.",
        )


def processes(run: RunFolder) -> Processes:
    """Every process as supervisord sees it; empty if it does not live or does not answer."""
    if not supervisor_pid(run) or not is_ours(run):
        return {}
    try:
        return {info.name: info for info in Control(control_socket(run)).processes()}
    except ControlLost:
        return {}


def _wait_for_end(run: RunFolder, within_s: float) -> None:
    deadline_s = time.monotonic() + within_s
    while supervisor_pid(run) and time.monotonic() < deadline_s:
        time.sleep(LOOK_AGAIN_S)
