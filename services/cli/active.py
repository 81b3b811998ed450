"""Which runs are up: their supervisord lives; or, in containers, a main loop turns."""

from __future__ import annotations

import os
from pathlib import Path

from proto_schemas.registry import SERVICES
from services.cli.health import boot_ns, illness
from services.cli.output import note
from services.cli.supervisor_config import pid_file
from shared.kernel.errors import OperatorFault
from shared.runtime.beat import read_beat
from shared.runtime.run_folder import COMPOSE, RunFolder

MAY_BE_CONTAINERS = "paper/*/config.toml"


def supervisor_pid(run: RunFolder) -> int:
    """Process id of the run's supervisord, or 0 if it does not live."""
    try:
        pid = int(pid_file(run).read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except (OSError, ValueError):
        return 0
    return pid if str(run.root / "supervisord.conf") in command else 0


def turns_in_containers(run: RunFolder) -> bool:
    """True if the services of this run are containers and at least one of them is well."""
    if run.settings.kept_by != COMPOSE:
        return False
    sockets, now_ns = Path(run.settings.sock_dir), boot_ns()
    return any(not illness(read_beat(sockets, name), now_ns) for name in SERVICES)


def is_up(run: RunFolder) -> bool:
    """Whether anybody keeps this run up: its supervisord, or an engine of containers."""
    return bool(supervisor_pid(run)) or turns_in_containers(run)


def active_runs(root: Path) -> list[RunFolder]:
    """Runs whose supervisord lives or whose containers do, the latest started first."""
    found = []
    for path in root.glob(MAY_BE_CONTAINERS):
        try:
            run = RunFolder.open(path.parent.resolve())
        except OperatorFault as fault:  # one broken file must not keep a kill from the others
            note(f"passed over: {fault}")
            continue
        if turns_in_containers(run):
            found.append((os.stat(path).st_mtime_ns, run))
    for path in root.glob("*/*/supervisord.pid"):
        if (path.parent / "config.toml").is_file():
            run = RunFolder.open(path.parent.resolve())
            if supervisor_pid(run):
                found.append((os.stat(path).st_mtime_ns, run))
    return [run for _, run in sorted(found, key=lambda pair: pair[0], reverse=True)]
