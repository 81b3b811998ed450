"""Run folders: private, complete, found again, and nothing left of one that never started."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cli import runs
from services.cli.runs import (
    NewRun,
    create_run,
    discard_run,
    find_run,
    is_ours,
    publish_run,
    remove_sockets,
    toml_text,
)
from shared.kernel.errors import OperatorFault
from shared.runtime.run_folder import RunFolder

DEMO = NewRun(
    "demo", "ESM30", "ema_cross", {"venue": {"data_path": 'a "b" \\ é', "speed_milli": 7}}
)


def made(root: Path, new: NewRun = DEMO) -> RunFolder:
    """A run whose sockets are not needed."""
    run = create_run(new, root)
    publish_run(run, root)
    remove_sockets(run)
    return run


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_settings_read_back_as_they_were_given(tmp_path: Path) -> None:
    run = made(tmp_path)
    again = RunFolder.open(run.root)
    assert again == run
    settings = run.settings
    assert (settings.stage, settings.instrument, settings.strategy) == (
        "demo",
        "ESM30",
        "ema_cross",
    )
    assert settings.run_id == run.root.name
    tables = tomllib.loads(run.config.read_text())
    assert tables["venue"] == {"data_path": 'a "b" \\ é', "speed_milli": 7}
    assert set(tables) == {"run", "venue"}


def test_folders_are_private(tmp_path: Path) -> None:
    run = create_run(DEMO, tmp_path / "runs")
    sock_dir = Path(run.settings.sock_dir)
    folders = (run.root, run.root.parent, sock_dir, *(run.root / n for n in runs.SUBFOLDERS))
    assert {mode(folder) for folder in folders} == {0o700}
    assert len(run.settings.sock_dir) <= 70
    assert is_ours(run)
    sock_dir.chmod(0o755)
    assert not is_ours(run)
    remove_sockets(run)
    assert not is_ours(run)


def test_a_long_temporary_folder_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("x" * 80)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    run = create_run(DEMO, tmp_path)
    assert len(run.settings.sock_dir) <= 70
    assert list(long.iterdir()) == []
    remove_sockets(run)


def test_every_run_has_an_install_id_of_its_own(tmp_path: Path) -> None:
    assert made(tmp_path).settings.install_id != made(tmp_path).settings.install_id


def test_latest_is_the_newest_and_others_are_found_by_folder_or_id(tmp_path: Path) -> None:
    first, second = made(tmp_path), made(tmp_path)
    assert find_run(None, tmp_path).root == second.root
    assert find_run(first.root, tmp_path).root == first.root
    assert find_run(Path(first.root.name), tmp_path).root == first.root
    assert not list(tmp_path.glob(".latest*"))


def test_no_run_is_the_operators_fault_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(OperatorFault, match=r"RUN_NONE.*bulkhead demo"):
        find_run(None, tmp_path)
    with pytest.raises(OperatorFault, match="RUN_MISSING.*nonsense"):
        find_run(Path("nonsense"), tmp_path)


def test_a_run_that_never_started_leaves_nothing(tmp_path: Path) -> None:
    run = create_run(DEMO, tmp_path)
    discard_run(run)
    assert not run.root.exists() and not Path(run.settings.sock_dir).exists()
    assert not (tmp_path / "latest").exists()


def test_a_bad_instrument_is_refused_before_a_folder_stays(tmp_path: Path) -> None:
    with pytest.raises(OperatorFault, match="run.instrument"):
        create_run(NewRun("demo", "ES1!", "ema_cross"), tmp_path)
    assert list((tmp_path / "demo").iterdir()) == []


def test_a_folder_named_latest_is_in_the_way_and_stays(tmp_path: Path) -> None:
    (tmp_path / "latest").mkdir()
    run = create_run(DEMO, tmp_path)
    with pytest.raises(OperatorFault, match="RUNS_LATEST"):
        publish_run(run, tmp_path)
    assert (tmp_path / "latest").is_dir() and not list(tmp_path.glob(".latest*"))
    remove_sockets(run)


def test_the_environment_names_the_runs_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(runs.RUNS_VARIABLE, str(tmp_path))
    assert runs.runs_root(None) == tmp_path
    assert runs.runs_root(Path("/elsewhere")) == Path("/elsewhere")
    monkeypatch.delenv(runs.RUNS_VARIABLE)
    assert runs.runs_root(None) == Path("runs").absolute()


values = (
    st.text(st.characters(codec="utf-8", exclude_characters="\x7f")) | st.integers() | st.booleans()
)


@given(st.dictionaries(st.sampled_from("abcde"), values, min_size=1))
def test_config_text_reads_back_as_it_was_written(table: dict[str, str | int | bool]) -> None:
    assert tomllib.loads(toml_text({"venue": table, "empty": {}})) == {"venue": table}
