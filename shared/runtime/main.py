"""The `__main__` of every service: parse `--run`, build, run, and end with the right exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from shared.kernel.errors import Fault
from shared.runtime.host import Host, Service
from shared.runtime.log import open_log
from shared.runtime.run_folder import RunFolder


def serve(name: str, build: Callable[[RunFolder], Service]) -> int:
    """Run one service; the exit code is 0 after a signal, else the fault's own."""
    parser = argparse.ArgumentParser(prog=f"python -m services.{name}")
    parser.add_argument("--run", type=Path, required=True, help="folder of the run")
    args = parser.parse_args()
    try:
        run = RunFolder.open(args.run)
        Host(run, build(run)).run()
    except Fault as fault:
        log = open_log(name, args.run.name)
        log.error(
            "fault",
            side=fault.side,
            code=fault.code,
            field=fault.field,
            value=str(fault.value),
            fix=fault.fix,
        )
        print(fault, file=sys.stderr)
        return fault.exit_code
    return 0
