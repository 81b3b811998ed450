"""Talks to a run's supervisord over its Unix socket: who lives, start this, stop that."""

from __future__ import annotations

import http.client
import socket
import time
import xmlrpc.client
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from supervisor.xmlrpc import Faults

from services.cli.exit_codes import TimedOut
from services.cli.supervisor_config import GROUP, STOP_WAIT_S
from shared.kernel.errors import OurFault

RPC_TIMEOUT_S = 3.0
LOOK_AGAIN_S = 0.05


class ControlLost(OurFault):
    """supervisord did not answer this time, or refused; whether it lives is another question.

    `refusal` is supervisord's own fault number, None if it was silent.
    """

    def __init__(self, method: str, error: Exception) -> None:
        self.refusal = error.faultCode if isinstance(error, xmlrpc.client.Fault) else None
        super().__init__(
            "SUPERVISOR_SILENT" if self.refusal is None else "SUPERVISOR_REFUSED",
            field=method,
            value=str(error),
            fix="Look at logs/supervisord.log in the run's folder.",
        )


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """One process as supervisord sees it; `pid` is 0 while it is down."""

    name: str
    pid: int
    state: str
    exit_code: int
    starts: int = 1
    given_up: str = ""


Processes = Mapping[str, ProcessInfo]
"""Every process of a run by its service; empty if the supervisor does not live or answer."""


def pids(processes: Processes) -> dict[str, int]:
    """Service -> process id, 0 for one that is down."""
    return {name: info.pid for name, info in processes.items()}


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
        rows = cast(list[dict[str, Any]], self._call("supervisor.getAllProcessInfo"))
        noted = cast(dict[str, dict[str, Any]], self._call("bulkhead.report"))
        return [
            ProcessInfo(
                row["name"], row["pid"], row["statename"], row["exitstatus"],
                **noted.get(row["name"], {}),
            )
            for row in rows
        ]  # fmt: skip

    def stop(self, name: str) -> None:
        """SIGTERM, then SIGKILL after the wait; it stays down."""
        self._call("supervisor.stopProcess", f"{GROUP}:{name}", False)

    def start(self, name: str) -> None:
        """Start what is down; what was given up gets a new budget, and so may start by itself."""
        self._call("bulkhead.forgive", name)
        try:
            self._call("supervisor.startProcess", f"{GROUP}:{name}", False)
        except ControlLost as lost:
            if lost.refusal != Faults.ALREADY_STARTED:
                raise

    def restart(self, name: str) -> None:
        """Stop one service and start it again."""
        if self._pid(name):
            self.stop(name)
        deadline = time.monotonic() + STOP_WAIT_S + 2
        while time.monotonic() < deadline:
            if not self._pid(name):
                self.start(name)
                return
            time.sleep(LOOK_AGAIN_S)
        raise TimedOut("STOP_TIMEOUT", field=name, value="it still runs", fix="Look at its log.")

    def _pid(self, name: str) -> int:
        return next((info.pid for info in self.processes() if info.name == name), 0)

    def shutdown(self) -> None:
        """Stop everything, supervisord last."""
        self._call("supervisor.shutdown")

    def _call(self, method: str, *args: object) -> object:
        try:
            return getattr(self._server, method)(*args)
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
            raise ControlLost(method, error) from error
