"""The nemesis of `bulkhead chaos`: kills and freezes real processes, on a seeded schedule.

It knows processes by the ids that their supervisor started, hears their heartbeats from outside,
and writes down what it did and what it heard. It judges nothing: `chaos_check.py` does, from files.

A victim may be any of the eight. Most are ended with SIGKILL, at any moment; others are frozen with
SIGSTOP for up to three seconds. Nobody waits until the last victim is well before the next is
chosen. One service is ended at most four times a minute: more would be a crash loop, and the box
would rightly stop trading.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import CLOCK_BOOTTIME, clock_gettime_ns
from typing import IO

import zmq

from proto_schemas.control import Heartbeat
from proto_schemas.registry import SERVICES
from shared.bus.codec import decode
from shared.runtime.run_folder import RunFolder

PAUSE_PART = 0.25
PAUSE_MIN_S, PAUSE_MAX_S = 0.2, 3.0
GAP_MIN_S, GAP_MAX_S = 0.5, 3.5
KILLS_A_MINUTE_MAX = 4
MINUTE_S = 60.0
RECONNECT_MS = 5
HEARD_WITHIN_S = 20.0

Pids = Callable[[], dict[str, int]]


@dataclass(slots=True)
class Life:
    """What was heard of one service: its epoch, and whether we wait for the next one."""

    epoch: int = 0
    waiting_since_ns: int | None = None
    frozen_pid: int = 0
    wake_at_s: float = 0.0
    ended_s: list[float] = field(default_factory=list)


class Nemesis:
    """One chaos run's hostile half. Use it as a context manager."""

    def __init__(self, run: RunFolder, seed: int, pids: Pids) -> None:
        self._random = Random(f"chaos {seed}")
        self._pids = pids
        self._lives = {name: Life() for name in SERVICES}
        self._kills = 0
        folder = run.root / "chaos"
        folder.mkdir(mode=0o700, exist_ok=True)
        self._history: IO[str] = (folder / "history.jsonl").open("a")
        self._context = zmq.Context(io_threads=1)
        self._socket = self._context.socket(zmq.SUB)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        self._socket.setsockopt(zmq.SUBSCRIBE, b"heartbeat\0")
        for name in SERVICES:
            self._socket.connect(run.endpoint(name, "pub"))

    def __enter__(self) -> Nemesis:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing stays frozen, whatever happened."""
        for life in self._lives.values():
            self._thaw(life)
        self._history.close()
        self._context.destroy(linger=0)

    # --- what it does ---------------------------------------------------------------------------

    def strike(self, kills: int, progress: Callable[[str], None]) -> None:
        """So many kills, some pauses beside them, with gaps between all of them."""
        while self._kills < kills:
            self.listen(self._random.uniform(GAP_MIN_S, GAP_MAX_S))
            done = self._strike_one()
            progress(f"{self._kills} of {kills}: {done}")
        self.heal()

    def heal(self) -> None:
        """Wake the frozen, and wait until every service has been heard again."""
        for life in self._lives.values():
            self._thaw(life)
        deadline_s = time.monotonic() + HEARD_WITHIN_S
        while self._waiting() and time.monotonic() < deadline_s:
            self.listen(0.1)

    def listen(self, seconds: float) -> None:
        """Hear heartbeats for so long, and wake whom it is time to wake."""
        deadline_s = time.monotonic() + seconds
        while (left_s := deadline_s - time.monotonic()) > 0:
            for name, life in self._lives.items():
                if life.frozen_pid and time.monotonic() >= life.wake_at_s:
                    self._thaw(life)
                    self._note("wake", name, 0)
            if self._socket.poll(max(1, int(min(left_s, 0.05) * 1_000))):
                self._hear(self._socket.recv())

    def _strike_one(self) -> str:
        pids = {name: pid for name, pid in self._pids().items() if pid and self._may(name)}
        if not pids:
            return "everybody was ended often enough"
        name = self._random.choice(sorted(pids))
        if self._random.random() < PAUSE_PART:
            return self._freeze(name, pids[name])
        self._kills += 1
        life = self._lives[name]
        life.ended_s.append(time.monotonic())
        life.waiting_since_ns = self._note("kill", name, pids[name])
        with suppress(ProcessLookupError):
            os.kill(pids[name], signal.SIGKILL)
        return f"killed {name}"

    def _may(self, name: str) -> bool:
        life = self._lives[name]
        recent = [at for at in life.ended_s if at > time.monotonic() - MINUTE_S]
        idle = life.waiting_since_ns is None and not life.frozen_pid
        return idle and len(recent) < KILLS_A_MINUTE_MAX

    def _freeze(self, name: str, pid: int) -> str:
        life = self._lives[name]
        seconds = self._random.uniform(PAUSE_MIN_S, PAUSE_MAX_S)
        life.frozen_pid, life.wake_at_s = pid, time.monotonic() + seconds
        self._note("pause", name, pid)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
        return f"froze {name} for {seconds:.1f} s"

    def _thaw(self, life: Life) -> None:
        pid, life.frozen_pid = life.frozen_pid, 0
        if pid:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    # --- what it hears --------------------------------------------------------------------------

    def _hear(self, frame: bytes) -> None:
        event = decode(frame)
        if not isinstance(event.body, Heartbeat):
            return
        name, epoch = event.body.service, event.envelope.epoch
        life = self._lives[name]
        if epoch <= life.epoch:
            return
        life.epoch = epoch
        if life.waiting_since_ns is not None:
            life.waiting_since_ns = None
            self._note("serving", name, event.body.pid)

    def _waiting(self) -> bool:
        return any(life.waiting_since_ns is not None for life in self._lives.values())

    def _note(self, what: str, service: str, pid: int) -> int:
        at_ns = clock_gettime_ns(CLOCK_BOOTTIME)
        line = {"what": what, "service": service, "pid": pid, "at_ns": at_ns}
        self._history.write(json.dumps(line) + "\n")
        self._history.flush()
        return at_ns


def history_path(run: RunFolder) -> Path:
    """Where a chaos run's history is."""
    return run.root / "chaos" / "history.jsonl"
