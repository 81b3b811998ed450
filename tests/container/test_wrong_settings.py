"""What is wrong is said once and clearly, and then nothing trades under it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from proto_schemas.registry import SERVICES
from tests.container.conftest import made
from tests.container.stack import BUSY, Stack

OPERATOR = 64
WRONG = {
    "a key that nobody knows": (
        "[risk_engine]\norder_max_lotz = 1\n",
        "risk_engine.order_max_lotz",
    ),
    "a limit looser than the ceiling": ("[risk_engine]\norder_max_lots = 500\n", "order_max_lots"),
    "a strategy that is not there": ('[run]\nstrategy = "get_rich"\n', "run.strategy"),
}


@pytest.fixture(scope="module")
def stack(image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    found = made(tmp_path_factory.mktemp("wrong"), "wrong", image, BULKHEAD_CONFIG="./wrong.toml")
    yield found
    found.down()


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_setting_stops_the_start_with_its_name_and_the_fix(stack: Stack, name: str) -> None:
    text, field = WRONG[name]
    (stack.folder / "wrong.toml").write_text(text)
    said = stack.compose("up", "-d")
    assert said.code != 0 and "prepare" in said.err, said
    ended = stack.inspect("prepare")["State"]
    assert (ended["Status"], ended["ExitCode"]) == ("exited", OPERATOR), ended
    logged = stack.logs("prepare").strip().splitlines()[-1]
    assert "[operator]" in logged and field in logged, logged
    running = {each.Service for each in stack.docker.get_containers()}
    assert running & set(SERVICES) == set(), "something started under a wrong setting"


def test_a_settings_file_that_is_not_there_is_named(stack: Stack) -> None:
    (stack.folder / "wrong.toml").unlink()
    said = stack.compose("up", "-d")
    assert said.code != 0 and "wrong.toml" in said.err, said
    assert not (stack.folder / "wrong.toml").exists(), "nothing was made in its place"


def test_settings_change_over_a_clean_stop_and_never_under_what_trades(trading: Stack) -> None:
    tighter = "\n[risk_engine]\norder_max_lots = 1\n"
    (trading.folder / "busy.toml").write_text(BUSY + tighter)
    said = trading.compose("up", "-d")
    assert said.code != 0, said
    logged = trading.logs("prepare").strip().splitlines()[-1]
    assert "STOP_NOT_CLEAN" in logged, logged
    trading.flows()
    assert order_max_lots(trading) > 1
    assert trading.compose("stop").code == 0
    trading.up()
    assert order_max_lots(trading) == 1
    trading.flows()


def order_max_lots(stack: Stack) -> int:
    """The limit in force."""
    tables = stack.bulkhead("config", "show").report["tables"]
    return int(tables["risk_engine"]["limits"]["order_max_lots"])
