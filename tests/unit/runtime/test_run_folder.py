"""Where a run keeps its things, and what its shared settings may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.kernel.errors import OperatorFault
from shared.runtime.run_folder import RunFolder, code_hash, journal_paths
from shared.runtime.settings import config_hash
from tests.unit.runtime.runs import make_run


def test_every_path_of_a_run_is_inside_its_folder_but_the_sockets(tmp_path: Path) -> None:
    run = make_run(tmp_path, "/tmp/short")
    assert run.config == tmp_path / "config.toml"
    assert run.journal("venue") == tmp_path / "journals" / "venue.journal"
    assert run.log("venue") == tmp_path / "logs" / "venue.log"
    assert run.endpoint("venue", "pub") == "ipc:///tmp/short/venue.pub"
    assert run.lock("venue") == Path("/tmp/short/venue.lock")


def test_the_settings_are_read_from_the_file(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    assert (run.settings.stage, run.settings.instrument) == ("demo", "ESZ24")
    assert run.config_hash == config_hash(run.config)
    assert RunFolder.open(tmp_path) == run


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("stage", "live"),
        ("run_id", "../escape"),
        ("run_id", ""),
        ("install_id", "9F3AC21B77D0"),
        ("instrument", "ES"),
        ("strategy", "Ema Cross"),
        ("sock_dir", "/tmp/" + "x" * 66),
    ],
)
def test_a_setting_out_of_bounds_is_refused(tmp_path: Path, key: str, value: str) -> None:
    with pytest.raises(OperatorFault) as caught:
        make_run(tmp_path, **{key: value})
    assert caught.value.field == f"run.{key}"


def test_a_run_without_settings_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("")
    with pytest.raises(OperatorFault, match="run.stage"):
        RunFolder.open(tmp_path)
    with pytest.raises(OperatorFault, match="CONFIG_MISSING"):
        RunFolder.open(tmp_path / "nowhere")


def test_only_journals_of_services_that_exist_are_listed(tmp_path: Path) -> None:
    (tmp_path / "journals").mkdir()
    for name in ("venue", "order_state", "stranger"):
        (tmp_path / "journals" / f"{name}.journal").touch()
    assert set(journal_paths(tmp_path)) == {"venue", "order_state"}


def test_the_code_hash_is_short_and_steady() -> None:
    assert len(code_hash()) == 12 and code_hash() == code_hash()
