"""What supervisord lacks, added inside it at its own plugin point: quick restarts, and a budget.

supervisord looks after its children about once a second. Here the death of a child wakes it at
once, so that a service is away for the time of its own start and no longer.

A service that dies again and again will not get better by one more start, and each start costs the
others. Beyond `RESTARTS_MAX` deaths within `RESTARTS_WINDOW_S` it is given up: it stays down until
a person restarts it by name. (The watchdog's budget is smaller: it has pulled the switch before.)
"""

from __future__ import annotations

import os
import signal
import sys
from time import monotonic
from typing import Any

from supervisor import events
from supervisor.datatypes import RestartWhenExitUnexpected

from shared.kernel.errors import OurFault

RESTARTS_MAX = 8
RESTARTS_WINDOW_S = 60.0


class Waker:
    """A pipe that supervisord's poller watches; a byte in it ends the poll at once."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def install(self, socket_map: dict[int, Any]) -> None:
        """Let every signal wake the poller; SIGCHLD is the one that matters."""
        socket_map[self._read] = self
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)

    def wake(self) -> None:
        """End the next poll too: a dead child is reaped in one turn and started in the next."""
        os.write(self._write, b"x")

    def readable(self) -> bool:
        """Asked by supervisord's loop."""
        return True

    def writable(self) -> bool:
        """Asked by supervisord's loop."""
        return False

    def handle_read_event(self) -> None:
        """Empty the pipe; being woken was all."""
        os.read(self._read, 4_096)

    def handle_error(self) -> None:
        """Called by supervisord while it handles an error: do not swallow it."""
        error = sys.exc_info()[1]
        raise OurFault("WAKE_PIPE", field="supervisord", value=error, fix="Report this.") from error


class Budget:
    """Deaths of each service, and who was given up. Its public methods are the RPC interface."""

    def __init__(self, supervisord: Any) -> None:
        self._supervisord = supervisord
        self._deaths: dict[str, list[float]] = {}
        self._starts: dict[str, int] = {}
        self._given_up: dict[str, str] = {}
        self._waker = Waker()
        self._waker.install(supervisord.options.get_socket_map())
        events.subscribe(events.ProcessStateExitedEvent, self._on_death)
        events.subscribe(events.ProcessStateStartingEvent, self._on_start)

    def report(self) -> dict[str, dict[str, int | str]]:
        """Of each service: how often it was started, and why it was given up, or empty text."""
        return {
            name: {"starts": starts, "given_up": self._given_up.get(name, "")}
            for name, starts in self._starts.items()
        }

    def forgive(self, name: str) -> bool:
        """A person starts this one again: its deaths so far do not count."""
        self._deaths.pop(name, None)
        self._given_up.pop(name, None)
        for group in self._supervisord.process_groups.values():
            for process in group.processes.values():
                if process.config.name == name:
                    process.config.autorestart = RestartWhenExitUnexpected
        return True

    def _on_start(self, event: Any) -> None:
        name = event.process.config.name
        self._starts[name] = self._starts.get(name, 0) + 1

    def _on_death(self, event: Any) -> None:
        self._waker.wake()
        if event.expected:
            return
        name, now_s = event.process.config.name, monotonic()
        recent = [at for at in self._deaths.get(name, []) if at > now_s - RESTARTS_WINDOW_S]
        self._deaths[name] = [*recent, now_s]
        if len(self._deaths[name]) > RESTARTS_MAX:
            event.process.config.autorestart = False
            why = f"more than {RESTARTS_MAX} deaths in {RESTARTS_WINDOW_S:.0f} s"
            self._given_up[name] = why
            self._supervisord.options.logger.critical(f"gave up: {name}: {why}")


def make(supervisord: Any) -> Budget:
    """supervisord's `rpcinterface_factory`."""
    return Budget(supervisord)
