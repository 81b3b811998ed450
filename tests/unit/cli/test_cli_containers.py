"""A run whose services are containers: how it is prepared, and which commands are Docker's work."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.cli import kill
from services.cli.active import active_runs
from services.cli.logs import LogOptions, run_logs
from services.cli.paper import Wanted, prepare
from services.cli.prepare import run_prepare
from services.cli.restart import run_restart
from services.cli.runs import (
    NewRun,
    create_run,
    discard_run,
    find_run,
    publish_run,
    remove_sockets,
)
from services.cli.up import run_down
from services.cli.verify import run_verify
from shared.kernel.errors import OperatorFault
from shared.runtime.beat import Beat, BeatFile
from shared.runtime.host import boot_ns
from shared.runtime.run_folder import COMPOSE, SUPERVISORD

SETTINGS = '[run]\nstrategy = "every_tick"\ninstrument = "ESM30"\n'


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "paper.toml"
    path.write_text(SETTINGS)
    return path


@pytest.fixture
def sockets(tmp_path: Path) -> Path:
    folder = tmp_path / "sockets"
    folder.mkdir(mode=0o700)
    (folder / "somebodys").touch()
    return folder


@pytest.fixture
def root(tmp_path: Path, config: Path, sockets: Path) -> Path:
    """A runs folder in which the run has been prepared."""
    assert run_prepare(config, sockets, tmp_path / "runs", as_json=False) == 0
    return tmp_path / "runs"


def test_it_is_made_once_with_the_shared_sockets(
    root: Path, config: Path, sockets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was prepared once before this."""
    run = find_run(None, root)
    settings = run.settings
    assert (settings.sock_dir, settings.kept_by) == (str(sockets), COMPOSE)
    assert (settings.stage, settings.strategy) == ("paper", "every_tick")
    before = run.config.read_text()
    assert run_prepare(config, sockets, root, as_json=False) == 0
    assert run.config.read_text() == before, "nothing is written again"
    said = capsys.readouterr().out
    assert "every_tick on ESM30, paper" in said and run.config_hash in said


def test_a_changed_setting_is_taken_over_while_nothing_ran(
    root: Path, config: Path, sockets: Path
) -> None:
    config.write_text(SETTINGS + "[risk_engine]\norder_max_lots = 1\n")
    assert run_prepare(config, sockets, root, as_json=False) == 0
    text = find_run(None, root).config.read_text()
    assert "order_max_lots = 1" in text and f'kept_by = "{COMPOSE}"' in text


def test_a_changed_setting_is_refused_behind_a_stop_that_was_not_clean(
    root: Path, config: Path, sockets: Path
) -> None:
    run = find_run(None, root)
    run.journal("risk_engine").write_bytes(b"more than the checkpoint knows")
    config.write_text(SETTINGS + "[risk_engine]\norder_max_lots = 1\n")
    with pytest.raises(OperatorFault, match="STOP_NOT_CLEAN.*risk_engine.*put the old config back"):
        run_prepare(config, sockets, root, as_json=False)
    assert "order_max_lots" not in run.config.read_text()


def test_a_wrong_setting_leaves_no_run_and_no_socket_is_touched(
    tmp_path: Path, config: Path, sockets: Path
) -> None:
    config.write_text("[risk_engine]\norder_max_lotz = 1\n")
    with pytest.raises(OperatorFault, match="order_max_lotz"):
        run_prepare(config, sockets, tmp_path / "runs", as_json=False)
    assert list((tmp_path / "runs" / "paper").iterdir()) == []
    assert (sockets / "somebodys").exists()


def test_sockets_must_be_ours_alone_and_short(tmp_path: Path, config: Path, sockets: Path) -> None:
    sockets.chmod(0o755)
    with pytest.raises(OperatorFault, match="SOCKETS_FOREIGN.*0700"):
        run_prepare(config, sockets, tmp_path / "runs", as_json=False)
    assert not (tmp_path / "runs").exists(), "nothing is made that names them"
    with pytest.raises(OperatorFault, match="SOCKETS_PATH"):
        run_prepare(config, Path("/" + "x" * 70), tmp_path / "other", as_json=False)


