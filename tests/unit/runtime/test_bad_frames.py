"""Nonsense on every socket of every service: counted, answered where an answer is due, harmless.

Each service's real host is fed what no peer should ever send: garbage, cut and flipped frames,
other versions, unknown kinds, foreign kinds, foreign senders, oversized frames, and doubles.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from random import Random
from typing import Any

import msgpack
import pytest
from structlog.testing import CapturingLogger

from proto_schemas.base import Envelope
from proto_schemas.control import Garbled
from proto_schemas.registry import BY_MODEL, SERVICES, TABLE, execution_peers
from proto_schemas.signals import Nack
from services.lab.samples import SAMPLES, sample_envelope
from shared.bus.codec import FRAME_MAX_BYTES, BadFrame, decode, decode_header, encode
from shared.kernel.clock import SECOND, Now
from shared.kernel.state import state_hash
from shared.runtime import refusals
from shared.runtime.effects import Transmit
from shared.runtime.host import Host, boot_ns
from shared.runtime.run_folder import RunFolder
from shared.runtime.wires import Arrived
from tests.unit.runtime.runs import make_run

PEER = "order_router"


class Sent:
    """Stands for the sockets: keeps what would leave."""

    def __init__(self) -> None:
        self.out: list[Transmit] = []

    def send(self, parcel: list[Transmit]) -> bool:
        self.out += parcel
        return True


class Bench:
    """One service's host with a real journal and no sockets."""

    def __init__(self, run: RunFolder, name: str) -> None:
        self.name = name
        service = import_module(f"services.{name}.service").build(run)
        self.host = Host(run, service)
        self.host.wires.close()
        self.sent = Sent()
        stub: Any = self.sent
        self.host.wires = stub
        self.host._start_epoch()
        # Time stands still: on a busy machine a timer of its own must not fire between two looks.
        stands: Any = Now(0, boot_ns())
        self.host._now = lambda: stands  # type: ignore[method-assign]

    def take(self, frame: bytes, route: str = "router", peer: str = PEER) -> list[Transmit]:
        self.sent.out.clear()
        self.host._take(Arrived(frame, route, peer))
        self.host._flush()
        self.host._let_go(boot_ns() + SECOND)
        return list(self.sent.out)

    @property
    def image(self) -> str:
        """State, and what the journal holds: neither may move."""
        return f"{state_hash(self.host.engine.core.state())} {self.host.journal.count}"

    @property
    def refused(self) -> Counter[str]:
        return self.host.counts.refused


@pytest.fixture(params=SERVICES)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="bh-") as sock_dir:
        run = make_run(tmp_path, sock_dir)
        run.config.write_text(run.config.read_text() + "\n[venue]\nsynthetic_seed = 1\n")
        for folder in ("journals", "logs", "venue"):
            (tmp_path / folder).mkdir()
        made = Bench(run, request.param)
        yield made
        made.host.journal.close()
        if made.host.service.source is not None:
            made.host.service.source.close()


def frames() -> list[bytes]:
    return [encode(sample_envelope(body), body) for body in SAMPLES.values()]


def altered(frame: bytes, **changes: object) -> bytes:
    """A sample with other items in its envelope: 0 kind, 1 version, 2 producer."""
    stream, _, packed = frame.partition(b"\0")
    items = msgpack.unpackb(packed)
    for place, value in changes.items():
        items[int(place[1:])] = value
    packed_again: bytes = msgpack.packb(items)
    return stream + b"\0" + packed_again


NONSENSE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "FRAME_SHAPE"),
    "text": (b"hello", "FRAME_SHAPE"),
    "no msgpack": (b"to.x\0\xc1\xc1", "FRAME_SHAPE"),
    "no list": (b"to.x\0" + msgpack.packb({"a": 1}), "FRAME_SHAPE"),
    "too short a list": (b"to.x\0" + msgpack.packb([1, 2]), "FRAME_SHAPE"),
    "too large": (b"to.x\0" + b"\xc0" * FRAME_MAX_BYTES, "FRAME_TOO_LARGE"),
    "deep": (b"to.x\0" + b"\x91" * 5_000, "FRAME_SHAPE"),
    "no text for kind": (altered(frames()[0], _0=7), "ENVELOPE_INVALID"),
    "unknown kind": (altered(frames()[0], _0="sell_everything"), "KIND_UNKNOWN"),
    "another version": (altered(frames()[0], _1=9), "VERSION_UNKNOWN"),
    "negative sequence": (altered(frames()[0], _4=-1), "ENVELOPE_INVALID"),
}


@pytest.mark.parametrize("what", NONSENSE)
def test_nonsense_is_counted_and_answered_and_changes_nothing(bench: Bench, what: str) -> None:
    frame, code = NONSENSE[what]
    before = bench.image
    (answer,) = bench.take(frame)
    assert (answer.route, answer.peer) == ("router", PEER)
    body = decode(answer.frame).body
    assert isinstance(body, Nack) and body.code == code
    assert bench.refused[code,] == 1
    assert bench.take(frame, route="sub", peer="") == []
    assert bench.image == before


