"""Which runs are up: by the supervisord that looks after each, and by nothing else."""

from __future__ import annotations

import os
from pathlib import Path

from services.cli.supervisor_config import pid_file
from shared.runtime.run_folder import RunFolder


def supervisor_pid(run: RunFolder) -> int:
    """Process id of the run's supervisord, or 0 if it does not live."""
    try:
        pid = int(pid_file(run).read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except (OSError, ValueError):
        return 0
    return pid if str(run.root / "supervisord.conf") in command else 0


def active_runs(root: Path) -> list[RunFolder]:
    """Runs whose supervisord lives, the latest started first."""
    found = []
    for path in root.glob("*/*/supervisord.pid"):
        if (path.parent / "config.toml").is_file():
            run = RunFolder.open(path.parent.resolve())
            if supervisor_pid(run):
                found.append((os.stat(path).st_mtime_ns, run))
    return [run for _, run in sorted(found, key=lambda pair: pair[0], reverse=True)]
