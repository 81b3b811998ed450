"""Follows the journals of all other processes, read-only, and writes `logs/merged.jsonl`.

The host has one loop, so this is its `Source`: it is asked between inputs, does a bounded piece of
work a few times a second, and never has an input to give. After a restart the file is built again
from the first record under another name and put in place once it has caught up: no line stands
twice, and a reader always has a whole file.

A journal that cannot be read gets one line that says so and is left alone; the others go on.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO

from proto_schemas.base import Message
from proto_schemas.registry import SERVICES
from services.monitor.audit import Auditor, to_json
from services.monitor.config import Tunables
from services.monitor.merge import Merge
from services.monitor.order_path import OrderPath
from shared.journal import JournalTail
from shared.kernel.clock import Now
from shared.kernel.errors import Fault
from shared.runtime.paths import TICK_TO_ORDER, Paths
from shared.runtime.record import open_record
from shared.runtime.run_folder import RunFolder

OWN_NAME = "monitor"
FILE_NAME = "merged.jsonl"


class AuditSource:
    """Implements `shared.runtime.host.Source` without ever feeding an input."""

    def __init__(self, run: RunFolder, tunables: Tunables) -> None:
        self._tunables = tunables
        self._path = run.root / "logs" / FILE_NAME
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._building = self._path.with_suffix(".building")
        self._file: IO[str] = self._building.open("w", encoding="utf-8")
        # The monitor decides nothing: what it hears stands in the others' journals already.
        self._tails = {
            name: JournalTail(run.journal(name)) for name in SERVICES if name != OWN_NAME
        }
        self._auditor = Auditor()
        self._merge = Merge(tunables.hold_back_ns)
        self.paths = Paths(OWN_NAME)
        self._order_path = OrderPath(lambda way_ns: self.paths.observe(TICK_TO_ORDER, way_ns))
        self._due_ns = 0
        self._last_seen_ns: dict[str, int] = {}

    def next_input(self, now: Now) -> tuple[Message, int] | None:
        """Do what is due; there is never an input."""
        if now.boot_ns >= self._due_ns:
            self._due_ns = now.boot_ns + self._tunables.poll_every_ns
            self._order_path.count_from(now.boot_ns)
            self.work(now.boot_ns)
        return None

    def next_due_ns(self, now: Now) -> int | None:
        """Boot time of the next look."""
        return self._due_ns

    def work(self, boot_ns: int) -> bool:
        """One look at every journal, then write what may be written. True when none has more."""
        # Each journal gets its share, so that a busy one does not starve the others.
        share = max(1, self._tunables.records_per_poll // len(SERVICES))
        caught_up = [self._follow(name, share, boot_ns) for name in list(self._tails)]
        self._order_path.join()
        self._write(self._merge.release(boot_ns))
        if all(caught_up):
            self._put_in_place()
        return all(caught_up)

    def close(self) -> None:
        """Write all that is left and let go of every file."""
        self._write(self._merge.drain())
        self._put_in_place()
        self._file.close()
        for tail in self._tails.values():
            tail.close()

    def _follow(self, name: str, share: int, boot_ns: int) -> bool:
        """Read at most `share` records; True when there are no more for now."""
        try:
            records = self._read(name, share)
            for payload in records:
                self._take(name, payload)
        except Fault as fault:
            self._tails.pop(name).close()
            self._merge.read_up_to(name, None)
            line = {"boot_ns": boot_ns, "layer": OWN_NAME, "event": "journal_unreadable"}
            about = {"journal": name, "code": fault.code, "text": str(fault)[:500]}
            self._merge.add(boot_ns, {**line, **about})
            return True
        behind = len(records) >= share
        self._merge.read_up_to(name, self._last_seen_ns.get(name, 0) if behind else None)
        return not behind

    def _read(self, name: str, share: int) -> list[bytes]:
        """A poll may give less than there is, so ask until it is empty or the share is used."""
        records: list[bytes] = []
        while len(records) < share and (
            more := self._tails[name].poll(share - len(records))
        ):  # fmt: skip
            records += more
        return records

    def _take(self, name: str, payload: bytes) -> None:
        envelope, body, now = open_record(payload)
        self._last_seen_ns[name] = now.boot_ns
        self._order_path.add(name, envelope, now)
        found = self._auditor.line_of(name, envelope, body, now)
        if found is not None:
            self._merge.add(*found)

    def _write(self, lines: list[dict[str, object]]) -> None:
        if lines:
            self._file.write("".join(to_json(line) + "\n" for line in lines))
            self._file.flush()

    def _put_in_place(self) -> None:
        """The open file keeps its handle under the new name, so writing just goes on."""
        if self._building != self._path:
            self._building.replace(self._path)
            self._building = self._path


def merged_log(root: Path) -> Path:
    """Where a run's merged log is."""
    return root / "logs" / FILE_NAME


def rebuild(run: RunFolder) -> Path:
    """Write the whole merged log of a run whose processes have ended; return where it is."""
    source = AuditSource(run, Tunables())
    while not source.work(boot_ns=0):
        pass
    source.close()
    return merged_log(run.root)
