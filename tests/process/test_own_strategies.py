"""The README's worked example, word for word, and what a reload leaves behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from proto_schemas.base import Message
from proto_schemas.control import StrategyFile
from proto_schemas.signals import Decision
from shared.journal import read_journal
from shared.runtime.record import unpack_record
from tests.process.conftest import COMMAND, ROOT
from tests.process.trading import run_of, wait_until

if TYPE_CHECKING:
    from tests.process.conftest import Bulkhead

ENGINE = "strategy_engine"
SECTION = re.compile(r"^## Your own strategy\n(.*?)^## ", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)


class Shell:
    """Runs commands as a person would: in a folder of their own, with `bulkhead` in the path."""

    def __init__(self, bulkhead: Bulkhead) -> None:
        self.folder = bulkhead.runs_dir.parent / "home"
        tools = self.folder / "bin"
        tools.mkdir(parents=True)
        command = " ".join(COMMAND)
        (tools / "bulkhead").write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (tools / "bulkhead").chmod(0o755)
        (self.folder / "shared").symlink_to(ROOT / "shared")
        self.environment = {
            **os.environ,
            "PATH": f"{tools}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "BULKHEAD_RUNS": str(bulkhead.runs_dir),
        }
        self.run = run_of(bulkhead)
        self.strategy = self.folder / "strategies" / "first_steps.py"

    def __call__(self, lines: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", lines],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )

    def good(self, lines: str) -> str:
        ended = self(lines)
        assert ended.returncode == 0, (lines, ended.stdout[-2000:], ended.stderr[-2000:])
        return ended.stdout + ended.stderr

    def journal(self, service: str) -> list[Message]:
        found = read_journal(self.run / "journals" / f"{service}.journal", service, "main")
        return [unpack_record(payload)[0].body for payload in found.records]

    def log(self) -> str:
        return (self.run / "logs" / f"{ENGINE}.log").read_text()


@pytest.fixture
def shell(bulkhead: Bulkhead) -> Iterator[Shell]:
    made = Shell(bulkhead)
    yield made
    made("bulkhead down")


def readme_blocks() -> list[str]:
    section = SECTION.search((ROOT / "README.md").read_text(encoding="utf-8"))
    assert section is not None
    return BLOCK.findall(section[1])


@pytest.mark.timeout(240)
def test_the_readme_example_runs_word_for_word(shell: Shell) -> None:
    write_and_replay, tighten, change = readme_blocks()
    assert "FLAT" in shell.good(write_and_replay).upper()
    assert "TRADING" in shell.good(tighten)
    config = (shell.run / "config.toml").read_text()
    assert "order_max_lots = 1" in config and str(shell.strategy.parent) in config
    wait_until("an order passes", lambda: decisions(shell, approved=True) > 0)

    edit, reload, *rest = change.splitlines()
    shell.good(f"{edit}\n{reload}")
    wait_until("the limit holds", lambda: "ORDER_SIZE" in shell.log())
    said = shell.good("\n".join(rest))
    assert "ORDER_SIZE" in said, "the log says why"

    first, second = (body for body in shell.journal(ENGINE) if isinstance(body, StrategyFile))
    assert "\nLOTS = 1\n" in first.source and "\nLOTS = 2\n" in second.source
    assert second.source == shell.strategy.read_text()
    assert second.source_hash == sha256(shell.strategy.read_bytes()).hexdigest()


def decisions(shell: Shell, approved: bool) -> int:
    if not (shell.run / "journals" / f"{ENGINE}.journal").exists():
        return 0
    return sum(
        isinstance(body, Decision) and body.approved is approved for body in shell.journal(ENGINE)
    )


@pytest.mark.timeout(240)
def test_bad_code_changes_nothing_and_a_kill_brings_back_the_code_that_ran(
    shell: Shell, bulkhead: Bulkhead
) -> None:
    shell.good("bulkhead new-strategy first_steps\nbulkhead up --strategy first_steps --speed 10")
    good = shell.strategy.read_text()
    runs = sha256(good.encode()).hexdigest()
    assert runs in shell.good("bulkhead reload")

    shell.strategy.write_text(f"{good}import os\n")
    refused = shell("bulkhead reload --keep-position")
    assert refused.returncode == 64
    line = len(good.splitlines()) + 1
    assert f"{shell.strategy}:{line}" in refused.stderr and "goes on" in refused.stderr

    pid = bulkhead.kill(ENGINE, signal.SIGKILL)
    bulkhead.wait_for(ENGINE, other_than=pid)
    wait_until("it says so", lambda: "strategy_file_differs" in shell.log())
    shell.strategy.write_text(good)
    wait_until("it answers", lambda: shell("bulkhead reload").returncode == 0)
    assert "already" in shell.good("bulkhead reload"), "the code that ran runs again"

    shell.strategy.write_text(f"{good}# changed\n")
    told = f"{shell.strategy} is not the code that runs"
    assert told in shell.good("bulkhead down\nbulkhead up"), "a start does not change it"
    shell.strategy.unlink()
    shell.good("bulkhead down\nbulkhead up")
    assert shell.log().count('"checkpoint": "used"') == 2, "nothing is stepped twice"
    gone = shell("bulkhead reload --json")
    assert gone.returncode == 64 and "STRATEGY_UNKNOWN" in gone.stdout


STUCK = '''"""Buys once, and does not come back from the twentieth trade after it."""

from services.strategy_engine.api import Context, Side, Strategy, Trade


class StuckStrategy(Strategy):
    """See the file's docstring."""

    name = "stuck"

    def __init__(self) -> None:
        self.since = 0

    def on_trade(self, ctx: Context, trade: Trade) -> None:
        """Count from the order on."""
        self.since += bool(self.since)
        if not self.since and ctx.can_trade:
            ctx.market(Side.BUY, 1)
            self.since = 1
        while self.since == 20:
            pass
