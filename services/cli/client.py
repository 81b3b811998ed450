"""Sends a command to one service of a run, the same bytes again until it is answered.

Silence is an answer too: `ask` returns None, and the caller decides what that means. The socket is
IMMEDIATE, so nothing waits in a queue for a service that is not there. The name has a random part,
because each container counts its own process ids. The epoch is the moment at which the client was
made: process ids are used again, and a request id that came a second time would be answered out of
the receiver's cache without being done.
"""

from __future__ import annotations

import os
import secrets
from time import CLOCK_BOOTTIME, clock_gettime_ns, monotonic
from types import TracebackType
from typing import Self, TypeVar

import zmq

from proto_schemas.base import Envelope, Message
from proto_schemas.control import StatusReport, StatusRequest
from proto_schemas.registry import BY_MODEL
from shared.bus.codec import decode, encode
from shared.runtime.run_folder import RunFolder

RETRY_S = 0.3
AWAY_S = 0.05
RECONNECT_MS = 20

Answer = TypeVar("Answer", bound=Message)


class Connected:
    """One socket to one service of a run. Use it as a context manager."""

    def __init__(self, kind: int) -> None:
        self._context = zmq.Context(io_threads=1)
        self._socket: zmq.Socket[bytes] = self._context.socket(kind)
        self._socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._context.destroy(linger=0)


class ServiceClient(Connected):
    """Commands to one service and its answers: a DEALER."""

    def __init__(self, run: RunFolder, service: str) -> None:
        super().__init__(zmq.DEALER)
        self._name = f"cli-{os.getpid()}-{secrets.token_hex(3)}"
        self._service = service
        self._epoch = clock_gettime_ns(CLOCK_BOOTTIME)
        self._asked = 0
        self._socket.setsockopt(zmq.IDENTITY, self._name.encode())
        self._socket.setsockopt(zmq.IMMEDIATE, 1)
        self._socket.connect(run.endpoint(service, "cmd"))

    def ask(
        self, body: Message, answers: tuple[type[Answer], ...], timeout_s: float
    ) -> Answer | None:
        """The service's answer, of one of these types, or None if there was none in time."""
        self._asked += 1
        row = BY_MODEL[type(body)]
        envelope = Envelope(
            row.kind, row.version, self._name, self._epoch, f"to.{self._service}", self._asked,
            clock_gettime_ns(CLOCK_BOOTTIME), 0, None, None,
        )  # fmt: skip
        frame = encode(envelope, body)
        deadline = monotonic() + timeout_s
        while (left_s := deadline - monotonic()) > 0:
            wait_s = RETRY_S if self._sent(frame) else AWAY_S
            answer = self._answer(envelope.id, answers, min(left_s, wait_s))
            if answer is not None:
                return answer
        return None

    def _sent(self, frame: bytes) -> bool:
        try:
            self._socket.send(frame, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def _answer(
        self, request_id: str, answers: tuple[type[Answer], ...], wait_s: float
    ) -> Answer | None:
        """Answers to earlier questions are old news: passed over."""
        deadline = monotonic() + wait_s
        while (left_s := deadline - monotonic()) > 0:
            if not self._socket.poll(max(1, int(left_s * 1_000))):
                return None
            for frame in self._socket.recv_multipart():
                event = decode(frame)
                if event.envelope.cause == request_id and isinstance(event.body, answers):
                    return event.body
        return None


class MonitorClient(ServiceClient):
    """Asks the monitor what it sees."""

    def __init__(self, run: RunFolder) -> None:
        super().__init__(run, "monitor")

    def status(self, timeout_s: float) -> StatusReport | None:
        """The monitor's report, or None if it did not answer in time."""
        return self.ask(StatusRequest(), (StatusReport,), timeout_s)
