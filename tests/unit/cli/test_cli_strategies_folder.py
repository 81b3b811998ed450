"""Where your own strategies are: named, found, kept, refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from services.cli.checks import check_run, opened
from services.cli.new_strategy import run_new_strategy, template
from services.cli.paper import Wanted, prepare
from services.cli.runs import remove_sockets
from services.cli.strategies_folder import absolute_in, named_in, with_default
from services.strategy_engine.api import Bar, Side
from services.strategy_engine.loader import load_strategy
from shared.kernel.errors import OperatorFault
from shared.runtime.settings import read_toml


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def named(folder: str) -> dict[str, Any]:
    return {"strategy_engine": {"strategies_dir": folder}, "risk_engine": {"order_max_lots": 1}}


def test_a_relative_folder_counts_from_the_config_file(home: Path) -> None:
    found = absolute_in(named("mine"), home / "etc" / "my.toml")
    assert named_in(found) == str(home / "etc" / "mine")
    assert found["risk_engine"] == {"order_max_lots": 1}
    assert absolute_in(named("/srv/mine"), home / "my.toml") == named("/srv/mine")
    assert absolute_in({}, home / "my.toml") == {}


def test_without_a_word_it_is_strategies_here_if_that_is_there(home: Path) -> None:
    assert with_default({}) == {}
    (home / "strategies").mkdir()
    assert named_in(with_default({})) == str(home / "strategies")
    assert named_in(with_default({}, named("/before"))) == "/before"
    assert with_default(named("/said")) == named("/said")
    assert with_default(named("")) == named(""), "none is a word too"


def test_a_paper_run_keeps_its_folder_wherever_up_is_run(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "strategies").mkdir()
    (home / "strategies" / "mine.py").write_text(template("mine"))
    config = home / "my.toml"
    config.write_text('[run]\nstrategy = "mine"\n')
    run = prepare(home / "runs", Wanted(config))
    remove_sockets(run)
    assert named_in(read_toml(run.config)) == str(home / "strategies")
    monkeypatch.chdir("/")
    again = prepare(home / "runs", Wanted(config, speed={"speed_milli": 5}))
    assert named_in(read_toml(again.config)) == str(home / "strategies")


def test_config_check_takes_what_up_takes(home: Path) -> None:
    (home / "mine").mkdir()
    (home / "mine" / "first.py").write_text(template("first"))
    config = home / "my.toml"
    config.write_text('[run]\nstrategy = "first"\n[strategy_engine]\nstrategies_dir = "mine"\n')
    with opened(config) as run:
        assert check_run(run)["run"]["strategy"] == "first"


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        ('[strategy_engine]\nstrategies_dir = "gone"\n', "STRATEGIES_MISSING", "strategies_dir"),
        ("[strategy_engine]\nstrategies_dir = 5\n", "CONFIG_VALUE", "strategies_dir"),
        ("[strategy_engine.inner]\nx = [1, {}]\n", "CONFIG_UNKNOWN_KEY", "strategy_engine.inner"),
        ("[risk_engine]\norder_max_lots = 1979-05-27\n", "CONFIG_VALUE", "order_max_lots"),
    ],
)
def test_what_is_no_folder_is_named(home: Path, text: str, code: str, field: str) -> None:
    config = home / "my.toml"
    config.write_text(text)
    with pytest.raises(OperatorFault) as caught, opened(config) as run:
        check_run(run)
    assert caught.value.code == code and field in caught.value.field


def test_the_template_loads_under_any_good_name(home: Path) -> None:
    for name in ("a", "my_first", "x2_y", "z" * 40):
        assert run_new_strategy(name, None, as_json=False) == 0
        assert load_strategy(name, home / "strategies").name == name


class Wants:
    """The context as the template uses it: flat, permitted, and keeps what is wanted."""

    can_trade, position_lots, open_orders = True, 0, ()

    def __init__(self) -> None:
        self.sides: list[str] = []

    def market(self, side: Side, lots: int, **protection: int) -> None:
        self.sides.append(str(side))


@pytest.mark.parametrize("name", ["side", "bar", "order", "context", "strategy"])
def test_the_template_trades_also_under_a_name_of_what_it_imports(home: Path, name: str) -> None:
    run_new_strategy(name, None, as_json=True)
    made: Any = load_strategy(name, home / "strategies")
    wants = Wants()
    for close_ticks in (10, 11, 12, 11, 10, 20, 1):
        bar = Bar("ESM30", 0, 60_000_000_000, 0, 1, 1, 1, close_ticks, 1, 1)
        made.on_bar(wants, bar)
    assert wants.sides == ["BUY", "SELL"]
