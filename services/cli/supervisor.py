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

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType

from services.cli.exit_codes import TimedOut
from services.cli.service_log import last_fault
from services.cli.supervisor_config import (
    ENDS_FOR_GOOD,
    STOP_WAIT_S,
    Program,
    child_environment,
    control_socket,
    pid_file,
    service_programs,
    supervisord_conf,
)
from services.cli.supervisor_control import LOOK_AGAIN_S, Control, ControlLost, ProcessInfo
from shared.kernel.errors import OurFault
from shared.runtime.run_folder import REPOSITORY, RunFolder

UP_WITHIN_S = 15.0
SHUTDOWN_WAIT_S = STOP_WAIT_S + 3.0
TERMINATE_WAIT_S = STOP_WAIT_S + 1.0
SUPERVISORD = (sys.executable, "-m", "services.cli.supervisord_child")
GIVEN_UP = ("FATAL", "EXITED", "UNKNOWN")


class Supervised:
    """The processes of one run, from `with` to its end."""

    def __init__(self, run: RunFolder, programs: tuple[Program, ...] | None = None) -> None:
        self.run = run
        self.programs = programs if programs is not None else service_programs(run)
        self.control = Control(control_socket(run))
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

    def end(self) -> None:
        """Stop everything. Signals wait until that is done; every wait in here is bounded."""
        with _signals_held():
            self._end_daemon()
            end_processes(left_over(self.programs))
            pid_file(self.run).unlink(missing_ok=True)

    # --- start ----------------------------------------------------------------------------------

    def _start(self) -> None:
        self._daemon = start_supervisord(self.run, self.programs, parent=os.getpid())
        wait_until_it_answers(self.run, self._daemon)

    # --- watch ----------------------------------------------------------------------------------

    def _refuse_ended(self, info: ProcessInfo) -> None:
        ended = info.state in GIVEN_UP and (
            info.state != "EXITED" or info.exit_code in ENDS_FOR_GOOD
        )
        if ended:
            raise last_fault(self.run, info.name, f"{info.state} with exit code {info.exit_code}")
        if info.given_up:
            raise last_fault(self.run, info.name, info.given_up)

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


def start_supervisord(
    run: RunFolder, programs: tuple[Program, ...], parent: int
) -> subprocess.Popen[bytes]:
    """Start it with its config; `parent` 0: it outlives whoever started it."""
    conf = run.root / "supervisord.conf"
    conf.write_text(supervisord_conf(run, programs))
    with open(_start_log(run), "wb") as output:
        return subprocess.Popen(
            [*SUPERVISORD, str(parent), str(conf)],
            cwd=REPOSITORY,
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def wait_until_it_answers(run: RunFolder, daemon: subprocess.Popen[bytes]) -> None:
    """Return when supervisord takes questions; raise what it said if it ended instead."""
    control = Control(control_socket(run))
    deadline = time.monotonic() + UP_WITHIN_S
    while time.monotonic() < deadline:
        if daemon.poll() is not None:
            said = _start_log(run).read_text(errors="replace").strip()[-300:]
            raise OurFault("SUPERVISOR_START", field="supervisord", value=said, fix="")
        try:
            control.processes()
            return
        except ControlLost:
            time.sleep(LOOK_AGAIN_S)
    raise TimedOut(
        "SUPERVISOR_START", field="supervisord", value=f"silent for {UP_WITHIN_S:.0f} s", fix=""
    )


def _start_log(run: RunFolder) -> Path:
    return run.root / "logs" / "supervisord.out"


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
