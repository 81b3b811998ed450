"""Re-runs every decision of a recorded run and compares it with what is on record, byte for byte.

Two independent comparisons. First, each service's journal of inputs is stepped through a new core;
what an input leads to must have the digest that the journal says. Second, what one service sent is
another one's input: each frame that a journal or the venue's record holds must be, byte for byte,
one that its sender's re-run makes. So a changed decision shows at its reader even if a journal was
forged with a right chain and a right digest.

Not re-made, and only counted: answers to questions that are not journaled (snapshots, refusals of
nonsense), and what people send (`cli`).

Memory: eight bytes for each message of the run, and a few frames that differ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b

from proto_schemas.base import Envelope
from proto_schemas.control import Started
from proto_schemas.registry import SERVICES
from services.lab.frame_difference import describe
from services.lab.node import UNJOURNALED
from services.lab.run_cores import engine_of
from services.venue.config import load as load_venue
from services.venue.record import read_record
from shared.bus.codec import BadFrame, decode_header
from shared.journal import walk_journal
from shared.kernel.clock import Now
from shared.kernel.errors import Fault, OurFault
from shared.kernel.outputs import Event
from shared.runtime.effects import Step, Transmit
from shared.runtime.record import split_record, unpack_record
from shared.runtime.run_folder import RunFolder, code_hash, journal_paths

NAMED_MAX = 20
DIGEST_BYTES = 8
NOT_MADE = bytes(DIGEST_BYTES)
VENUE_RECORD = "venue record"

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing on record that the re-run does not come to. `number` counts records from 1."""

    where: str
    number: int
    message_id: str
    kind: str
    code: str
    text: str


