"""`bulkhead logs`: the services' logs of a run, in order of time, readable at 3 a.m.

Services write one JSON object a line; here a line becomes time, service, level, event and its
fields. What is no JSON (a stack trace of a process that ended) is shown as it is. Rotated files are
followed by name, so `-f` goes on over a rotation and over a `down` and `up`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from proto_schemas.registry import SERVICES
from services.cli.exit_codes import OK
from services.cli.output import say
from services.cli.runs import find_run, refuse_in_containers
from shared.kernel.errors import OperatorFault
from shared.runtime.run_folder import RunFolder

POLL_EVERY_S = 0.2
TAIL_BYTES_MAX = 4_000_000
SHOWN_APART = ("timestamp", "service", "level", "event", "run")
OTHER_FILES = ("supervisord",)


@dataclass(frozen=True, slots=True)
class LogOptions:
    """The options of the command. No service: all of them."""

    service: str | None
    lines: int
    follow: bool
    run: Path | None
    root: Path
    as_json: bool


@dataclass(slots=True)
class LogFile:
    """One log that is read on and on."""

    name: str
    path: Path
    offset: int = 0
    inode: int = 0
    rest: str = ""
    count: int = 0
    time: str = ""

    def timed(self, lines: Iterator[str]) -> Iterator[tuple[str, int, str, str]]:
        """(time, number, name, line): a line without a time has that of the one before it."""
        for line in lines:
            entry = _parsed(line)
            self.time = str(entry.get("timestamp", self.time)) if entry else self.time
            self.count += 1
            yield self.time, self.count, self.name, line

    def more(self) -> Iterator[str]:
        """Whole lines that were added since the last look."""
        try:
            with self.path.open("rb") as stream:
                found = os.fstat(stream.fileno())
                if found.st_ino != self.inode or found.st_size < self.offset:
                    self.inode, self.offset, self.rest = found.st_ino, 0, ""
                stream.seek(self.offset)
                raw = stream.read(TAIL_BYTES_MAX)
        except FileNotFoundError:
            return
        self.offset += len(raw)
        *whole, self.rest = (self.rest + raw.decode(errors="replace")).split("\n")
        yield from whole

    def tail(self) -> Iterator[str]:
        """The last lines there are, and from now on only what is added."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return
        self.inode, self.offset = found.st_ino, max(0, found.st_size - TAIL_BYTES_MAX)
        yield from self.more()


def run_logs(options: LogOptions) -> int:
    """Print the last lines, then go on if asked to; ends with Ctrl-C."""
    run = find_run(options.run, options.root)
    refuse_in_containers(run, f"docker compose logs {options.service or ''}".rstrip())
    files = log_files(run, options.service)
    found = sorted(line for file in files for line in file.timed(file.tail()))
    shown = found[-options.lines :] if options.lines else []
    for _, _, name, line in shown:
        say(line if options.as_json else readable(name, line))
    while options.follow:
        time.sleep(POLL_EVERY_S)
        for _, _, name, line in sorted(x for file in files for x in file.timed(file.more())):
            say(line if options.as_json else readable(name, line))
    return OK


def log_files(run: RunFolder, service: str | None) -> list[LogFile]:
    """The logs to read; `OperatorFault` for a name that is no service."""
    known = (*SERVICES, *OTHER_FILES)
    if service is not None and service not in known:
        raise OperatorFault(
            "SERVICE_UNKNOWN", field="SERVICE", value=service, fix=f"One of {', '.join(known)}."
        )
    names = SERVICES if service is None else (service,)
    return [LogFile(name, run.log(name)) for name in names]


def readable(name: str, line: str) -> str:
    """`03:10:02.123 risk_engine      warning  decision  code=COLLAR limit=40`."""
    entry = _parsed(line)
    if entry is None:
        return f"{'':12} {name:15} {line}"
    return readable_entry(name, entry)


def readable_entry(name: str, entry: Mapping[str, Any]) -> str:
    """The same of a line that was read already."""
    clock = str(entry.get("timestamp", ""))[11:23]
    level = str(entry.get("level", ""))
    facts = " ".join(
        f"{key}={_short(value)}"
        for key, value in entry.items()
        if key not in SHOWN_APART and value is not None
    )
    mark = "" if level == "info" else f"{level.upper()} "
    return f"{clock:12} {name:15} {mark}{entry.get('event')} {facts}".rstrip()


def _short(value: object) -> str:
    text = str(value)
    return json.dumps(text) if " " in text else text


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) else None
