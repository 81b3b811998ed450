"""How a process comes back: checkpoint, then the rest of the journal; and how checkpoints are made.

Starting and recovering are the same. The engine takes the memory of the last good checkpoint, if
there is one, and steps every input that the journal has behind it, with the outputs thrown away. A
step that leads elsewhere than the journal says was taken by other code or another config: refused.

A checkpoint is made after many records, at the end of a recovery that was long, and at a clean
stop. So a config may change over a clean stop, for then no record is stepped under two configs.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic_ns

import structlog

from shared.journal import Checkpoint, Cursor, JournalWriter, load_checkpoint, save_checkpoint
from shared.journal.writer import Resume
from shared.kernel.errors import OurFault
from shared.kernel.pack import Unpackable, pack, unpack
from shared.runtime.engine import Engine
from shared.runtime.record import unpack_record
from shared.runtime.run_folder import RunFolder

ROWS_BETWEEN = 20_000  # a burst counts as its rows: they are what a restart steps again
SHARE_OF_TIME = 50  # making checkpoints takes at most this part of the time, if they are slow
WORTH_IT_ROWS = 1_000


@dataclass(slots=True)
class Recovered:
    """What recovery found, for the log."""

    records: int = 0
    stepped: int = 0
    cut_bytes: int = 0
    checkpoint: str = "none"


class Recovery:
    """Journal and checkpoints of one service's engine."""

    def __init__(self, run: RunFolder, engine: Engine, log: structlog.typing.FilteringBoundLogger):
        self._run, self._engine, self._log = run, engine, log
        self._path = run.checkpoint(engine.service)
        self._found, why = load_checkpoint(self._path, engine.service, run.settings.run_id)
        self._config_hash = self._found.config_hash if self._found else None
        self.found = Recovered(checkpoint=why or "none")
        self.stream_ns = 0
        self.journal = self._open()
        self._at_progress = 0
        self._not_before_ns = 0
        self._told = False

    # --- coming back ----------------------------------------------------------------------------

    def _open(self) -> JournalWriter:
        path = self._run.journal(self._engine.service)
        path.parent.mkdir(parents=True, exist_ok=True)
        resume: Resume | None = self._resume if self._found else None
        run_id = self._run.settings.run_id
        journal = JournalWriter.open(path, self._engine.service, run_id, self._step, resume)
        self.found.records, self.found.cut_bytes = journal.count, journal.cut_bytes
        return journal

    def _resume(self, stands_at: object) -> Cursor | None:
        """Take the checkpoint's memory if it fits the journal and this code."""
        found = self._found
        if found is None or not callable(stands_at):
            return None
        if not stands_at(found.last, found.place):
            self.found.checkpoint = "it does not fit the journal"
            return None
        try:
            self._engine.restore(unpack(found.memory))
        except Unpackable as error:
            self.found.checkpoint = str(error)
            return None
        self.stream_ns = found.stream_ns
        self.found.checkpoint = "used"
        return found.place

    def _step(self, payload: bytes) -> None:
        event, now, digest = unpack_record(payload)
        self.stream_ns = max(self.stream_ns, now.stream_ns)
        self.found.stepped += 1
        step = self._engine.step(event, now)
        if step.digest != digest:
            raise OurFault(
                "REPLAY_DIFFERS",
                field=f"{self._engine.service} journal, input {event.envelope.id}",
                value=step.digest.hex(),
                fix=f"The journal says {digest.hex()}: {self._why_it_differs()}",
            )

    def _why_it_differs(self) -> str:
        if self._config_hash not in (None, self._run.config_hash):
            return (
                "the config was changed after a stop that was not clean. Put the old one back, "
                "`bulkhead up`, `bulkhead down`, then change it."
            )
        return "other code wrote it. Start a new run."

    # --- making checkpoints ---------------------------------------------------------------------

    def due(self) -> bool:
        """True when enough was journaled since the last one."""
        enough = self._engine.progress - self._at_progress >= ROWS_BETWEEN
        return enough and monotonic_ns() >= self._not_before_ns

    def was_long(self) -> bool:
        """True when coming back took so many steps that nobody should take them twice."""
        return self._engine.progress - self._at_progress >= WORTH_IT_ROWS

    def save(self, stream_ns: int) -> None:
        """Write a checkpoint of the present. A failure is told and costs the next start time."""
        began_ns = monotonic_ns()
        journal = self.journal
        try:
            memory = pack(self._engine.memory())
            journal.sync()
            settings = self._run.settings
            made = Checkpoint(
                self._engine.service, settings.run_id, self._run.config_hash, stream_ns,
                journal.last, journal.place, memory,
            )  # fmt: skip
            save_checkpoint(self._path, made)
        except Unpackable as error:
            self._tell("checkpoint_impossible", why=str(error), fix="Keep plain values in a state.")
        except OurFault as fault:
            if fault.code != "CHECKPOINT_FAILED":
                raise
            self._tell("checkpoint_failed", field=fault.field, value=str(fault.value))
        self._at_progress = self._engine.progress
        self._not_before_ns = monotonic_ns() + (monotonic_ns() - began_ns) * SHARE_OF_TIME

    def _tell(self, event: str, **fields: str) -> None:
        """Once: it will be the same every time."""
        if not self._told:
            self._told = True
            self._log.warning(event, **fields)
