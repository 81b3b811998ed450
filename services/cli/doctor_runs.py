"""Doctor's look at the runs: what is up, what is left over, the paper run, your strategies."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from proto_schemas.registry import SERVICES
from services.cli.active import active_runs, is_up, supervisor_pid
from services.cli.checks import check_run
from services.cli.findings import Finding, Level, judged
from services.cli.paper import paper_folder
from services.cli.strategies_folder import default_folder, named_in
from services.cli.supervisor import left_over
from services.cli.supervisor_config import service_programs
from services.strategy_engine.config import CAME_ALONG
from services.strategy_engine.loader import known_strategies, load_strategy
from services.watchdog.latch import FILE, read_latch
from shared.journal import walk_journal
from shared.kernel.errors import OperatorFault
from shared.runtime.run_folder import RunFolder
from shared.runtime.settings import read_toml
from shared.runtime.twins import read_twins

SOCKETS = "bulkhead-*"
HELD = re.compile(r":(\d+) \d+ (?:\d+|EOF)$", re.MULTILINE)  # the inode of a lock that is held


def runs(root: Path) -> Iterator[Finding]:
    """What is up, what says that it is up and is not, and what nobody looks after."""
    active = active_runs(root)
    for run in active:
        pid = supervisor_pid(run)
        kept_by = f"supervisord {pid}" if pid else "containers"
        yield Finding("runs", "ok", f"up: {run.root} ({kept_by})")
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


def sockets(root: Path) -> Iterator[Finding]:
    """Folders of sockets that nobody listens on: left over when everything was killed at once."""
    places = dict.fromkeys((Path(tempfile.gettempdir()), Path("/tmp")))
    stale = [path for place in places for path in sorted(place.glob(SOCKETS)) if is_stale(path)]
    if not stale:
        yield Finding("sockets", "ok", "none is left over")
    owners = {}
    for path in root.glob("*/*/config.toml"):
        run = RunFolder.open(path.parent.resolve())
        owners[run.settings.sock_dir] = run.root
    for path in stale:
        owner = owners.get(str(path))
        fix = f"bulkhead down --run {owner}" if owner else f"rm -r {path}"
        yield Finding("sockets", "warn", f"{path}: nobody listens there", fix)


def is_stale(folder: Path, locks: Path = Path("/proc/locks")) -> bool:
    """True for a folder of ours whose lock files are held by nobody.

    The kernel's list is read: to try a lock would shut out a service that starts at that moment.
    """
    try:
        if folder.stat().st_uid != os.geteuid():
            return False
        files = {path.stat().st_ino for path in folder.glob("*.lock")}
        held = {int(found) for found in HELD.findall(locks.read_text())}
    except OSError:  # it went away meanwhile
        return False
    return bool(files) and not files & held


def paper(root: Path) -> Iterator[Finding]:
    """The paper run: its config, its latch and every record of its journals."""
    folder = paper_folder(root)
    if not (folder / "config.toml").is_file():
        yield Finding("config", "ok", "no paper run yet")
        return
    run = RunFolder.open(folder)
    try:
        check_run(run)
    except OperatorFault as fault:
        yield Finding("config", "fail", f"{fault.field} = {fault.value!r}", fault.fix)
    else:
        yield Finding("config", "ok", f"{run.config}, hash {run.config_hash}")
    yield from _latch(run)
    if not is_up(run):
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


def strategies(root: Path) -> Iterator[Finding]:
    """Every strategy of your own folder loads; one that is to trade must."""
    config = paper_folder(root) / "config.toml"
    tables = read_toml(config) if config.is_file() else {}
    folder = Path(named_in(tables)) if named_in(tables) else default_folder()
    if not folder.is_dir():
        fix = "bulkhead new-strategy NAME makes it."
        level: Level = "warn" if named_in(tables) else "ok"
        yield judged("strategies", f"{folder} is not there", level, fix)
        return
    trading = tables.get("run", {}).get("strategy")
    names = known_strategies(folder)
    bad = 0
    for name in names:
        try:
            load_strategy(name, folder, CAME_ALONG)
        except OperatorFault as fault:
            bad += 1
            seen = f"{fault.field}: {fault.value}"
            yield Finding("strategies", "fail" if name == trading else "warn", seen, fault.fix)
    if not bad:
        yield Finding("strategies", "ok", f"{folder}: {', '.join(names) or 'empty'}")
