"""The sockets of one process, made from the registry. The only file that touches ZeroMQ.

Every service binds a PUB socket for its streams and a ROUTER for commands to it, connects one SUB
to everyone it listens to and one DEALER to each peer it sends commands to. High-water marks are
explicit; a send never blocks. A second bind on an ipc path would steal it silently, so a lock
file is taken first. DEALERs are IMMEDIATE: nothing is ever queued for a peer that is away.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import zmq

from proto_schemas.registry import command_peers, peers_of, streams_consumed
from shared.bus.codec import FRAME_MAX_BYTES
from shared.kernel.errors import OperatorFault
from shared.runtime.effects import Transmit
from shared.runtime.run_folder import RunFolder

PUB_HWM = 100_000
SUB_HWM = 100_000
COMMAND_HWM = 10_000
RECONNECT_MS = 10
HEARTBEAT_MS = 100
HEARTBEAT_TIMEOUT_MS = 300
DRAIN_MAX = 64
# Plain numbers: to combine two of ZeroMQ's flags makes a third object of their class each time.
_READABLE, _NOBLOCK = int(zmq.POLLIN), int(zmq.NOBLOCK)
MESSAGE_MAX_BYTES = 4 * FRAME_MAX_BYTES
"""ZeroMQ ends a connection that sends more, before a byte of it is kept: memory stays bounded."""


class Arrived(NamedTuple):
    """One frame and where it came from: `sub`, `router` (peer: the sender's identity), `dealer`."""

    frame: bytes
    route: str
    peer: str


class Wires:
    """Sockets to poll, and one `send`."""

    def __init__(
        self, run: RunFolder, service: str, linger_ms: Mapping[str, int] | None = None
    ) -> None:
        """`linger_ms`: by route, how long what came there waits for company; see `poll`."""
        self._context = zmq.Context(io_threads=1)
        self._lock = _take_lock(run, service)
        self._pub = self._bind(run, service, zmq.PUB, "pub")
        self._router = self._bind(run, service, zmq.ROUTER, "cmd")
        self._dealers = {peer: self._dealer(run, service, peer) for peer in command_peers(service)}
        self._sub = self._subscribe(run, service)
        self._poller = zmq.Poller()
        self._inputs = {self._sub: ("sub", ""), self._router: ("router", "")}
        self._inputs |= {socket: ("dealer", peer) for peer, socket in self._dealers.items()}
        self._linger_ms = linger_ms or {}
        self._urgent = zmq.Poller()
        for socket, (route, _) in self._inputs.items():
            self._poller.register(socket, zmq.POLLIN)
            if route not in self._linger_ms:
                self._urgent.register(socket, zmq.POLLIN)

    def poll(self, timeout_ms: int) -> Iterator[Iterator[list[Arrived]]]:
        """Wait for input, then give the parcels of each ready socket; a reader need not take all.

        What came on a route with a `linger_ms` waits so long for more, or until something comes on
        a route without one. A process that is in no hurry is woken once for many messages then, and
        leaves the processors to those that are.
        """
        ready = self._poller.poll(timeout_ms)
        if ready and self._linger_ms:
            wait_ms = min(self._linger_ms.get(self._inputs[socket][0], 0) for socket, _ in ready)
            if wait_ms:
                self._urgent.poll(wait_ms)
                ready = self._poller.poll(0)
        for socket, _ in ready:
            yield self._drain(socket)

    def _drain(self, socket: zmq.Socket[bytes]) -> Iterator[list[Arrived]]:
        """At most `DRAIN_MAX` messages of one socket, each whole: a parcel of frames."""
        route, peer = self._inputs[socket]
        for _ in range(DRAIN_MAX):
            try:
                parts = socket.recv_multipart(_NOBLOCK)
            except zmq.Again:
                return  # its sender is gone, and took it along
            if route == "router":
                peer = parts.pop(0).decode(errors="replace")
            yield [Arrived(part, route, peer) for part in parts]
            if not int(socket.get(zmq.EVENTS)) & _READABLE:  # cheaper than to fail
                return

    def send(self, parcel: list[Transmit]) -> bool:
        """Hand frames of one way to their socket; False if the peer is away or its queue is full.

        All of them leave, or none.
        """
        route, peer = parcel[0].route, parcel[0].peer
        frames = [out.frame for out in parcel]
        try:
            match route:
                case "pub":
                    self._pub.send_multipart(frames, _NOBLOCK)
                case "dealer":
                    self._dealers[peer].send_multipart(frames, _NOBLOCK)
                case "router":
                    self._router.send_multipart([peer.encode(), *frames], _NOBLOCK)
        except (zmq.Again, zmq.ZMQError) as error:
            if error.errno in (zmq.EAGAIN, zmq.EHOSTUNREACH):
                return False
            raise
        return True

    def close(self) -> None:
        """Close every socket at once; what was not sent is repeated after the restart."""
        self._context.destroy(linger=0)
        os.close(self._lock)

    def _bind(self, run: RunFolder, service: str, kind: int, channel: str) -> zmq.Socket[bytes]:
        socket = self._context.socket(kind)
        socket.setsockopt(zmq.SNDHWM, PUB_HWM if kind == zmq.PUB else COMMAND_HWM)
        socket.setsockopt(zmq.RCVHWM, COMMAND_HWM)
        if kind == zmq.ROUTER:
            socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
            socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        _common(socket)
        socket.bind(run.endpoint(service, channel))
        return socket

    def _dealer(self, run: RunFolder, service: str, peer: str) -> zmq.Socket[bytes]:
        socket = self._context.socket(zmq.DEALER)
        socket.setsockopt(zmq.IDENTITY, service.encode())
        socket.setsockopt(zmq.IMMEDIATE, 1)
        socket.setsockopt(zmq.SNDHWM, COMMAND_HWM)
        socket.setsockopt(zmq.RCVHWM, COMMAND_HWM)
        _common(socket)
        socket.connect(run.endpoint(peer, "cmd"))
        return socket

    def _subscribe(self, run: RunFolder, service: str) -> zmq.Socket[bytes]:
        socket = self._context.socket(zmq.SUB)
        socket.setsockopt(zmq.RCVHWM, SUB_HWM)
        _common(socket)
        publishers = set(peers_of(service))
        for template, producers in streams_consumed(service).items():
            socket.setsockopt(zmq.SUBSCRIBE, concrete(template, run).encode() + b"\0")
            publishers.update(producers)
        socket.setsockopt(zmq.SUBSCRIBE, b"heartbeat\0")
        for publisher in sorted(publishers):
            socket.connect(run.endpoint(publisher, "pub"))
        return socket


def concrete(template: str, run: RunFolder) -> str:
    """A stream's name in this run."""
    return template.format(instrument=run.settings.instrument)


def _common(socket: zmq.Socket[bytes]) -> None:
    socket.setsockopt(zmq.MAXMSGSIZE, MESSAGE_MAX_BYTES)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
    socket.setsockopt(zmq.HEARTBEAT_IVL, HEARTBEAT_MS)
    socket.setsockopt(zmq.HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS)


def _take_lock(run: RunFolder, service: str) -> int:
    path = run.lock(service)
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise OperatorFault(
            "SERVICE_RUNNING",
            field=str(path),
            value=service,
            fix="Another process of this service runs in this run; stop it first.",
        ) from None
    return handle
