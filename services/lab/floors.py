"""Floors: what five hops through five processes cost on this machine when nobody does any work.

The real chain (venue -> market data -> strategy -> risk -> router -> venue) is judged as a ratio to
these, measured in the same run. "unix" (F) relays 200 bytes over Unix SEQPACKET sockets, "zmq" (Z)
over bare ZeroMQ ipc sockets of the types the real chain uses. The caller's process is the venue.
Promises: every message comes back once and in order, or FloorError; no relay outlives the call;
nothing spins. Limits: Linux; at most 256 messages in flight; the caller's heap stays frozen
(gc.freeze); compare microseconds only within one run.
"""

import gc
import os
import select
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import zmq

Kind = Literal["unix", "zmq"]
Relay = subprocess.Popen[bytes]
RELAYS = ("market_data", "strategy", "risk", "router")  # relay n receives hop n, sends hop n + 1
MESSAGE = struct.Struct("<q192x")  # sequence number, padded to 200 bytes; probes are negative
MAX_IN_FLIGHT = 256
DRAIN = 64  # messages a ZeroMQ relay takes per wake-up
HIGH_WATER = 1024  # messages per ZeroMQ socket: more than MAX_IN_FLIGHT, so PUB never drops
SEND_BUFFER = 1 << 20  # bytes; what the kernel grants of it holds MAX_IN_FLIGHT messages
PEER = b"peer"  # ZeroMQ routing id of every DEALER: each ROUTER has one
START_S = 10.0  # longest wait for a relay to be bound, and for a probe to come back
PROBE_S = 0.02  # between two probes while the chain comes up
STALL_S = 5.0  # longest silence while messages are under way
STOP_S = 2.0  # grace between terminate and kill
WARM_UP = 10  # per cent of the samples dropped at the start
REPOSITORY = Path(__file__).resolve().parents[2]


class FloorError(RuntimeError):
    """The measurement is void: a relay died or hung, or a message was lost or out of order."""


@dataclass(frozen=True)
class FloorResult:
    """Latencies in microseconds over the samples after warm-up; saturation in messages/s."""

    p50_us: float
    p99_us: float
    sent: int
    received: int
    saturation_per_s: float | None = None


