"""`bulkhead bench feed`: market events a second from ingestor to strategy, in real processes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from services.cli.exit_codes import NOT_OK, OK
from services.cli.follow import Look, field
from services.cli.output import note, print_json, say_report
from services.cli.playing import checked_run, followed
from services.cli.runs import NewRun, Tables, remove_sockets
from services.cli.supervisor import Supervised
from services.cli.supervisor_config import service_programs
from services.cli.supervisor_control import pids
from services.lab import bench_feed, feed_link
from shared.runtime.run_folder import RunFolder


@dataclass(frozen=True, slots=True)
class FeedBenchOptions:
    """The options of the command."""

    rows: int
    root: Path
    as_json: bool


def run_bench_feed(options: FeedBenchOptions) -> int:
    """Play the rows, then ask the journals; 1 if a row is missing. The same for the link alone."""
    result = _whole_way(options)
    link = _link_alone(options)
    found = {**result, "ok": bool(result["ok"] and link["ok"]), "link": link}
    if options.as_json:
        print_json(found)
    else:
        say_report(result)
        note("the link alone:")
        say_report(link)
    return OK if found["ok"] else NOT_OK


def _whole_way(options: FeedBenchOptions) -> dict[str, object]:
    load_before = os.getloadavg()[0]
    meter = bench_feed.CpuMeter()
    run = _make(options)

    def look(seen: Look) -> None:
        feed_seq = field(seen.report, "feed_seq")
        meter.look(pids(seen.processes), feed_seq if isinstance(feed_seq, int) else 0, options.rows)

    if not options.as_json:
        note(f"{options.rows:,} made-up rows, as fast as they go")
    followed(run, look)
    return bench_feed.report(run, options.rows, meter, load_before)


def _link_alone(options: FeedBenchOptions) -> dict[str, object]:
    load_before = os.getloadavg()[0]
    meter, rows = bench_feed.CpuMeter(), options.rows * bench_feed.LINK_ROWS_TIMES
    frames = feed_link.encoded_bursts(bench_feed.INSTRUMENT, rows, bench_feed.SEED)
    run = _make(options)
    programs = tuple(p for p in service_programs(run) if p.name in bench_feed.THE_LINK)
    try:
        with (
            feed_link.Feeder(run, frames, rows, bench_feed.CREDIT_EVENTS) as feeder,
            Supervised(run, programs) as supervised,
        ):
            if not options.as_json:
                note(f"{rows:,} rows in bursts, to ingestor and strategy engine alone")

            def look(handled: int) -> None:
                meter.look(pids(supervised.check()), handled, rows)

            feeder.feed(look)
    finally:
        remove_sockets(run)
    return bench_feed.report(run, rows, meter, load_before)


def _make(options: FeedBenchOptions) -> RunFolder:
    seed, rows = bench_feed.SEED, options.rows
    tables: Tables = {
        "venue": {"synthetic_seed": seed, "synthetic_rows": rows, "speed_milli": 0},
        "market_data": {"credit_events": bench_feed.CREDIT_EVENTS},
        "strategy_engine": {"progress_every": bench_feed.PROGRESS_EVERY},
    }
    new = NewRun("bench", bench_feed.INSTRUMENT, bench_feed.STRATEGY, tables)
    return checked_run(new, options.root)
