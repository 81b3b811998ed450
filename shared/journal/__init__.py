"""Append-only journal: what a service did, in order, to recover from and to audit.

One process writes (`JournalWriter`), others read (`read_journal`, `walk_journal`) or follow
(`JournalTail`). Damage is refused, never skipped; only the torn end of the last write is cut.
A `Checkpoint` saves a restart from reading the whole of it.
"""

from shared.journal.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from shared.journal.frame import MAX_PAYLOAD_BYTES, Cursor
from shared.journal.reader import (
    JournalContents,
    JournalEnd,
    OnRecord,
    read_journal,
    walk_journal,
)
from shared.journal.tail import JournalTail
from shared.journal.writer import JournalWriter

__all__ = [
    "MAX_PAYLOAD_BYTES",
    "Checkpoint",
    "Cursor",
    "JournalContents",
    "JournalEnd",
    "JournalTail",
    "JournalWriter",
    "OnRecord",
    "load_checkpoint",
    "read_journal",
    "save_checkpoint",
    "walk_journal",
]
