"""The simulator on every run: seeds hold, a seed is one story, and shrunk failures stay fixed."""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import blake2b
from pathlib import Path

import pytest

from services.lab.sim import SimReport, replay_seed, run_seed, run_seeds

REPOSITORY = Path(__file__).resolve().parents[2]
REGRESSIONS = Path(__file__).parent / "regressions.txt"
STORY_OF_A_SEED = """
import sys
from hashlib import blake2b
from services.lab.sim import replay_seed
print(blake2b("\\n".join(replay_seed(int(sys.argv[1]))).encode(), digest_size=16).hexdigest())
"""


def test_no_seed_breaks_an_invariant() -> None:
    report = run_seeds(first_seed=1_000, seeds=60, jobs=os.cpu_count() or 1)
    assert [f"{each.seed}: {each.invariant} {each.detail}" for each in report.failures] == []
    assert report.counts["orders_at_venue"] > 1_000
    assert report.counts["kills"] > 100
    assert report.counts["lost"] > 500
    assert report.counts["doubled"] > 500


def regressions() -> list[tuple[int, int]]:
    """Seed, and how often it pulls the kill switch (`kills=5` behind the seed)."""
    rows = [line.split() for line in REGRESSIONS.open() if line[0] != "#"]
    return [
        (int(row[0]), int(row[1].removeprefix("kills=")) if row[1].startswith("kills=") else 0)
        for row in rows
    ]


@pytest.mark.parametrize(("seed", "kills"), regressions())
def test_a_seed_that_once_failed_holds(seed: int, kills: int) -> None:
    failure = run_seed(seed, SimReport(seed), kills=kills)
    assert failure is None, failure


def test_fifty_kills_at_random_moments_end_flat_and_trade_again() -> None:
    report = run_seeds(first_seed=5_000, seeds=10, kills=5, jobs=os.cpu_count() or 1)
    assert [f"{each.replay}: {each.invariant} {each.detail}" for each in report.failures] == []
    assert report.counts["kill_switches"] == 50
    assert report.counts["orders_at_venue"] > 1_000
    assert report.counts["checkpoints_proven"] > 0


def test_a_seed_tells_the_same_story_twice_and_in_another_process_with_other_hashes() -> None:
    here = blake2b("\n".join(replay_seed(7)).encode(), digest_size=16).hexdigest()
    again = blake2b("\n".join(replay_seed(7)).encode(), digest_size=16).hexdigest()
    environment = {**os.environ, "PYTHONHASHSEED": "4242", "PYTHONPATH": str(REPOSITORY)}
    elsewhere = subprocess.run(
        [sys.executable, "-c", STORY_OF_A_SEED, "7"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert here == again == elsewhere


def test_two_seeds_tell_different_stories() -> None:
    assert list(replay_seed(7)) != list(replay_seed(8))
