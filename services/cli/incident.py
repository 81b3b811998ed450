"""`bulkhead incident ID`: one file with all that is known about one trade or one kill.

It reads the run's files and asks nobody, so it works while the run is up, when it is down, and on a
copy of its folder.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from services.cli.exit_codes import OK
from services.cli.incident_files import log_lines, redactor_for, venue_record, versions
from services.cli.incident_text import Papers, page
from services.cli.output import print_json, say
from services.cli.runs import find_run
from services.monitor.incident import (
    FamilyReader,
    IncidentReader,
    KillFinder,
    Subject,
    subject_of,
)
from services.monitor.journals import walk_run
from services.monitor.trace import Trace, TraceIndex, missing
from services.risk_engine.config import load as risk_config
from shared.kernel.errors import OperatorFault
from shared.runtime.run_folder import RunFolder, code_hash

KILL_PREFIX = "kill-"
FIRST_WORDS = "# Incident "
FILE_MODE = 0o600
STANDARD_OUTPUT = Path("-")


@dataclass(frozen=True, slots=True)
class IncidentOptions:
    """The options of the command. No file: `incident-ID.md` in the present folder."""

    wanted: str
    out: Path | None
    run: Path | None
    root: Path
    as_json: bool


def run_incident(options: IncidentOptions) -> int:
    """Gather, write, report."""
    if options.as_json and options.out == STANDARD_OUTPUT:
        fix = "Leave out one of the two: both want standard output."
        raise OperatorFault("OPTION_CLASH", field="--out -", value="--json", fix=fix)
    run = find_run(options.run, options.root)
    papers = gather(run, options.wanted)
    text = redactor_for(run)(page(papers))
    if options.out == STANDARD_OUTPUT:
        say(text)
        return OK
    path = (options.out or Path(f"incident-{_file_word(options.wanted)}.md")).absolute()
    write(path, text)
    holes = [f"{each.client_order_id}: {gap}" for each in papers.traces for gap in missing(each)]
    if options.as_json:
        print_json(
            {
                "ok": True,
                "id": options.wanted,
                "file": str(path),
                "client_order_ids": list(papers.incident.subject.order_ids),
                "outcomes": [each.outcome for each in papers.traces],
                "kill_id": papers.incident.subject.kill_id,
                "steps": len(papers.incident.chain),
                "missing": holes,
                "run": str(run.root),
                "error": None,
            }
        )
        return OK
    for each in papers.traces:
        say(f"order {each.client_order_id}: {each.outcome}, {len(each.steps)} steps")
    for hole in holes:
        say(f"missing: {hole}")
    say(f"wrote {path}")
    return OK


def gather(run: RunFolder, wanted: str) -> Papers:
    """Everything that the run's files say about it. Two passes over its journals."""
    subject, traces = _kill(run, wanted) if wanted.startswith(KILL_PREFIX) else _order(run, wanted)
    reader = IncidentReader(subject)
    walk_run(run, reader)
    incident = reader.finish()
    names = [wanted, *subject.order_ids, *(t.correlation_id for t in traces if t.correlation_id)]
    logs, more = log_lines(run, dict.fromkeys(names))
    return Papers(
        run=run,
        incident=incident,
        traces=traces,
        venue=venue_record(run, subject.order_ids),
        logs=logs,
        logs_more=more,
        limits=risk_config(run).limits,
        versions=versions(),
        code_hash=code_hash(),
        made_at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def _order(run: RunFolder, wanted: str) -> tuple[Subject, list[Trace]]:
    """The order with this id, and those that belong to it."""
    index, families = TraceIndex(), FamilyReader()
    walk_run(run, index, families)
    known = index.order_ids()
    found = index.trace(wanted)
    family = [each for each in families.of(found.client_order_id) if each in known]
    traces = [index.trace(each) for each in family]
    return subject_of(wanted, traces), traces


def _kill(run: RunFolder, wanted: str) -> tuple[Subject, list[Trace]]:
    """The kill with this id, and the orders that closed under it."""
    finder, index = KillFinder(wanted), TraceIndex()
    walk_run(run, finder, index)
    subject = finder.subject()
    known = index.order_ids()
    return subject, [index.trace(each) for each in subject.order_ids if each in known]


def write(path: Path, text: str) -> None:
    """Put it there whole or not at all; only an older incident is written over."""
    with _faults(path):
        if path.exists() and not path.read_text(errors="replace").startswith(FIRST_WORDS):
            fix = "It is no incident and stays as it is: choose another name, --out."
            raise OperatorFault("FILE_EXISTS", field="--out", value=str(path), fix=fix)
        aside = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            aside.touch(mode=FILE_MODE)
            aside.write_text(text, encoding="utf-8")
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)


@contextmanager
def _faults(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        fix = "Name a file that can be written: --out."
        raise OperatorFault("FILE_WRITE", field=str(path), value=str(error), fix=fix) from error


def _file_word(wanted: str) -> str:
    """An id as part of a file's name."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in wanted)[:80]
