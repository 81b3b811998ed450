"""What goes to the screen: reports to stdout, faults and progress to stderr.

With `--json` the last line of stdout is one JSON object, whatever happens, and nothing else goes
there. People get text; both come from the same plain dictionary.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

from shared.kernel.errors import Fault


class ReaderGone(Exception):
    """Whoever read our result has seen enough: `bulkhead logs | head`. No fault of anybody."""


def print_json(report: Mapping[str, Any]) -> None:
    """One object on one line."""
    say(json.dumps(report, separators=(",", ":"), default=str))


def say(text: str) -> None:
    """One line for a person who reads the result."""
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # What is still buffered must not fail again when the process ends.
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        raise ReaderGone from None


def note(text: str) -> None:
    """One line about what goes on; never part of the result."""
    print(text, file=sys.stderr, flush=True)


def print_fault(fault: Fault) -> None:
    """Side, code, field, value and fix on one plain line, whatever is in them."""
    note(" ".join(str(fault).split()))


def fault_json(fault: Fault) -> dict[str, Any]:
    """A fault as the report of a command that could not do its work."""
    return {
        "ok": False,
        "error": str(fault),
        "side": fault.side,
        "code": fault.code,
        "field": fault.field,
        "value": str(fault.value),
        "fix": fault.fix,
    }


class CommandFailed(Exception):
    """A fault that ended a command which already had something to report."""

    def __init__(self, fault: Fault, report: Mapping[str, Any]) -> None:
        super().__init__(str(fault))
        self.fault = fault
        self.report = dict(report)


def say_report(report: Mapping[str, object], indent: str = "") -> None:
    """A report for people: one line for each value, parts of a whole set in."""
    for key, value in report.items():
        if isinstance(value, dict):
            say(f"{indent}{key}:")
            say_report(value, indent + "  ")
        elif isinstance(value, list) and value:
            say(f"{indent}{key}:")
            for item in value:
                say(f"{indent}  {item}")
        else:
            say(f"{indent}{key}: {value}")
