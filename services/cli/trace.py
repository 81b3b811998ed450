"""`bulkhead trace ID`: one trade from tick to fill, read from the run's journals alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.cli.exit_codes import NOT_OK, OK
from services.cli.output import print_json, say
from services.cli.runs import find_run
from services.monitor.audit import iso_utc
from services.monitor.journals import load_index
from services.monitor.trace import Trace, missing
from shared.runtime.run_folder import RunFolder


def run_trace(trace_id: str, named: Path | None, root: Path, as_json: bool) -> int:
    """Print every step; exit code 1 if one that must be there is missing."""
    found = load_index(find_run(named, root)).trace(trace_id)
    if as_json:
        print_json(trace_json(trace_id, found))
    else:
        for line in lines_of(found):
            say(line)
    return NOT_OK if missing(found) else OK


def story(run: RunFolder, trace_id: str) -> Iterator[str]:
    """The lines for people."""
    yield from lines_of(load_index(run).trace(trace_id))


def trace_json(trace_id: str, found: Trace) -> dict[str, Any]:
    """The keys that scripts rely on."""
    absent = missing(found)
    return {
        "id": trace_id,
        "correlation_id": found.correlation_id,
        "client_order_ids": [found.client_order_id],
        "outcome": found.outcome,
        "complete": not absent,
        "missing": list(absent),
        "steps": [
            {
                "layer": step.layer,
                "event": step.event,
                "time": iso_utc(step.stream_ns),
                "kind": step.kind,
                "detail": step.detail,
                "boot_ns": step.boot_ns,
                "stream_ns": step.stream_ns,
                "us_since_tick": step.since_tick_us,
                "message_id": step.message_id,
            }
            for step in found.steps
        ],
    }


def lines_of(found: Trace) -> Iterator[str]:
    """One line per step: microseconds since the tick, layer, event, and what it says."""
    yield f"trade {found.correlation_id}, order {found.client_order_id}: {found.outcome}"
    for step in found.steps:
        line = f"{step.since_tick_us:>10,} us  {step.layer:16} {step.event:24} {step.detail}"
        yield line.rstrip()
    if absent := missing(found):
        yield f"NOT complete; missing: {', '.join(absent)}"
