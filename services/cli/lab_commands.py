"""`bulkhead sim` and `bulkhead bench chain`: the lab's drivers, with progress and a report."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from services.cli.exit_codes import NOT_OK, OK
from services.cli.outcome import Outcome
from services.cli.output import note, print_json, say, say_report
from services.cli.playing import play
from services.cli.runs import NewRun, Scalar
from services.cli.screen import Viewing
from shared.runtime.run_folder import RunFolder

NOTE_EVERY_SEEDS = 50
REAL_TIME_MILLI = 1_000


@dataclass(frozen=True, slots=True)
class SimOptions:
    """The options of `sim`. `jobs` None: one process for each core."""

    first_seed: int
    seeds: int
    kills: int
    jobs: int | None
    as_json: bool


def run_sim(options: SimOptions) -> int:
    """Run many seeds; not ok if any of them broke a promise."""
    from services.lab.sim import run_seeds

    seeds, as_json = options.seeds, options.as_json

    def progress(done: int, failed: int) -> None:
        if done == seeds or done % NOTE_EVERY_SEEDS == 0:
            note(f"{done} of {seeds} seeds, {failed} failed")

    jobs = min(options.jobs or os.cpu_count() or 1, seeds)
    shown = None if as_json else progress
    report = run_seeds(options.first_seed, seeds, shown, options.kills, jobs)
    if as_json:
        print_json(report.to_json())
    else:
        say_report(report.to_json())
    return OK if report.ok else NOT_OK


def tell_seed(seed: int, kills: int, as_json: bool) -> int:
    """The story of one seed, line by line; its last line says how it ended."""
    from services.lab.sim import replay_seed

    line = ""
    for line in replay_seed(seed, kills):
        (note if as_json else say)(line)
    ok = line.endswith(": ok")
    if as_json:
        print_json({"ok": ok, "seed": seed, "end": line})
    return OK if ok else NOT_OK


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """The options of `bench chain`."""

    rounds: int
    seconds: int
    rate_per_s: int
    root: Path
    as_json: bool


def run_bench_chain(options: BenchOptions) -> int:
    """Measure tick to order through the real processes, beside bare sockets."""
    from services.lab.bench import bench_chain

    def play_bench(data: Path, instrument: str, strategy: str) -> RunFolder:
        venue: dict[str, Scalar] = {"data_path": str(data), "speed_milli": REAL_TIME_MILLI}
        new = NewRun("bench", instrument, strategy, {"venue": venue})
        return play(new, options.root, Viewing(None), None, Outcome("bench"))

    progress = (lambda line: None) if options.as_json else note
    report = bench_chain(options.rounds, options.seconds, options.rate_per_s, play_bench, progress)
    if options.as_json:
        print_json(report)
    else:
        say_report(report)
    return OK if report.get("ok", True) else NOT_OK
