"""Append-only journal: what a service did, in order, to recover from and to audit.

One process writes (`JournalWriter`), others read (`read_journal`, `walk_journal`) or follow
(`JournalTail`). Damage is refused, never skipped; only the torn end of the last write is cut.
"""

from shared.journal.frame import MAX_PAYLOAD_BYTES
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
    "JournalContents",
    "JournalEnd",
    "JournalTail",
    "JournalWriter",
    "OnRecord",
    "read_journal",
    "walk_journal",
]