def test_an_answer_names_the_frame_that_it_is_about(bench: Bench) -> None:
    frame = altered(frames()[0], _1=9)
    (answer,) = bench.take(frame)
    assert decode(answer.frame).envelope.cause == decode_header(frame)[0].id


def test_no_flip_cut_or_garbage_gets_through_or_hurts(bench: Bench) -> None:
    """Thousands of damaged frames: refused, or by chance still a message that it may take."""
    random = Random(f"flips {bench.name}")
    samples = frames()
    for _ in range(1_500):
        frame = bytearray(random.choice(samples))
        for _ in range(random.randrange(1, 4)):
            frame[random.randrange(len(frame))] = random.randrange(256)
        cut = bytes(frame[: random.randrange(len(frame) + 1)])
        if not _would_pass(bench, cut):
            before = bench.image
            bench.take(cut)
            assert bench.image == before
    assert bench.refused.total() > 1_000


def _would_pass(bench: Bench, frame: bytes) -> bool:
    try:
        event = decode(frame)
        bench.host.engine.refuse_foreign(event)
        refusals.refuse_other_sender(event, Arrived(frame, "router", PEER))
    except BadFrame:
        return False
    return True


def test_a_kind_that_the_sender_may_not_say_or_not_to_us_is_refused(bench: Bench) -> None:
    for row in TABLE:
        body = SAMPLES[row.model]
        for sender in ("order_router", "watchdog", "stranger"):
            allowed = row.producers == ("*",) or sender in row.producers
            ours = row.consumers == ("*",) or bench.name in row.consumers
            if row.delivery != "internal" and allowed and ours and sender != bench.name:
                continue
            envelope = Envelope(row.kind, row.version, sender, 1, "s", 1, 0, 0, None, None)
            before = bench.image
            bench.take(encode(envelope, body), peer=sender)
            assert bench.image == before, (row.kind, sender)


def test_a_name_that_is_not_the_sockets_own_is_refused(bench: Bench) -> None:
    for row in TABLE:
        producers = [name for name in row.producers if name in SERVICES and name != bench.name]
        if row.delivery not in ("command", "send") or bench.name not in row.consumers:
            continue
        for producer in producers:
            envelope = Envelope(row.kind, row.version, producer, 1, "s", 1, 0, 0, None, None)
            before = bench.image
            (answer,) = bench.take(encode(envelope, SAMPLES[row.model]), peer="somebody")
            body = decode(answer.frame).body
            assert isinstance(body, Nack) and body.code == "SENDER_DIFFERS"
            assert bench.image == before


def test_the_log_has_a_line_a_second_for_each_code_and_the_counter_has_all(bench: Bench) -> None:
    log: Any = CapturingLogger()
    bench.host.log = log
    for _ in range(200):
        bench.take(b"hello")
        bench.take(altered(frames()[0], _1=9))
    lines = [str(call) for call in log.calls]
    assert 2 <= len(lines) <= 4
    assert all(word in lines[0] for word in ("FRAME_SHAPE", PEER, b"hello".hex(), "fix"))
    assert bench.refused.total() == 400


def test_nonsense_of_the_broker_makes_its_session_ask_again(bench: Bench) -> None:
    before = bench.host.journal.count
    bench.take(b"hello", route="dealer", peer="venue")
    heard = bench.host.journal.count - before
    assert heard == (1 if "venue" in execution_peers(bench.name) else 0)
    state: Any = bench.host.engine.core.state()
    if heard:
        assert state.session.ready is False


def test_only_those_with_a_broker_session_have_an_execution_link() -> None:
    assert {name for name in SERVICES if execution_peers(name)} == {"order_router", "watchdog"}
    assert BY_MODEL[Garbled].delivery == "internal"


def test_only_who_is_in_no_hurry_lets_streams_wait_and_nobody_anything_else(bench: Bench) -> None:
    """A fill, a command and the broker's word are read at once, by everybody."""
    patient = bench.name in ("watchdog", "monitor")
    assert bench.host.service.linger_ms == ({"sub": 20} if patient else {})


def test_a_command_that_comes_twice_is_done_once(bench: Bench) -> None:
    """The same bytes again: no input, the same answer. (One shots have numbers of their own.)"""
    for row in TABLE:
        if row.delivery != "command" or bench.name not in row.consumers or not row.journaled:
            continue
        sender = row.producers[0]
        stream = f"to.{bench.name}"
        envelope = Envelope(row.kind, row.version, sender, 1, stream, 1, 0, 0, None, None)
        frame = encode(envelope, SAMPLES[row.model])
        first = [out.frame for out in bench.take(frame, peer=sender) if out.route == "router"]
        image = bench.image
        again = [out.frame for out in bench.take(frame, peer=sender)]
        assert bench.image == image, row.kind
        assert again == first, row.kind
