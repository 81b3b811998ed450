"""`bulkhead doctor`: is this box fit to trade, and if not, what is to be done?

Each check is one function that returns what it found; one table lists them. A check never mends
anything, and one that breaks is itself a finding.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from proto_schemas.registry import SERVICES
from services.cli.active import active_runs, supervisor_pid, turns_in_containers
from services.cli.checks import check_run
from services.cli.exit_codes import NOT_OK, OK
from services.cli.output import print_json, say
from services.cli.paper import paper_folder
from services.cli.supervisor import left_over
from services.cli.supervisor_config import service_programs
from services.watchdog.latch import FILE, read_latch
from shared.journal import walk_journal
from shared.kernel.errors import Fault
from shared.runtime.run_folder import RunFolder
from shared.runtime.twins import read_twins

Level = Literal["ok", "warn", "fail"]
MARKS: dict[Level, str] = {"ok": "ok  ", "warn": "WARN", "fail": "FAIL"}
DISK_FAIL_BYTES = 500_000_000
DISK_WARN_BYTES = 5_000_000_000
OPEN_FILES_MIN = 256
PYTHON_MIN = (3, 11)
PACKAGES = ("pyzmq", "msgpack", "pydantic", "prometheus-client", "structlog", "supervisor")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `fix` is empty if all is well."""

    check: str
    level: Level
    seen: str
    fix: str = ""


Check = Callable[[Path], Iterator[Finding]]


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
    say("fit to trade" if not failed else f"NOT fit: {len(failed)} to mend")
    return NOT_OK if failed else OK


def _safely(check: Check, root: Path) -> list[Finding]:
    """A check that breaks tells that it could not look."""
    try:
        return list(check(root))
    except (Fault, OSError) as error:
        name = check.__name__.strip("_")
        return [Finding(name, "fail", " ".join(str(error).split()), "Mend what it names.")]


def _python(_root: Path) -> Iterator[Finding]:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < PYTHON_MIN:
        yield Finding("python", "fail", found, "Use Python 3.11 or newer: make setup.")
        return
    missing = [name for name in PACKAGES if _version(name) is None]
    if missing:
        yield Finding("python", "fail", f"{found}, without {', '.join(missing)}", "make setup")
    else:
        packages = ", ".join(f"{name} {_version(name)}" for name in PACKAGES[:3])
        yield Finding("python", "ok", f"{found}, {packages}")


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _folder(root: Path) -> Iterator[Finding]:
    """Runs must be writable, and their disk must not be full: a full disk stops trading."""
    place = next(path for path in (root, *root.parents) if path.exists())
    if not os.access(place, os.W_OK):
        yield Finding("folder", "fail", f"{place} is not writable", "Name another: --runs-dir.")
        return
    free_bytes = shutil.disk_usage(place).free
    seen = f"{root}, {free_bytes / 1e9:.1f} GB free"
    level: Level = "ok"
    if free_bytes < DISK_WARN_BYTES:
        level = "fail" if free_bytes < DISK_FAIL_BYTES else "warn"
    yield Finding("folder", level, seen, "" if level == "ok" else "Make room on this disk.")


def _limits(_root: Path) -> Iterator[Finding]:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < OPEN_FILES_MIN:
        fix = f"ulimit -n {OPEN_FILES_MIN}"
        yield Finding("limits", "fail", f"{soft} open files allowed", fix)
    else:
        yield Finding("limits", "ok", f"{soft} open files allowed")


def _runs(root: Path) -> Iterator[Finding]:
    """What is up, what says that it is up and is not, and what nobody looks after."""
    active = active_runs(root)
    for run in active:
        pid = supervisor_pid(run)
        yield Finding(
            "runs", "ok", f"up: {run.root} ({f'supervisord {pid}' if pid else 'containers'})"
        )
    if not active:
        yield Finding("runs", "ok", "none is up")
    for path in sorted(root.glob("*/*/config.toml")):
        run = RunFolder.open(path.parent.resolve())
        if run in active:
            continue
        orphans = left_over(service_programs(run))
        if orphans:
            seen = f"{run.root}: processes {orphans} without a supervisor"
            yield Finding("runs", "fail", seen, f"bulkhead down --run {run.root}")
        elif (run.root / "supervisord.pid").exists():
            seen = f"{run.root}: a stale supervisord.pid"
            yield Finding("runs", "warn", seen, f"bulkhead down --run {run.root}")


def _paper(root: Path) -> Iterator[Finding]:
    """The paper run: its config, its latch and every record of its journals."""
    folder = paper_folder(root)
    if not (folder / "config.toml").is_file():
        yield Finding("paper", "ok", "no paper run yet")
        return
    run = RunFolder.open(folder)
    check_run(run)
    yield Finding("paper", "ok", f"config {run.config_hash}")
    yield from _latch(run)
    if not supervisor_pid(run) and not turns_in_containers(run):
        yield from _journals(run)


def _latch(run: RunFolder) -> Iterator[Finding]:
    ran = run.journal("watchdog").exists()
    seen = read_latch(*read_twins(run.twins(FILE)), first_start=not ran)
    if run.kill_file.exists():
        fix = f"rm {run.kill_file}, if you know why it is there"
        yield Finding("latch", "warn", "a file KILL is there: it kills at the next start", fix)
    if seen.kill_id is None and not seen.damaged:
        yield Finding("latch", "ok", "no kill holds")
        return
    what = f"killed: {seen.kill_id or 'a latch file is missing or damaged'} {seen.reason}"
    yield Finding("latch", "warn", what.strip(), "bulkhead resume, when you know why.")


def _journals(run: RunFolder) -> Iterator[Finding]:
    records = 0
    for name in SERVICES:
        if run.journal(name).exists():
            end = walk_journal(run.journal(name), name, run.settings.run_id, lambda _record: None)
            records += end.count
    yield Finding("journals", "ok", f"{records} records, all whole")


CHECKS: tuple[Check, ...] = (_python, _folder, _limits, _runs, _paper)
