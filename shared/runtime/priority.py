"""Table `[host]`: how the machine is to treat this run's processes. All of it is optional.

The five processes between a tick and its order may get a real-time priority or processors of their
own; ledger and monitor step back a little. Nothing here changes what is decided, only when. Trading
is better late than starved, so a real-time process that never waits is stopped by its dead-man
timer, and the kernel keeps a part of each second for everybody else.

Real-time priority and processors are for a box with some to spare; with two, leave them alone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, StrictInt, StrictStr

from shared.kernel.errors import OperatorFault
from shared.runtime.run_folder import RunFolder
from shared.runtime.settings import load

TABLE = "host"
ORDER_PATH = ("venue", "market_data", "strategy_engine", "risk_engine", "order_router")
"""From the tick to the order, in this order."""
WATCHDOG = "watchdog"
"""Steps back for nobody: it must be able to stop the others."""
MORE_NICE = {"monitor": 5}
"""Following the journals may wait for the ledger too."""


@dataclass(frozen=True, slots=True)
class HostTable:
    """What may stand in `[host]`.

    `order_path_realtime`: SCHED_FIFO priority of the order path, 0 for none. `order_path_cpus`:
    processors it may use, such as `2,3`; empty for all. `others_nice`: how far the ledger steps
    back, because an order must not wait for its bookkeeping; the monitor steps back further.
    """

    order_path_realtime: Annotated[StrictInt, Field(ge=0, le=50)] = 0
    order_path_cpus: Annotated[StrictStr, Field(pattern=r"^([0-9]+(,[0-9]+)*)?$")] = ""
    others_nice: Annotated[StrictInt, Field(ge=0, le=19)] = 5

    @property
    def cpus(self) -> set[int]:
        """The processors named; none: no wish."""
        return {int(number) for number in self.order_path_cpus.split(",") if number}


def read(run: RunFolder) -> HostTable:
    """The run's table; `OperatorFault` names what is wrong in it."""
    return load(HostTable, run.config, TABLE)


def apply(run: RunFolder, service: str) -> None:
    """Ask the kernel for it; `OperatorFault` if this user may not have it."""
    table = read(run)
    if service not in ORDER_PATH:
        if service != WATCHDOG:
            os.nice(table.others_nice + MORE_NICE.get(service, 0))
        return
    if table.cpus:
        _pin(table.cpus)
    if table.order_path_realtime:
        _realtime(table.order_path_realtime)


def _pin(cpus: set[int]) -> None:
    try:
        os.sched_setaffinity(0, cpus)
    except OSError as error:
        here = ",".join(str(number) for number in sorted(os.sched_getaffinity(0)))
        raise OperatorFault(
            "HOST_CPUS",
            field=f"{TABLE}.order_path_cpus",
            value=f"{sorted(cpus)}: {error.strerror}",
            fix=f"Processors of this machine that may be used: {here}.",
        ) from error


def _realtime(priority: int) -> None:
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        raise OperatorFault(
            "HOST_REALTIME",
            field=f"{TABLE}.order_path_realtime",
            value=f"{priority}: {error.strerror}",
            fix="Allow it (`ulimit -r`, or the capability SYS_NICE), or set it to 0.",
        ) from error
