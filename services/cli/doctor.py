"""`bulkhead doctor`: is this box fit to trade, and if not, what is to be done?

Each check is one function that returns what it found; one table lists them. A check never mends
anything, and one that breaks is itself a finding.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from services.cli import doctor_box as box
from services.cli import doctor_engine, doctor_runs
from services.cli.exit_codes import NOT_OK, OK
from services.cli.findings import Check, Finding, Level
from services.cli.output import print_json, say
from shared.kernel.errors import Fault

MARKS: dict[Level, str] = {"ok": "ok  ", "warn": "WARN", "fail": "FAIL"}
CHECKS: tuple[Check, ...] = (
    box.python,
    box.machine,
    box.clock,
    box.disk,
    box.limits,
    doctor_engine.engine,
    doctor_runs.runs,
    doctor_runs.sockets,
    doctor_runs.paper,
    doctor_runs.strategies,
)


def run_doctor(root: Path, as_json: bool) -> int:
    """Look at everything; 1 if something must be mended."""
    findings = [finding for check in CHECKS for finding in _safely(check, root)]
    failed = [finding for finding in findings if finding.level == "fail"]
    if as_json:
        rows = [asdict(finding) for finding in findings]
        error = "; ".join(f"{each.check}: {each.seen}" for each in failed) or None
        print_json({"ok": not failed, "findings": rows, "error": error})
        return NOT_OK if failed else OK
    for finding in findings:
        say(f"{MARKS[finding.level]}  {finding.check:10} {finding.seen}")
        if finding.fix:
            say(f"{'':17}-> {finding.fix}")
    say(_verdict(findings))
    return NOT_OK if failed else OK


def _verdict(findings: list[Finding]) -> str:
    count = {level: sum(each.level == level for each in findings) for level in MARKS}
    if count["fail"]:
        return f"NOT fit: {count['fail']} to mend"
    return f"fit to trade, {count['warn']} to look at" if count["warn"] else "fit to trade"


def _safely(check: Check, root: Path) -> list[Finding]:
    """A check that breaks tells that it could not look; what it found before is kept."""
    found: list[Finding] = []
    try:
        for finding in check(root):
            found.append(finding)
    except (Fault, OSError, ValueError) as error:
        seen = " ".join(str(error).split())
        found.append(Finding(check.__name__, "fail", seen, "Mend what it names."))
    return found
