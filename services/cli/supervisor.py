"""Starts a run's processes, watches them, and always ends them.

Theory of operation. supervisord (a library program) is our child and the services are its children:
it restarts what dies; we ask it over a Unix socket (XML-RPC) who lives. Whatever ends this command,
the processes end too:

- normally, on a fault, on Ctrl-C and SIGTERM: `Supervised` shuts supervisord down, then terminates
  it, then kills it, and last ends every process left with the exact command of one of our programs;
- if this process is killed outright: the kernel sends supervisord SIGTERM (supervisord_child.py),
  and it stops the services;
- if supervisord is killed: `check` sees it within a second, and the exit path above ends the rest.

supervisord gets a session of its own, so a Ctrl-C at the terminal comes to us alone, in order.
"""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, cast

from services.cli.exit_codes import TimedOut
from services.cli.service_log import last_fault
from services.cli.supervisor_config import (
    ENDS_FOR_GOOD,
    GROUP,
    STOP_WAIT_S,
    Program,
    child_environment,
    control_socket,
    pid_file,
    service_programs,
    supervisord_conf,
)
from shared.kernel.errors import OurFault
from shared.runtime.run_folder import REPOSITORY, RunFolder

UP_WITHIN_S = 15.0
RPC_TIMEOUT_S = 3.0
LOOK_AGAIN_S = 0.05
SHUTDOWN_WAIT_S = STOP_WAIT_S + 3.0
TERMINATE_WAIT_S = STOP_WAIT_S + 1.0
RESTARTS_MAX = 8
RESTARTS_WINDOW_S = 30.0
SUPERVISORD = (sys.executable, "-m", "services.cli.supervisord_child")
GIVEN_UP = ("FATAL", "EXITED", "UNKNOWN")


class ControlLost(Exception):
    """supervisord did not answer this time; whether it lives is another question."""


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """One process as supervisord sees it; `pid` is 0 while it is down."""

    name: str
    pid: int
    state: str
    exit_code: int


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over supervisord's socket, with a time-out."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=RPC_TIMEOUT_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(RPC_TIMEOUT_S)
        self.sock.connect(str(self._path))