'''


def test_one_that_hangs_is_cut_off_in_lockstep_too_and_its_run_is_made_again_alike(
    shell: Shell,
) -> None:
    shell.good("bulkhead new-strategy stuck")
    (shell.folder / "strategies" / "stuck.py").write_text(STUCK)
    sample = "shared/feeds/samples/ESM30_demo_trades.csv.gz --instrument ESM30"
    ended = shell(f"bulkhead replay {sample} --strategy stuck --lockstep --json")
    report = json.loads(ended.stdout.splitlines()[-1])
    assert ended.returncode == 1 and report["error"].startswith("strategy_too_slow"), ended
    assert report["services"][ENGINE]["state"] == "PAUSED"
    assert (report["fills"], report["position_lots"], report["broker_position_lots"]) == (2, 0, 0)
    assert "EQUAL" in shell.good(f"bulkhead verify {report['run']}")


def test_new_strategy_refuses_what_would_hurt(shell: Shell) -> None:
    shell.good("bulkhead new-strategy mine")
    mine = shell.folder / "strategies" / "mine.py"
    mine.write_text("my work\n")
    for name, code in {
        "mine": "FILE_EXISTS",
        "ema_cross": "STRATEGY_TWICE",
        "Mine": "STRATEGY_NAME",
        "../mine": "STRATEGY_NAME",
        "class": "STRATEGY_NAME",
    }.items():
        ended = shell(f"bulkhead new-strategy {name} --json")
        assert ended.returncode == 64 and code in ended.stdout, (name, ended)
    assert mine.read_text() == "my work\n"
    assert sys.executable in COMMAND
    missing = shell(
        "printf '[strategy_engine]\\nstrategies_dir = \"gone\"\\n' > my.toml\n"
        "bulkhead up --config my.toml"
    )
    assert missing.returncode == 64, missing
    assert f"strategies_dir = '{shell.folder}/gone'" in missing.stderr
