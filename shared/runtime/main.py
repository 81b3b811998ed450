"""The `__main__` of every service: parse `--run`, build, run, and end with the right exit code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from shared.kernel.errors import Fault
from shared.runtime import priority
from shared.runtime.host import Host, Service
from shared.runtime.log import open_log
from shared.runtime.ports import METRICS_PORTS
from shared.runtime.run_folder import RunFolder


def serve(name: str, build: Callable[[RunFolder], Service]) -> int:
    """Run one service; the exit code is 0 after a signal, else the fault's own."""
    parser = argparse.ArgumentParser(prog=f"python -m services.{name}")
    parser.add_argument("--run", type=Path, required=True, help="folder of the run")
    parser.add_argument(
        "--metrics-address",
        help="bind the service's own metrics port there; else a free port on loopback",
    )
    args = parser.parse_args()
    try:
        run = RunFolder.open(args.run)
        priority.apply(run, name)
        Host(run, placed(build(run), args.metrics_address)).run()
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


def placed(service: Service, address: str | None) -> Service:
    """The service with its metrics at its own port of that address, if one is asked for."""
    if address is None:
        return service
    return replace(service, metrics_address=address, metrics_port=METRICS_PORTS[service.name])