def measure_floor(kind: Kind, run_dir: Path, rate_per_s: int, seconds: float) -> FloorResult:
    """Latency of five hops with `rate_per_s` messages/s sent on schedule for `seconds`."""
    with running_chain(kind, run_dir) as chain:
        chain.run_paced(rate_per_s, max(1, int(rate_per_s * seconds)))
    sent, received = chain.sent_ns, chain.received_ns
    latencies = [got - start for start, got in zip(sent, received, strict=True)]
    kept = sorted(latencies[len(latencies) * WARM_UP // 100 :])
    p50_us, p99_us = (kept[int(len(kept) * share)] / 1e3 for share in (0.50, 0.99))
    return FloorResult(p50_us, p99_us, len(sent), len(received))


def saturation(kind: Kind, run_dir: Path, seconds: float) -> float:
    """Messages/s through five hops in a closed loop of at most 256 messages for `seconds`."""
    with running_chain(kind, run_dir) as chain:
        chain.run_closed(seconds)
    kept = chain.received_ns[len(chain.received_ns) * WARM_UP // 100 :]
    return (len(kept) - 1) * 1e9 / (kept[-1] - kept[0])


class UnixEnds:
    """One process's end of hop `inbound` and of hop `outbound`: named sockets in `where`."""

    def __init__(self, stack: ExitStack, where: Path, inbound: int, outbound: int) -> None:
        kind = (socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._stack, self._target = stack, str(where / str(outbound))
        self._out = stack.enter_context(socket.socket(*kind))
        self._out.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self._listener = stack.enter_context(socket.socket(*kind))
        self._listener.settimeout(START_S)
        self._listener.bind(str(where / str(inbound)))
        self._listener.listen(1)

    def connect(self) -> None:
        self._out.connect(self._target)
        self.inbound = self._stack.enter_context(self._listener.accept()[0])

    def send(self, message: bytes) -> None:
        self._out.send(message, socket.MSG_DONTWAIT)

    def receive(self) -> bytes:
        return self.inbound.recv(MESSAGE.size, socket.MSG_DONTWAIT)

    def relay(self) -> None:
        while message := self.inbound.recv(MESSAGE.size):
            self._out.send(message)


class ZmqEnds:
    """The same over ZeroMQ: ROUTER/DEALER on hop 1, PUB/SUB on hop 2, then DEALER/ROUTER."""

    def __init__(self, stack: ExitStack, where: Path, inbound: int, outbound: int) -> None:
        context = zmq.Context[zmq.Socket[bytes]]()
        stack.callback(context.destroy, linger=0)
        receiver = {1: zmq.DEALER, 2: zmq.SUB}.get(inbound, zmq.ROUTER)
        sender = {1: zmq.ROUTER, 2: zmq.PUB}.get(outbound, zmq.DEALER)
        self.inbound, self._out = context.socket(receiver), context.socket(sender)
        for end, kind, hop in (self.inbound, receiver, inbound), (self._out, sender, outbound):
            end.set_hwm(HIGH_WATER)
            if kind == zmq.DEALER:
                end.setsockopt(zmq.ROUTING_ID, PEER)
            elif kind == zmq.SUB:
                end.subscribe(b"")
            (end.bind if kind in (zmq.ROUTER, zmq.PUB) else end.connect)(f"ipc://{where}/{hop}")

    def connect(self) -> None:
        """Nothing to do: ZeroMQ connects by itself, and a probe tells when it has."""

    def send(self, message: bytes) -> None:  # the venue's, to the ROUTER of hop 1
        self._out.send_multipart([PEER, message], zmq.NOBLOCK)

    def receive(self) -> bytes:
        return self.inbound.recv_multipart(zmq.NOBLOCK)[-1]

    def relay(self) -> None:
        poller = zmq.Poller()
        poller.register(self.inbound, zmq.POLLIN)
        while poller.poll():
            with suppress(zmq.Again):  # empty; the send blocks, it never raises this
                for _ in range(DRAIN):
                    self._out.send(self.receive())


ENDS: dict[str, type[UnixEnds] | type[ZmqEnds]] = {"unix": UnixEnds, "zmq": ZmqEnds}


class Chain:
    """The venue: sends on hop 1, receives on hop 5, watches its relays; stamps CLOCK_MONOTONIC."""

    def __init__(self, ends: UnixEnds | ZmqEnds) -> None:
        self.sent_ns: list[int] = []  # index = sequence number
        self.received_ns: list[int] = []
        self.relays: list[Relay] = []  # in the order of RELAYS
        self._ends = ends
        self._probe = 0  # the last that came back

    def bring_up(self) -> None:
        """Return when the last of some probes came back through all relays."""
        self._ends.connect()
        deadline, sent = time.monotonic() + START_S, 0
        while not sent or self._probe != sent:
            if time.monotonic() > deadline:
                raise self.broken(f"no probe came back within {START_S} s")
            sent -= 1
            self._ends.send(MESSAGE.pack(sent))
            self._receive(PROBE_S)
        gc.freeze()

    def run_paced(self, rate_per_s: int, total: int) -> None:
        """Send `total` messages on an absolute schedule; return when all are back."""
        start = time.monotonic_ns()
        for sequence in range(total):
            due = start + sequence * 1_000_000_000 // rate_per_s
            while (wait_ns := due - time.monotonic_ns()) > 0:
                self._receive(wait_ns / 1e9)
            self._send()
            self._receive(0)
        self._receive_until(0)

    def run_closed(self, seconds: float) -> None:
        """Keep MAX_IN_FLIGHT messages under way for `seconds`; return when all are back."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for _ in range(MAX_IN_FLIGHT - self._in_flight()):
                self._send()
            self._receive_until(MAX_IN_FLIGHT - 1)
        self._receive_until(0)

    def broken(self, what: str) -> FloorError:
        """The error to raise, naming the relays that exited (each gets 0.2 s to be gone)."""
        for name, relay in zip(RELAYS, self.relays, strict=False):
            try:
                what += f"; {name} exited with {relay.wait(0.2)}"
            except subprocess.TimeoutExpired:
                what += f"; {name} runs"
        return FloorError(f"{what}; sent {len(self.sent_ns)}, received {len(self.received_ns)}")

    def _in_flight(self) -> int:
        return len(self.sent_ns) - len(self.received_ns)

    def _send(self) -> None:
        if self._in_flight() >= MAX_IN_FLIGHT:
            raise self.broken(f"cannot keep up: {MAX_IN_FLIGHT} messages in flight")
        message = MESSAGE.pack(len(self.sent_ns))
        self.sent_ns.append(time.monotonic_ns())
        self._ends.send(message)

    def _receive_until(self, in_flight: int) -> None:
        while self._in_flight() > in_flight:
            if not self._receive(STALL_S):
                raise self.broken(f"silence for {STALL_S} s")

    def _receive(self, wait_s: float) -> bool:
        """Wait at most `wait_s`, then take ALL that is there: ZeroMQ descriptors tell edges."""
        outputs = [relay.stdout.fileno() for relay in self.relays if relay.stdout]
        ready, _, _ = select.select([self._ends.inbound.fileno(), *outputs], [], [], wait_s)
        if set(outputs) & set(ready):
            raise self.broken("a relay closed its output")
        with suppress(BlockingIOError, zmq.Again):
            while True:
                self._note(self._ends.receive(), time.monotonic_ns())
        return bool(ready)

    def _note(self, message: bytes, now_ns: int) -> None:
        if len(message) != MESSAGE.size:  # no bytes at all: the router closed hop 5
            raise self.broken(f"got {len(message)} bytes")
        (sequence,) = MESSAGE.unpack(message)
        if sequence < 0:
            self._probe = sequence
        elif sequence == len(self.received_ns):
            self.received_ns.append(now_ns)
        else:
            raise self.broken(f"got message {sequence}, expected {len(self.received_ns)}")


@contextmanager
def running_chain(kind: Kind, run_dir: Path) -> Iterator[Chain]:
    """A chain that is up, in a folder of its own under `run_dir`; everything is ended on exit."""
    with ExitStack() as stack:
        folder = tempfile.TemporaryDirectory(prefix="f-", dir=run_dir.resolve())
        where = stack.enter_context(folder)
        chain = Chain(ENDS[kind](stack, Path(where), inbound=5, outbound=1))
        command = [sys.executable, "-m", "services.lab.floors", "relay", kind, where]
        try:
            for hop in (4, 3, 2, 1):  # from the far end: a relay connects to one that is bound
                chain.relays.insert(0, stack.enter_context(running_relay([*command, str(hop)])))
            chain.bring_up()
            yield chain
        except (OSError, zmq.ZMQError) as error:
            raise chain.broken(f"{type(error).__name__}: {error}") from error


@contextmanager
def running_relay(command: list[str]) -> Iterator[Relay]:
    """A relay that has said that it is bound; terminated, then killed by pid, on exit."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=REPOSITORY, stdin=pipe, stdout=pipe, bufsize=0) as relay:
        try:
            out = relay.stdout
            if not out or not select.select([out], [], [], START_S)[0] or not out.read(1):
                raise FloorError(f"a relay did not start: {command}")
            yield relay
        finally:
            relay.terminate()
            try:
                relay.wait(STOP_S)
            except subprocess.TimeoutExpired:
                relay.kill()


def run_relay(kind: str, where: str, hop: str) -> None:
    """The relay process: bind, say so, connect, relay; dies with its parent (end of stdin)."""
    with ExitStack() as stack:
        ends = ENDS[kind](stack, Path(where), int(hop), int(hop) + 1)
        threading.Thread(target=lambda: os.read(0, 1) or os._exit(1), daemon=True).start()
        os.write(1, b"b")
        ends.connect()
        gc.freeze()
        ends.relay()


if __name__ == "__main__":
    if sys.argv[1:2] != ["relay"] or len(sys.argv) != 5:
        raise SystemExit("usage: python -m services.lab.floors relay unix|zmq FOLDER HOP")
    run_relay(*sys.argv[2:])
