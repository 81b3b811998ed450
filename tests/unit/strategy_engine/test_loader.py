"""Loading a strategy: what is let in, what is refused, and what the refusal says."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from services.strategy_engine.config import CAME_ALONG
from services.strategy_engine.loader import find_strategy, known_strategies, load_strategy
from shared.kernel.errors import OperatorFault

GOOD = """
from __future__ import annotations
import collections
import math
from dataclasses import dataclass, field
from services.strategy_engine.api import Bar, Context, Side, Strategy

@dataclass
class Memory:
    closes: list[int] = field(default_factory=list)

class Mine(Strategy):
    name = "mine"

    def __init__(self) -> None:
        super().__init__()
        self._memory = Memory()
        self.last = collections.deque([1], 3)

    def on_bar(self, ctx: Context, bar: Bar) -> None:
        self._memory.closes.append(math.isqrt(bar.close_ticks))
"""


def put(folder: Path, text: str, name: str = "mine") -> Path:
    (folder / f"{name}.py").write_text(text)
    return folder


def test_the_strategies_that_come_along_load() -> None:
    assert known_strategies() == ["count_ticks", "ema_cross", "every_tick", "quote_fade"]
    for name in known_strategies():
        assert load_strategy(name).name == name


def test_an_honest_strategy_loads_and_each_load_is_a_fresh_one(tmp_path: Path) -> None:
    put(tmp_path, GOOD)
    one, two = load_strategy("mine", tmp_path), load_strategy("mine", tmp_path)
    assert one is not two
    assert one.name == "mine"


@pytest.mark.parametrize("name", ["mien", "../mine", "__init__", ""])
def test_an_unknown_name_lists_the_known_ones(tmp_path: Path, name: str) -> None:
    put(tmp_path, GOOD)
    with pytest.raises(OperatorFault) as caught:
        load_strategy(name, tmp_path)
    assert caught.value.code == "STRATEGY_UNKNOWN"
    assert "Known strategies: mine." in caught.value.fix


@pytest.mark.parametrize(
    "line",
    [
        "import os",
        "import random",
        "import services.strategy_engine.api",
        "from services.strategy_engine import core",
        "from services.strategy_engine.core import StrategyEngineCore",
        "from . import ema_cross",
        "from statistics import sys",
        "from math import *",
        "import statistics\nseed = statistics.random",
        "import statistics as s\nseed = s.sys.modules",
        "def f():\n    import time",
        "open('x')",
        "keep = open",
        "print(1)",
        "eval('1')",
        "__import__('os')",
        "__builtins__",
        "getattr(Strategy, 'x')",
        "Strategy.__subclasses__()",
        "def f(ctx):\n    return ctx._desk",
        "class A:\n    def f(self):\n        return self.__class__",
        "count = 0\ndef f():\n    global count",
        "raise SystemExit",
    ],
)
def test_a_shortcut_is_refused_before_it_runs(tmp_path: Path, line: str) -> None:
    put(tmp_path, GOOD + line + "\n")
    with pytest.raises(OperatorFault) as caught:
        load_strategy("mine", tmp_path)
    assert caught.value.code == "STRATEGY_FORBIDDEN"
    last = len((GOOD + line).splitlines())
    assert caught.value.field == f"{tmp_path / 'mine.py'}:{last}"
    assert caught.value.fix


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("def broken(:", "STRATEGY_SYNTAX"),
        ("", "STRATEGY_CLASS"),
        (GOOD.replace('"mine"', '"other"'), "STRATEGY_CLASS"),
        (GOOD + "\n1 // 0\n", "STRATEGY_RAISED"),
        (GOOD + '\nclass Twin(Mine):\n    name = "mine"\n', "STRATEGY_CLASS"),
    ],
)
def test_a_file_without_its_one_strategy_is_refused(tmp_path: Path, text: str, code: str) -> None:
    with pytest.raises(OperatorFault) as caught:
        load_strategy("mine", put(tmp_path, text))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("hook", "value"),
    [
        ("def on_trades(self, ctx, trade): ...", "on_trades"),
        ("def on_trade(self, trade): ...", "on_trade"),
        ("def on_start(self, ctx, more): ...", "on_start"),
    ],
)
def test_a_hook_that_nobody_can_call_is_refused_with_its_line(
    tmp_path: Path, hook: str, value: str
) -> None:
    put(tmp_path, f"{GOOD}    {hook}\n")
    with pytest.raises(OperatorFault) as caught:
        load_strategy("mine", tmp_path)
    line = len(GOOD.splitlines()) + 1
    assert (caught.value.code, caught.value.field) == (
        "STRATEGY_HOOK",
        f"{tmp_path / 'mine.py'}:{line}",
    )
    assert value in str(caught.value.value)
    assert "on_start, on_trade" in caught.value.fix or f"def {value}(self, ctx" in caught.value.fix


def test_your_own_folder_comes_first_and_a_name_in_both_is_refused(tmp_path: Path) -> None:
    put(tmp_path, GOOD)
    assert find_strategy("mine", tmp_path, CAME_ALONG) == tmp_path / "mine.py"
    assert find_strategy("ema_cross", tmp_path, CAME_ALONG).parent == CAME_ALONG
    put(tmp_path, GOOD, "ema_cross")
    with pytest.raises(OperatorFault) as caught:
        find_strategy("ema_cross", tmp_path, CAME_ALONG)
    assert caught.value.code == "STRATEGY_TWICE"
    assert str(tmp_path / "ema_cross.py") in caught.value.field


def test_a_load_that_fails_leaves_the_module_that_runs(tmp_path: Path) -> None:
    put(tmp_path, GOOD)
    running = load_strategy("mine", tmp_path)
    name = type(running).__module__
    put(tmp_path, GOOD + "\n1 // 0\n")
    with pytest.raises(OperatorFault):
        load_strategy("mine", tmp_path)
    assert sys.modules[name].Mine is type(running)
