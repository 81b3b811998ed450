"""Pure files give the same outputs for the same inputs, in any process, on any day.

Replay, verify, backtest and the simulator all rest on this. import-linter keeps whole modules away
from clocks and sockets, even indirectly; here the syntax trees are read for what imports do not
show. The rules are in determinism_rules.py.
"""

from __future__ import annotations

from fnmatch import fnmatch

import pytest

from tests.arch import determinism_rules as rules
from tests.arch.source import Checker, Source, check_all, product_sources, snippet

PURE_FOLDERS = ("proto_schemas/*", "shared/kernel/*", "shared/markets/*", "shared/venue/*")
PURE_FILES = (
    "shared/bus/*",
    "shared/brokers/*",
    "shared/feeds/chance.py",
    "shared/feeds/synthetic.py",
    "shared/feeds/synthetic_book.py",
    "shared/feeds/synthetic_rate.py",
    "shared/runtime/admission.py",
    "shared/runtime/bursts.py",
    "shared/runtime/effects.py",
    "shared/runtime/engine.py",
    "shared/runtime/record.py",
    "shared/runtime/snapshots.py",
)
# Every module of a service is pure, except its shell and the rows below: pattern -> reason.
SHELL = ("service.py", "config.py", "__main__.py")
IMPURE = {
    "services/strategy_engine/loader.py": "reads strategy files from disk",
    "services/strategy_engine/source_file.py": "reads the strategy's file for the core",
    "services/strategy_engine/guard.py": "cuts off a hook by the processor's clock",
    "services/strategy_engine/memory.py": "tells objects of a strategy apart by their identity",
    "services/watchdog/ways_in.py": "looks for the file KILL and hears a signal",
    "services/venue/record.py": "writes the venue's account to disk",
    "services/venue/feed_pump.py": "opens the feed and reads it",
    "services/lab/faults.py": "draws faults from a seeded Random, the lab's only chance",
    "services/lab/fleet.py": "draws a made-up market from a seeded Random",
    "services/lab/scenarios.py": "draws the moments of kills from a seeded Random",
    "services/lab/sim.py": "seeds the Random of a run and times a batch for the report",
    "services/lab/links.py": "draws losses and delays from a seeded Random",
    "services/lab/world.py": "draws delays and kills from a seeded Random",
    "services/lab/contract_pages.py": "writes the generated documents; no process imports it",
    "services/lab/market_figures.py": "writes a generated document; no process imports it",
    "services/lab/chaos.py": "kills real processes and hears them come back",
    "services/lab/chaos_check.py": "reads the files of a run that has ended",
    "services/lab/lockstep.py": "writes the files of a run",
    "services/lab/run_cores.py": "builds the services of a run, which log",
    "services/lab/bench.py": "drives real processes and measures them",
    "services/lab/bench_figures.py": "measures processes and processor time",
    "services/lab/bench_feed.py": "measures real processes and reads their journals",
    "services/lab/feed_link.py": "feeds real processes",
    "services/lab/floors.py": "measures bare sockets",
    "services/cli/*": "talks to a person and to processes",
}


def is_pure(path: str) -> bool:
    """Whether the file at this path promises to be deterministic."""
    if any(fnmatch(path, pattern) for pattern in IMPURE):
        return False
    if path.startswith("services/"):
        return path.rsplit("/", 1)[-1] not in SHELL
    return any(fnmatch(path, pattern) for pattern in PURE_FILES + PURE_FOLDERS)


def pure_sources() -> list[Source]:
    return [source for source in product_sources() if is_pure(source.path)]


def test_pure_files_import_nothing_impure() -> None:
    check_all(rules.impure_imports, pure_sources())


def test_pure_files_iterate_over_no_set() -> None:
    check_all(rules.set_iteration, pure_sources())


def test_pure_files_use_neither_hash_nor_id() -> None:
    check_all(rules.address_calls, pure_sources())


def test_pure_files_have_no_default_that_reads_the_world() -> None:
    check_all(rules.world_defaults, pure_sources())


def test_pure_files_divide_no_money_into_floats() -> None:
    check_all(rules.money_division, pure_sources())


def test_no_core_and_no_kernel_is_listed_as_impure() -> None:
    """The table is for extras. What the promise rests on can never get a row."""
    for path in ("services/watchdog/core.py", "shared/kernel/money.py", "shared/venue/matching.py"):
        assert is_pure(path)
    assert not any(pattern.endswith("core.py") for pattern in IMPURE)
    assert all(len(reason) > 10 for reason in IMPURE.values())


def test_shells_are_not_pure() -> None:
    for path in ("services/venue/service.py", "services/cli/main.py", "shared/runtime/host.py"):
        assert not is_pure(path)


# (checker, code that keeps the rule, code that breaks it)
CASES: list[tuple[Checker, str, str]] = [
    (rules.impure_imports, "import timeit_of_ours", "import time"),
    (rules.impure_imports, "from shared.kernel import clock", "from os import path"),
    (rules.impure_imports, "import math", "def f():\n    import zmq.asyncio"),
    (rules.set_iteration, "for a in sorted({1, 2}): ...", "for a in {1, 2}: ..."),
    (rules.set_iteration, "for a in (1, 2): ...", "for a in set(b): ..."),
    (rules.set_iteration, "a = {b: 1 for b in c}", "a = [b for b in frozenset(c)]"),
    (rules.set_iteration, "a = 1 in {1, 2}", "a = list({1, 2})"),
    (rules.set_iteration, "a = set(b)\nd = len(a)", "a = set(b)\nfor c in a: ..."),
    (rules.set_iteration, "a: dict[str, int]\nlist(a)", "a: set[str]\nfor c in self.a: ..."),
    (rules.set_iteration, "a = sorted(b | {1})", "a = ','.join(b.union(c))"),
    (rules.set_iteration, "a = {}\na.pop(1)", "a = {1, 2}\na.pop()"),
    (rules.address_calls, "self.hash(a)", "a = hash('b')"),
    (rules.address_calls, "order.id", "a = id(b)"),
    (rules.world_defaults, "field(default_factory=list)", "field(default_factory=time.time_ns)"),
    (rules.world_defaults, "field(default=0)", "field(default_factory=lambda: str(uuid4()))"),
    (rules.money_division, "a = price_ticks // 2", "a = price_ticks / 2"),
    (rules.money_division, "a = ratio / 2", "a = (2 * self.profit_cents) / ratio"),
    (rules.money_division, "a = 1 * open_lots", "open_lots /= 2"),
]


@pytest.mark.parametrize(("checker", "good", "bad"), CASES)
def test_a_rule_can_fail(checker: Checker, good: str, bad: str) -> None:
    assert checker(snippet(good)) == []
    problems = checker(snippet(bad))
    assert problems, "the rule let the bad snippet pass"
    assert all(problem.line >= 1 and problem.fix for problem in problems)


def test_every_rule_has_a_failing_case() -> None:
    assert {checker for checker, _, _ in CASES} == set(rules.CHECKERS)