class _UnixTransport(xmlrpc.client.Transport):
    """What `supervisor.xmlrpc.SupervisorTransport` does, but it cannot wait for ever."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def make_connection(self, host: object) -> http.client.HTTPConnection:
        return _UnixConnection(self._path)


class Control:
    """The few questions and orders that we have for supervisord."""

    def __init__(self, path: Path) -> None:
        self._server = xmlrpc.client.ServerProxy("http://localhost", _UnixTransport(path))

    def processes(self) -> list[ProcessInfo]:
        """Every process with its state."""
        rows = cast(list[dict[str, Any]], self._call("getAllProcessInfo"))
        return [
            ProcessInfo(row["name"], row["pid"], row["statename"], row["exitstatus"])
            for row in rows
        ]

    def stop(self, name: str) -> None:
        """SIGTERM, then SIGKILL after the wait; it stays down."""
        self._call("stopProcess", f"{GROUP}:{name}", False)

    def start(self, name: str) -> None:
        """Start what is down."""
        self._call("startProcess", f"{GROUP}:{name}", False)

    def shutdown(self) -> None:
        """Stop everything, supervisord last."""
        self._call("shutdown")

    def _call(self, method: str, *args: object) -> object:
        try:
            return getattr(self._server.supervisor, method)(*args)
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
            raise ControlLost(f"{method}: {error}") from error


@dataclass(slots=True)
class RestartBudget:
    """A service that dies again and again will not get better by one more start."""

    pids: dict[str, int] = field(default_factory=dict)
    starts: dict[str, list[float]] = field(default_factory=dict)

    def overdrawn(self, name: str, pid: int, now_s: float) -> bool:
        """Note the process id; True if it changed too often within the window."""
        before = self.pids.get(name, 0)
        if pid in (0, before):
            return False
        self.pids[name] = pid
        if before == 0:
            return False
        recent = [at for at in self.starts.get(name, []) if at > now_s - RESTARTS_WINDOW_S]
        self.starts[name] = [*recent, now_s]
        return len(self.starts[name]) > RESTARTS_MAX


class Supervised:
    """The processes of one run, from `with` to its end."""

    def __init__(self, run: RunFolder, programs: tuple[Program, ...] | None = None) -> None:
        self.run = run
        self.programs = programs if programs is not None else service_programs(run)
        self.control = Control(control_socket(run))
        self._budget = RestartBudget()
        self._daemon: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Supervised:
        try:
            self._start()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.end()

    @property
    def pid(self) -> int:
        """supervisord's process id; 0 before it was started."""
        return self._daemon.pid if self._daemon else 0

    def check(self) -> dict[str, ProcessInfo]:
        """Every process by name; raises the fault of one that ended for good."""
        if self._daemon is None or self._daemon.poll() is not None:
            raise OurFault(
                "SUPERVISOR_DIED",
                field="supervisord",
                value=self._daemon.returncode if self._daemon else None,
                fix=f"See {self.run.root}/logs/supervisord.log; every process is stopped now.",
            )
        try:
            found = {info.name: info for info in self.control.processes()}
        except ControlLost:
            return {}
        for info in found.values():
            self._refuse_ended(info)
        return found

    def restart(self, name: str) -> None:
        """Stop one service and start it again."""
        self.control.stop(name)
        deadline = time.monotonic() + STOP_WAIT_S + 2
        while time.monotonic() < deadline:
            if any(i.name == name and i.pid == 0 for i in self.control.processes()):
                self.control.start(name)
                return
            time.sleep(LOOK_AGAIN_S)
        raise TimedOut("STOP_TIMEOUT", field=name, value="it still runs", fix="Look at its log.")

    def end(self) -> None:
        """Stop everything. Signals wait until that is done; every wait in here is bounded."""
        with _signals_held():
            self._end_daemon()
            end_processes(left_over(self.programs))
            pid_file(self.run).unlink(missing_ok=True)

    # --- start ----------------------------------------------------------------------------------

    def _start(self) -> None:
        conf = self.run.root / "supervisord.conf"
        conf.write_text(supervisord_conf(self.run, self.programs))
        with open(self._start_log, "wb") as output:
            self._daemon = subprocess.Popen(
                [*SUPERVISORD, str(os.getpid()), str(conf)],
                cwd=REPOSITORY,
                env=child_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._wait_until_it_answers()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + UP_WITHIN_S
        while time.monotonic() < deadline:
            if self._daemon is not None and self._daemon.poll() is not None:
                said = self._start_log.read_text(errors="replace").strip()[-300:]
                raise OurFault("SUPERVISOR_START", field="supervisord", value=said, fix="")
            try:
                self.control.processes()
                return
            except ControlLost:
                time.sleep(LOOK_AGAIN_S)
        raise TimedOut(
            "SUPERVISOR_START", field="supervisord", value=f"silent for {UP_WITHIN_S:.0f} s", fix=""
        )

    @property
    def _start_log(self) -> Path:
        return self.run.root / "logs" / "supervisord.out"

    # --- watch ----------------------------------------------------------------------------------

    def _refuse_ended(self, info: ProcessInfo) -> None:
        ended = info.state in GIVEN_UP and (
            info.state != "EXITED" or info.exit_code in ENDS_FOR_GOOD
        )
        if ended:
            raise last_fault(self.run, info.name, f"{info.state} with exit code {info.exit_code}")
        if self._budget.overdrawn(info.name, info.pid, time.monotonic()):
            raise last_fault(
                self.run, info.name, f"more than {RESTARTS_MAX} starts in {RESTARTS_WINDOW_S:.0f} s"
            )

    # --- end ------------------------------------------------------------------------------------

    def _end_daemon(self) -> None:
        daemon = self._daemon
        if daemon is None:
            return
        with suppress(ControlLost):
            self.control.shutdown()
        for wait_s, signal_number in (
            (SHUTDOWN_WAIT_S, signal.SIGTERM),
            (TERMINATE_WAIT_S, signal.SIGKILL),
        ):
            if _ended(daemon, wait_s):
                return
            daemon.send_signal(signal_number)
        daemon.wait()


def left_over(programs: tuple[Program, ...]) -> list[int]:
    """Processes with the exact command of one of these programs, whoever their parent is."""
    commands = {program.command for program in programs}
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and _command_of(entry) in commands:
            found.append(int(entry.name))
    return sorted(found)


def end_processes(pids: list[int]) -> None:
    """SIGTERM, a moment to obey, then SIGKILL."""
    for number, wait_s in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 2.0)):
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + wait_s
        while pids and time.monotonic() < deadline:
            pids = [pid for pid in pids if _command_of(Path(f"/proc/{pid}"))]
            time.sleep(LOOK_AGAIN_S)


def _command_of(entry: Path) -> tuple[str, ...]:
    """The command line of a process; empty if it is gone, or dead and not yet reaped."""
    try:
        raw = (entry / "cmdline").read_bytes()
    except OSError:
        return ()
    return tuple(part.decode(errors="replace") for part in raw.split(b"\0")[:-1])


def _ended(daemon: subprocess.Popen[bytes], wait_s: float) -> bool:
    try:
        daemon.wait(wait_s)
    except subprocess.TimeoutExpired:
        return False
    return True


@contextmanager
def _signals_held() -> Iterator[None]:
    """Ctrl-C and SIGTERM are late here: a second one must not interrupt the clearing up."""
    held = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, held)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