def test_other_sockets_are_refused(root: Path, config: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir(mode=0o700)
    with pytest.raises(OperatorFault, match="RUN_DIFFERS.*--sockets"):
        run_prepare(config, other, root, as_json=False)


def test_what_starts_and_stops_processes_says_which_command_does_it_here(root: Path) -> None:
    with pytest.raises(OperatorFault, match="docker compose restart venue"):
        run_restart("venue", None, root, as_json=False)
    with pytest.raises(OperatorFault, match="docker compose stop"):
        run_down(None, root, as_json=False)
    with pytest.raises(OperatorFault, match="docker compose logs venue`"):
        run_logs(LogOptions("venue", 5, False, None, root, as_json=False))
    with pytest.raises(OperatorFault, match="docker compose logs`"):
        run_logs(LogOptions(None, 5, False, None, root, as_json=False))
    with pytest.raises(OperatorFault, match="docker compose up -d"):
        prepare(root, Wanted())


def test_a_volume_is_never_cleared(root: Path, sockets: Path) -> None:
    run = find_run(None, root)
    remove_sockets(run)
    assert (sockets / "somebodys").exists()
    discard_run(run)
    assert (sockets / "somebodys").exists() and not run.root.exists()


def test_a_run_of_processes_says_nothing_of_containers(tmp_path: Path) -> None:
    run = prepare(tmp_path, Wanted())
    assert run.settings.kept_by == SUPERVISORD and "kept_by" not in run.config.read_text()
    remove_sockets(run)


def test_the_way_out_of_a_kill_is_shown_as_it_is_typed_outside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(kill.COMMAND_VARIABLE, raising=False)
    assert kill.resume_command("kill-1-1").startswith("bulkhead resume --kill-id kill-1-1 ")
    monkeypatch.setenv(kill.COMMAND_VARIABLE, "docker compose exec monitor bulkhead")
    wanted = "docker compose exec monitor bulkhead resume --kill-id kill-1-1 "
    assert kill.resume_command("kill-1-1").startswith(wanted)


def test_it_is_up_while_one_of_its_loops_turns(root: Path, sockets: Path) -> None:
    assert active_runs(root) == []
    file = BeatFile(sockets, "venue")
    file.write(Beat(boot_ns() - 60 * 10**9, 7, 1, "TRADING", 1))
    assert active_runs(root) == [], "an old beat is none"
    file.write(Beat(boot_ns(), 7, 1, "TRADING", 1))
    assert [run.root for run in active_runs(root)] == [root / "paper" / "main"]
    file.close()


def test_a_demo_beside_it_does_not_take_its_place(root: Path, sockets: Path) -> None:
    """Whoever asks for status or a kill without a name means what is up."""
    demo = create_run(NewRun("demo", "ESM30", "ema_cross", {"venue": {"data_path": "x"}}), root)
    publish_run(demo, root)
    assert find_run(None, root).root == demo.root
    file = BeatFile(sockets, "watchdog")
    file.write(Beat(boot_ns(), 7, 1, "TRADING", 1))
    file.close()
    assert find_run(None, root).root == root / "paper" / "main"
    remove_sockets(demo)


def test_one_broken_config_does_not_hide_the_others(
    root: Path, sockets: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A kill without a name must find what is up, whatever else lies there."""
    broken = root / "paper" / "broken"
    broken.mkdir()
    (broken / "config.toml").write_text("[run\n")
    file = BeatFile(sockets, "venue")
    file.write(Beat(boot_ns(), 7, 1, "TRADING", 1))
    file.close()
    assert [run.root for run in active_runs(root)] == [root / "paper" / "main"]
    assert "broken/config.toml" in capsys.readouterr().err


def test_a_run_that_is_up_is_not_verified_wherever_it_lies(
    root: Path, sockets: Path, tmp_path: Path
) -> None:
    run = find_run(None, root)
    file = BeatFile(sockets, "venue")
    file.write(Beat(boot_ns(), 7, 1, "TRADING", 1))
    file.close()
    with pytest.raises(OperatorFault, match="RUN_IS_UP"):
        run_verify(run.root, tmp_path / "another_runs_folder", as_json=True)
