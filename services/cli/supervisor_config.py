"""The programs of a run, and the supervisord.conf that keeps them up.

Why these values: an exit with a fault of the operator (64) or bad data (65) is "expected", so it is
not repeated; every other death, `kill -9` or a stray SIGTERM included, is followed by a new start
at once. Services stop together (one group), each within `STOP_WAIT_S`. Their output goes to the
run's logs, which rotate. They inherit a short list of harmless variables, so no secret of the
operator's shell reaches a trading process by accident.
"""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from proto_schemas.registry import SERVICES
from services.cli.exit_codes import BAD_DATA, OPERATOR
from shared.kernel.errors import OperatorFault
from shared.runtime.run_folder import REPOSITORY, RunFolder

GROUP = "bulkhead"
NAMESPACE = "bulkhead"
PLUGIN = "services.cli.supervisord_plugin:make"
FIRST_UP_LAST_DOWN = "watchdog"
FIRST_DOWN = "strategy_engine"
ENDS_FOR_GOOD = (OPERATOR, BAD_DATA)
STOP_WAIT_S = 5
LOG_BYTES_MAX = 10_000_000
LOG_BACKUPS = 3
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
# supervisord reads these as comments or quotes, wherever they stand.
UNUSABLE_IN_PATHS = "\"'\\;#\n\r"


@dataclass(frozen=True, slots=True)
class Program:
    """One process: its service's name and its exact command."""

    name: str
    command: tuple[str, ...]


def service_programs(run: RunFolder) -> tuple[Program, ...]:
    """Every service of the registry, for one run."""
    return tuple(
        Program(name, (sys.executable, "-m", f"services.{name}", "--run", str(run.root)))
        for name in SERVICES
    )


def control_socket(run: RunFolder) -> Path:
    """Where supervisord listens; inside the run's private folder."""
    return Path(run.settings.sock_dir) / "supervisor.sock"


def pid_file(run: RunFolder) -> Path:
    """Holds supervisord's process id while it runs."""
    return run.root / "supervisord.pid"


def child_environment() -> dict[str, str]:
    """What supervisord and the services inherit, and nothing else."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return {**kept, "PYTHONPATH": str(REPOSITORY), "PYTHONUNBUFFERED": "1"}


def supervisord_conf(run: RunFolder, programs: tuple[Program, ...]) -> str:
    """The whole config file as text."""
    lines = [
        "[unix_http_server]",
        f"file = {_path(control_socket(run))}",
        "chmod = 0700",
        "",
        "[supervisord]",
        "nodaemon = true",
        "silent = true",
        f"logfile = {_path(run.root / 'logs' / 'supervisord.log')}",
        f"logfile_maxbytes = {LOG_BYTES_MAX}",
        f"logfile_backups = {LOG_BACKUPS}",
        f"pidfile = {_path(pid_file(run))}",
        f"childlogdir = {_path(run.root / 'logs')}",
        "",
        "[rpcinterface:supervisor]",
        "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
        "",
        f"[rpcinterface:{NAMESPACE}]",
        f"supervisor.rpcinterface_factory = {PLUGIN}",
        "",
        f"[group:{GROUP}]",
        f"programs = {','.join(program.name for program in programs)}",
        "",
    ]
    for place, program in enumerate(programs, 10):
        lines += _program_lines(run, program, _priority(program.name, place))
    return "\n".join(lines)


def _priority(name: str, place: int) -> int:
    """Low numbers start first and stop last: the kill switch is there before and after all."""
    return {FIRST_UP_LAST_DOWN: 1, FIRST_DOWN: 999}.get(name, place)


def _program_lines(run: RunFolder, program: Program, priority: int) -> list[str]:
    command = shlex.join(program.command).replace("%", "%%")
    return [
        f"[program:{program.name}]",
        f"command = {command}",
        f"directory = {_path(REPOSITORY)}",
        f"priority = {priority}",
        "autostart = true",
        "autorestart = unexpected",
        f"exitcodes = {','.join(map(str, ENDS_FOR_GOOD))}",
        "startsecs = 0",
        "startretries = 3",
        "stopsignal = TERM",
        f"stopwaitsecs = {STOP_WAIT_S}",
        "redirect_stderr = true",
        f"stdout_logfile = {_path(run.log(program.name))}",
        f"stdout_logfile_maxbytes = {LOG_BYTES_MAX}",
        f"stdout_logfile_backups = {LOG_BACKUPS}",
        "",
    ]


def _path(path: Path) -> str:
    """A path as a value; `%` starts an expansion there, so it is doubled."""
    text = str(path)
    if any(mark in text for mark in UNUSABLE_IN_PATHS):
        raise OperatorFault(
            "PATH_UNUSABLE",
            field="folder",
            value=text,
            fix="Use a path without quotes, backslashes, semicolons and number signs.",
        )
    return text.replace("%", "%%")
