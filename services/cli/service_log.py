"""Reads the services' JSON logs for what a person must see: the last fault, and bad rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shared.kernel.errors import BrokerFault, Fault, OperatorFault, OurFault
from shared.runtime.run_folder import RunFolder

TAIL_BYTES = 64_000
SIDES: dict[str, type[Fault]] = {
    fault.side: fault for fault in (OperatorFault, BrokerFault, OurFault)
}


def last_fault(run: RunFolder, service: str, ended: str) -> Fault:
    """The fault that a service wrote before it ended, as our own; else what is known."""
    path = run.log(service)
    for entry in reversed(list(entries(path, TAIL_BYTES))):
        if entry.get("event") == "fault":
            return SIDES.get(str(entry.get("side")), OurFault)(
                str(entry.get("code")),
                field=str(entry.get("field")),
                value=entry.get("value"),
                fix=str(entry.get("fix")),
            )
    last_line = _tail(path, TAIL_BYTES).strip().rpartition("\n")[2][-200:]
    return OurFault(
        "SERVICE_ENDED", field=service, value=f"{ended}: {last_line}", fix=f"Read {path}."
    )


def strategy_trouble(run: RunFolder) -> str | None:
    """Why the strategy was paused, as one line for a person; None if it never was."""
    for entry in entries(run.log("strategy_engine")):
        if entry.get("level") == "error" and str(entry.get("event")).startswith("strategy_"):
            shown = ("hook", "line", "error", "text", "value", "limit_ns", "fix")
            facts = ", ".join(f"{key} {entry[key]}" for key in shown if entry.get(key))
            return f"{entry['event']}: {facts}"
    return None


def code_differs(run: RunFolder) -> str | None:
    """The strategy's file that is not what runs, if its engine said so in its present life."""
    path = None
    for entry in entries(run.log("strategy_engine"), TAIL_BYTES):
        if entry.get("event") in ("recovered", "strategy_loaded"):
            path = None
        elif entry.get("event") == "strategy_file_differs":
            path = str(entry.get("path"))
    return path


def bad_rows(run: RunFolder) -> list[dict[str, Any]]:
    """The venue's log lines about rows of the feed that are no good."""
    found = [e for e in entries(run.log("venue")) if e.get("event") == "row_bad"]
    unique = {json.dumps([e.get("file"), e.get("line")], default=str): e for e in found}
    return list(unique.values())


def entries(path: Path, tail_bytes: int | None = None) -> Iterator[dict[str, Any]]:
    """Log lines that are JSON objects, oldest first."""
    for line in _tail(path, tail_bytes).splitlines():
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:
            continue
        if isinstance(entry, dict):
            yield entry


def _tail(path: Path, tail_bytes: int | None) -> str:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return ""
    return (raw if tail_bytes is None else raw[-tail_bytes:]).decode(errors="replace")
