"""`bulkhead bench figures`: memory, processor time, hops and saturation, in real processes."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from services.cli.exit_codes import OK
from services.cli.follow import Look
from services.cli.output import note, print_json, say_report
from services.cli.playing import checked_run, followed
from services.cli.runs import NewRun, Tables
from services.cli.supervisor_control import pids
from services.lab import bench, bench_figures
from services.lab.chain_times import read_times
from services.lab.floors import saturation
from shared.runtime.run_folder import RunFolder

REAL_TIME_MILLI = 1_000
AT_ONCE_MILLI = 0
FLOOR_S = 3.0
ROWS_AT_ONCE = 20_000
"""So many that the way is full for seconds, with as many orders open as the strategy lets be."""


@dataclass(frozen=True, slots=True)
class FiguresOptions:
    """The options of the command."""

    seconds: int
    rate_per_s: int
    root: Path
    as_json: bool


def run_bench_figures(options: FiguresOptions) -> int:
    """One run at the rate, one as fast as it goes, and the bare sockets' own saturation."""
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="bulkhead-bench-") as name:
        folder = Path(name)
        data = bench.write_ticks(folder / "ticks.csv", options.rate_per_s, options.seconds)
        memory = bench_figures.MemoryMeter()
        paced = _played(options, data, REAL_TIME_MILLI, memory)
        many = bench.write_ticks(folder / "many.csv", ROWS_AT_ONCE, 1)
        at_once = _played(options, many, AT_ONCE_MILLI, memory)
        floor_per_s = saturation("unix", folder, FLOOR_S)
    times = read_times(paced)
    full_per_s = bench_figures.saturation_per_s(read_times(at_once))
    result: dict[str, object] = {
        "rate": options.rate_per_s,
        **bench_figures.latency_us(times),
        "core_us_per_order": bench_figures.core_us_per_order(
            paced, len(times.orders_ns.get("venue", {}))
        ),
        "memory_mib": memory.mib(),
        "saturation_per_s": full_per_s,
        "floor_saturation_per_s": round(floor_per_s),
        "saturation_ratio_f": round(full_per_s / floor_per_s, 3),
        "loadavg": [round(load_before, 2), round(os.getloadavg()[0], 2)],
        "cores": os.cpu_count() or 1,
    }
    if options.as_json:
        print_json(result)
    else:
        say_report(result)
    return OK


def _played(
    options: FiguresOptions, data: Path, speed_milli: int, memory: bench_figures.MemoryMeter
) -> RunFolder:
    tables: Tables = {"venue": {"data_path": str(data), "speed_milli": speed_milli}}
    run = checked_run(NewRun("bench", bench.INSTRUMENT, bench.STRATEGY, tables), options.root)

    def look(seen: Look) -> None:
        memory.look(pids(seen.processes))

    if not options.as_json:
        note("as fast as it goes" if not speed_milli else f"{options.rate_per_s} ticks a second")
    followed(run, look)
    return run
