"""Stand-ins for a run's services: sockets that answer commands the way a test says."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import zmq

from proto_schemas.base import Envelope, Message
from proto_schemas.registry import BY_MODEL
from shared.bus.codec import decode, encode
from shared.kernel.outputs import Event
from shared.runtime.run_folder import RunFolder

Answers = Callable[[Event], list[Message]]


Says = Callable[[], list[Message]]


def says(*bodies: Message) -> Answers:
    """A service that gives these answers to everything."""
    return lambda _event: list(bodies)


silent = says()


@contextmanager
def answering(
    run: RunFolder, watchdog_says: Says | None = None, **services: Answers
) -> Iterator[list[Event]]:
    """Serve these services' command sockets; yields what was asked, in order.

    `watchdog_says`: what the watchdog publishes, asked for a hundred times a second.
    """
    asked: list[Event] = []
    context = zmq.Context()
    sockets = {name: context.socket(zmq.ROUTER) for name in services}
    for name, socket in sockets.items():
        socket.setsockopt(zmq.ROUTER_HANDOVER, 1)  # as the services have it
        socket.bind(run.endpoint(name, "cmd"))
    stop = threading.Event()
    publisher = context.socket(zmq.PUB)
    if watchdog_says is not None:
        publisher.bind(run.endpoint("watchdog", "pub"))

    def serve() -> None:
        while not stop.is_set():
            for body in watchdog_says() if watchdog_says is not None else []:
                publisher.send(published("watchdog", body))
            if not sockets:
                stop.wait(0.01)
            for name, socket in sockets.items():
                if socket.poll(10):
                    identity, frame = socket.recv_multipart()
                    event = decode(frame)
                    asked.append(event)
                    frames = [
                        reply(name, body, event.envelope.id) for body in services[name](event)
                    ]
                    if frames:  # of one turn: they come as one message
                        socket.send_multipart((identity, *frames))

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield asked
    finally:
        stop.set()
        thread.join()
        context.destroy(linger=0)


def published(service: str, body: Message) -> bytes:
    """A message of a stream as it comes over the wire."""
    row = BY_MODEL[type(body)]
    return encode(Envelope(row.kind, 1, service, 1, row.stream, 1, 0, 0, None, None), body)


def reply(service: str, body: Message, cause: str) -> bytes:
    """An answer as it comes over the wire."""
    kind = BY_MODEL[type(body)].kind
    return encode(Envelope(kind, 1, service, 1, "aux.cli", 1, 0, 0, None, cause), body)
