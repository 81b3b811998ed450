"""A checkpoint: what a service knew at one place of its journal, so that a restart need not step
the whole journal again.

It is a shortcut and never the truth. It is written behind a sync of the journal, to a new file that
is synced and renamed, and it names the record before its place. A file that is damaged, of another
service or run, or that does not fit the journal is passed over with the reason, and the journal is
stepped from its start, as if there had never been one.

Promises: a whole checkpoint or none; reading never raises for what is in the file.
Limits: damage in the journal before the place is not seen by the start that uses the checkpoint;
readers of the whole journal see it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import msgpack

from shared.journal.frame import Cursor
from shared.kernel.errors import OurFault

MAGIC = b"BULKCKP1"
DIGEST_BYTES = 16


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`last`: before the last record that the memory contains; `place`: behind it.

    `stream_ns` is the stream clock there, `config_hash` names the config that was in force, and
    `memory` is what `shared.kernel.pack` made of the engine.
    """

    service: str
    run_id: str
    config_hash: str
    stream_ns: int
    last: Cursor
    place: Cursor
    memory: bytes


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Put it in the place of the one before. `OurFault` CHECKPOINT_FAILED, the old one stays."""
    c = checkpoint
    body: bytes = msgpack.packb(
        [c.service, c.run_id, c.config_hash, c.stream_ns, list(c.last), list(c.place), c.memory]
    )
    fresh = path.with_name(f"{path.name}.new")
    try:
        handle = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(MAGIC + _digest(body) + body)
            stream.flush()
            os.fdatasync(stream.fileno())
        os.replace(fresh, path)
    except OSError as error:
        fix = "Check free space; trading goes on, only the next start takes longer."
        raise OurFault("CHECKPOINT_FAILED", field=str(path), value=str(error), fix=fix) from error


def load_checkpoint(path: Path, service: str, run_id: str) -> tuple[Checkpoint | None, str]:
    """Return (the checkpoint, "") or (None, why not); no file at all is (None, "")."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None, ""
    except OSError as error:
        return None, str(error)
    body = data[len(MAGIC) + DIGEST_BYTES :]
    if not data.startswith(MAGIC) or data[len(MAGIC) : len(data) - len(body)] != _digest(body):
        return None, "it is damaged, or of another format"
    owner, run, config_hash, stream_ns, last, place, memory = msgpack.unpackb(body)
    if (owner, run) != (service, run_id):
        return None, f"it is of service {owner}, run {run}"
    found = Checkpoint(owner, run, config_hash, stream_ns, Cursor(*last), Cursor(*place), memory)
    return found, ""


def _digest(body: bytes) -> bytes:
    return blake2b(body, digest_size=DIGEST_BYTES).digest()
