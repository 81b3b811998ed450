"""`bulkhead health`: does the main loop of one service turn? For container health checks.

It reads the service's last beat (`shared/runtime/beat.py`) and nothing else. Healthy means: the
loop that does the work has turned within `SILENT_S`; the first turn comes when the journal has been
stepped. The state word plays no part. A market that is closed, a kill that holds and a peer that is
away are no illness of this process: they are in `bulkhead status` and in the alerts.

A container asks every few seconds, so it does without the rest of the command line, which takes
four times as long to load: `python -m services.cli.health SERVICE SOCKETS`.
"""

from __future__ import annotations

import sys
from pathlib import Path
from time import CLOCK_BOOTTIME, clock_gettime_ns

from services.cli.exit_codes import NOT_OK, OK
from services.cli.output import print_fault, print_json, say
from shared.kernel.errors import Fault, OperatorFault
from shared.runtime.beat import Beat, read_beat
from shared.runtime.ports import METRICS_PORTS

SILENT_S = 3
"""Shorter than the dead-man timer, which ends a loop that hangs for five seconds."""


def run_health(service: str, sockets: Path, as_json: bool) -> int:
    """0 if it is well, else 1, with the reason in one line."""
    if service not in METRICS_PORTS:
        raise OperatorFault(
            "SERVICE_UNKNOWN",
            field="SERVICE",
            value=service,
            fix=f"One of {', '.join(METRICS_PORTS)}.",
        )
    beat = read_beat(sockets, service)
    why = illness(beat, boot_ns())
    if as_json:
        state, progress = (beat.state, beat.progress) if beat else (None, None)
        print_json(
            {
                "ok": not why,
                "service": service,
                "state": state,
                "progress": progress,
                "error": why or None,
            }
        )
    elif beat is not None and not why:
        say(f"{service} turns: {beat.state}, progress {beat.progress}, process {beat.pid}")
    else:
        say(f"{service}: {why}")
    return NOT_OK if why else OK


def boot_ns() -> int:
    """The clock of the beats: one for all containers of the machine."""
    return clock_gettime_ns(CLOCK_BOOTTIME)


def illness(beat: Beat | None, boot_ns: int) -> str:
    """Why it is not well, or nothing."""
    if beat is None:
        return "its main loop has not turned yet"
    age_ns = beat.age_ns(boot_ns)
    if age_ns is None:
        return "its main loop has not turned since this machine was started"
    if age_ns > SILENT_S * 10**9:
        return (
            f"its main loop has been silent for {age_ns / 1e9:.1f} s; "
            f"last {beat.state} at progress {beat.progress}, process {beat.pid}"
        )
    return ""


def main() -> int:
    """The check of a container; the arguments are those of the compose file."""
    service, sockets = sys.argv[1:]
    try:
        return run_health(service, Path(sockets), as_json=False)
    except Fault as fault:
        print_fault(fault)
        return fault.exit_code


if __name__ == "__main__":
    sys.exit(main())