@dataclass(slots=True)
class Verified:
    """What was compared and what differs; only the first `NAMED_MAX` are named."""

    records: dict[str, int] = field(default_factory=dict)
    frames: int = 0
    not_remade: int = 0
    differing: int = 0
    named: list[Difference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """Nothing differs, and there was something to compare."""
        return not self.differing and any(self.records.values())

    def differs(self, found: Difference) -> None:
        """Count it, and name it if it is among the first."""
        self.differing += 1
        if len(self.named) < NAMED_MAX:
            self.named.append(found)

    def note(self, text: str) -> None:
        """Say something that is no difference, once."""
        if text not in self.notes:
            self.notes.append(text)


class Made:
    """A digest of every frame that the re-run made, by stream and sequence."""

    def __init__(self) -> None:
        self._streams: dict[str, bytearray] = {}

    def add(self, step: Step) -> None:
        """Remember what this step sends."""
        for effect in step.effects:
            if isinstance(effect, Transmit):
                stream, seq = _split_id(effect.message_id)
                digests = self._streams.setdefault(stream, bytearray())
                end = seq * DIGEST_BYTES
                digests.extend(bytes(max(0, end - len(digests))))
                digests[end - DIGEST_BYTES : end] = _digest(effect.frame)

    def digest(self, message_id: str) -> bytes:
        """Of the frame with this id; `NOT_MADE` if there is none."""
        stream, seq = _split_id(message_id)
        digests = self._streams.get(stream, b"")
        found = bytes(digests[(seq - 1) * DIGEST_BYTES : seq * DIGEST_BYTES])
        return found or NOT_MADE


def verify_run(run: RunFolder, tell: Tell) -> Verified:
    """Compare everything of a run whose processes have ended, or stand still."""
    verified, made = Verified(), Made()
    present = list(journal_paths(run.root))
    for missing in (name for name in SERVICES if name not in present):
        found = Difference(missing, 0, "", "", "JOURNAL_MISSING", str(run.journal(missing)))
        verified.differs(found)
    for name in present:
        tell(f"{name}: stepping its journal again")
        _Rerun(run, name, verified, made).go()
    for name in present:
        tell(f"{name}: comparing what it received")
        _compare_inputs(run, name, verified, made)
    _compare_record(run, verified, made)
    return verified


class _Rerun:
    """One journal through a new engine."""

    def __init__(self, run: RunFolder, name: str, verified: Verified, made: Made) -> None:
        self._run, self._name = run, name
        self._verified, self._made = verified, made
        self._number = 0

    def go(self) -> None:
        """Step everything; a fault on the way is a difference and ends this journal."""
        self._verified.records[self._name] = 0
        try:
            self._engine = engine_of(self._run, self._name)
            path, run_id = self._run.journal(self._name), self._run.settings.run_id
            end = walk_journal(path, self._name, run_id, self._step)
        except Fault as fault:
            self._differs("", "", fault.code, str(fault))
            return
        if end.torn_bytes:
            self._verified.note(f"{self._name}: {end.torn_bytes} bytes of a torn last write")

    def _step(self, payload: bytes) -> None:
        self._number += 1
        self._verified.records[self._name] = self._number
        event, now, digest = unpack_record(payload)
        if isinstance(event.body, Started):
            self._note_versions(event.envelope, event.body)
        step = self._stepped(event, now)
        self._made.add(step)
        if step.digest != digest:
            text = f"its journal says that it led to {digest.hex()}, now to {step.digest.hex()}"
            envelope = event.envelope
            self._differs(envelope.id, envelope.kind, "STEP_DIFFERS", text)

    def _stepped(self, event: Event, now: Now) -> Step:
        """A core that is stepped with what it never got may fall over: that is a difference too."""
        try:
            return self._engine.step(event, now)
        except Fault:
            raise
        except Exception as error:
            raise OurFault(
                "CORE_RAISED",
                field=f"{self._name} record {self._number}, {event.envelope.id}",
                value=repr(error),
                fix="The input on record cannot be what it got, or this is other code.",
            ) from error

    def _differs(self, message_id: str, kind: str, code: str, text: str) -> None:
        found = Difference(self._name, self._number, message_id, kind, code, text)
        self._verified.differs(found)

    def _note_versions(self, envelope: Envelope, body: Started) -> None:
        name, epoch = envelope.producer, envelope.epoch
        if body.config_hash != self._run.config_hash:
            self._verified.note(f"{name} epoch {epoch} ran under another config")
        if body.code_hash != code_hash():
            self._verified.note(f"{name} epoch {epoch} ran other code, {body.code_hash}")


def _compare_inputs(run: RunFolder, name: str, verified: Verified, made: Made) -> None:
    """Every input that another service sent. Damage has been told already by the re-run."""
    number = 0

    def take(payload: bytes) -> None:
        nonlocal number
        number += 1
        frame = split_record(payload)[2]
        envelope = decode_header(frame)[0]
        if envelope.producer != name:
            _compare(run, (name, number, frame), envelope, verified, made)

    try:
        walk_journal(run.journal(name), name, run.settings.run_id, take)
    except Fault as fault:
        verified.note(f"{name}: not compared to its end: {fault.code}")


def _compare_record(run: RunFolder, verified: Verified, made: Made) -> None:
    """The outside witness: what arrived at the venue must be what was sent to it."""
    path = load_venue(run).record_path
    if not path.exists():
        verified.differs(Difference(VENUE_RECORD, 0, "", "", "RECORD_MISSING", str(path)))
        return
    try:
        for line, _, frame in read_record(path):
            _compare_received(run, line, frame, verified, made)
    except ValueError as error:
        verified.differs(Difference(VENUE_RECORD, 0, "", "", "RECORD_DAMAGED", str(error)))


def _compare_received(
    run: RunFolder, line: int, frame: bytes, verified: Verified, made: Made
) -> None:
    """The venue also notes nonsense, from whomever: that was nobody's message."""
    try:
        envelope = decode_header(frame)[0]
    except BadFrame as error:
        verified.note(f"{VENUE_RECORD} line {line} holds no message: {error}")
        return
    _compare(run, (VENUE_RECORD, line, frame), envelope, verified, made)


def _compare(
    run: RunFolder, on_record: tuple[str, int, bytes], envelope: Envelope, verified: Verified,
    made: Made,
) -> None:  # fmt: skip
    where, number, frame = on_record
    if envelope.stream.startswith(UNJOURNALED) or envelope.producer not in SERVICES:
        verified.not_remade += 1
        return
    verified.frames += 1
    expected = made.digest(envelope.id)
    if expected == _digest(frame):
        return
    code = "NEVER_SENT" if expected == NOT_MADE else "FRAME_DIFFERS"
    text = f"{envelope.producer} never sent this"
    if code == "FRAME_DIFFERS" and len(verified.named) < NAMED_MAX:
        text = describe(run, envelope, frame)
    verified.differs(Difference(where, number, envelope.id, envelope.kind, code, text))


def _digest(frame: bytes) -> bytes:
    return blake2b(frame, digest_size=DIGEST_BYTES).digest()


def _split_id(message_id: str) -> tuple[str, int]:
    """`producer/epoch/stream/seq` as (everything before the sequence, sequence)."""
    stream, _, seq = message_id.rpartition("/")
    return stream, int(seq)
