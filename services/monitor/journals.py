"""Opens the journals of one run and feeds their records to whoever wants to read the story."""

from __future__ import annotations

from typing import Protocol

from proto_schemas.control import Snapshot
from proto_schemas.registry import SERVICES
from services.monitor.summary import Summary, SummaryBuilder
from services.monitor.trace import READ_ORDER, Entry, TraceIndex
from shared.bus.codec import decode
from shared.journal import walk_journal
from shared.runtime.record import peek_record, unpack_record
from shared.runtime.run_folder import RunFolder, journal_paths

JOURNALS = (*READ_ORDER, *(name for name in SERVICES if name not in READ_ORDER))


class Reader(Protocol):
    """Anything that takes records one by one."""

    def add(self, entry: Entry) -> None:
        """Take one record."""


def load_index(run: RunFolder) -> TraceIndex:
    """Everything about every order of the run. For `bulkhead trace`."""
    index = TraceIndex()
    walk_run(run, index)
    return index


def load_summary(run: RunFolder) -> Summary:
    """The run in numbers."""
    index, builder = TraceIndex(), SummaryBuilder()
    walk_run(run, index, builder)
    return builder.finish(run.settings.run_id, index)


def walk_run(run: RunFolder, *readers: Reader) -> None:
    """Pass every record of every journal there is, in `READ_ORDER`, once."""
    paths = journal_paths(run.root)
    for layer in JOURNALS:
        if layer in paths:
            _walk(run, layer, readers)


def _walk(run: RunFolder, layer: str, readers: tuple[Reader, ...]) -> None:
    def take(payload: bytes) -> None:
        for entry in entries(layer, payload):
            for reader in readers:
                reader.add(entry)

    walk_journal(run.journal(layer), layer, run.settings.run_id, take)


def entries(layer: str, payload: bytes) -> list[Entry]:
    """The record's input; for a snapshot the messages inside: that is how this process got them."""
    envelope, now = peek_record(payload)
    if envelope.kind != "snapshot":
        return [Entry(layer, envelope, now, payload)]
    body = unpack_record(payload)[0].body
    frames = body.frames if isinstance(body, Snapshot) else ()
    return [Entry(layer, decode(frame).envelope, now, frame, framed=True) for frame in frames]
