"""The text of supervisord.conf, and the checks of a run's config."""

from __future__ import annotations

import configparser
import shlex
import sys
from pathlib import Path

import pytest

from proto_schemas.registry import SERVICES
from services.cli.checks import check_run, opened
from services.cli.runs import NewRun, create_run, remove_sockets
from services.cli.supervisor_config import (
    child_environment,
    control_socket,
    service_programs,
    supervisord_conf,
)
from shared.kernel.errors import OperatorFault
from shared.runtime.run_folder import RunFolder, RunSettings

SETTINGS = RunSettings("demo", "r1", "9f3ac21b77d0", "ESM30", "ema_cross", "/tmp/bulkhead-x")


def conf_of(root: Path) -> configparser.RawConfigParser:
    """Read it the way supervisord does."""
    run = RunFolder(root, SETTINGS)
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"))
    parser.read_string(supervisord_conf(run, service_programs(run)))
    return parser


def test_every_service_of_the_registry_is_one_program() -> None:
    conf = conf_of(Path("/runs/demo/r1"))
    programs = [name for name in conf.sections() if name.startswith("program:")]
    assert programs == [f"program:{name}" for name in SERVICES]
    assert conf["group:bulkhead"]["programs"].split(",") == list(SERVICES)
    for name in SERVICES:
        command = shlex.split(conf[f"program:{name}"]["command"])
        assert command == [sys.executable, "-m", f"services.{name}", "--run", "/runs/demo/r1"]
        assert conf[f"program:{name}"]["stdout_logfile"] == f"/runs/demo/r1/logs/{name}.log"


def test_a_fault_of_the_operator_ends_for_good_and_all_else_restarts() -> None:
    program = conf_of(Path("/runs/demo/r1"))["program:venue"]
    assert program["autorestart"] == "unexpected"
    assert program["exitcodes"] == "64,65"
    assert (program["startsecs"], program["stopsignal"]) == ("0", "TERM")


def test_the_control_socket_is_private() -> None:
    conf = conf_of(Path("/runs/demo/r1"))
    assert conf["unix_http_server"]["chmod"] == "0700"
    assert conf["unix_http_server"]["file"] == str(control_socket(RunFolder(Path("/x"), SETTINGS)))
    assert "inet_http_server" not in conf


def test_percent_signs_and_spaces_in_a_path_survive() -> None:
    program = conf_of(Path("/my runs/100%/r1"))["program:venue"]
    assert shlex.split(program["command"].replace("%%", "%"))[-1] == "/my runs/100%/r1"
    assert program["stdout_logfile"] == "/my runs/100%%/r1/logs/venue.log"


@pytest.mark.parametrize("mark", ['"', "'", ";", "#", "\\", "\n"])
def test_a_path_that_supervisord_would_misread_is_refused(mark: str) -> None:
    with pytest.raises(OperatorFault, match="PATH_UNUSABLE"):
        conf_of(Path(f"/runs/a {mark}b"))


def test_services_inherit_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_PASSWORD", "hunter2")
    monkeypatch.setenv("PATH", "/bin")
    environment = child_environment()
    assert "hunter2" not in environment.values()
    assert environment["PATH"] == "/bin"


# --- config check ---------------------------------------------------------------------------------


def check_text(tmp_path: Path, text: str) -> dict[str, object]:
    path = tmp_path / "my.toml"
    path.write_text(text)
    with opened(path) as run:
        return dict(check_run(run))


def test_a_runs_own_config_passes_and_shows_the_defaults(tmp_path: Path) -> None:
    venue: dict[str, str | int | bool] = {"data_path": "x.csv", "speed_milli": 7}
    run = create_run(NewRun("replay", "ESM30", "ema_cross", {"venue": venue}), tmp_path)
    remove_sockets(run)
    tables = check_run(run)
    assert list(tables) == ["run", "host", *SERVICES]
    assert tables["venue"]["speed_milli"] == 7
    assert all(tables.values()), "every service has settings to show"


def test_a_file_with_settings_only_can_be_checked(tmp_path: Path) -> None:
    assert set(check_text(tmp_path, "[order_router]\norders_per_second_max = 5\n")) > set(SERVICES)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[nonsense]\na = 1\n", "CONFIG_UNKNOWN_TABLE: nonsense"),
        ("stray = 1\n", "CONFIG_UNKNOWN_TABLE: stray"),
        ("[order_router]\norders = 1\n", "CONFIG_UNKNOWN_KEY: order_router.orders"),
        ("[order_router]\norders_per_second_max = 0\n", "CONFIG_VALUE: order_router.orders_per"),
        ("[order_router\n", "CONFIG_SYNTAX"),
    ],
)
def test_each_mistake_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(OperatorFault, match=said):
        check_text(tmp_path, text)


def test_an_unknown_strategy_is_found_before_any_process_starts(tmp_path: Path) -> None:
    run = create_run(
        NewRun("replay", "ESM30", "get_rich", {"venue": {"data_path": "x.csv"}}), tmp_path
    )
    remove_sockets(run)
    with pytest.raises(OperatorFault, match="STRATEGY_UNKNOWN.*get_rich.*ema_cross"):
        check_run(run)
