"""`bulkhead doctor`: each verdict on readings that a test chooses, and the whole on this box."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli import doctor, doctor_box, doctor_engine, doctor_runs
from services.cli.doctor_box import ClockReading
from services.cli.findings import Finding
from services.cli.new_strategy import template
from services.cli.runs import NewRun, create_run, make_folder, remove_sockets
from shared.kernel.clock import MS, SECOND
from shared.kernel.errors import OurFault

KEPT_RIGHT = ClockReading(True, 40_000, 9 * MS, -3.2)


def level_of(finding: Finding) -> str:
    assert (finding.level == "ok") == (finding.fix == ""), "a fix stands where one is needed"
    return finding.level


@pytest.mark.parametrize(
    ("finding", "level"),
    [
        (doctor_box.judge_processors(2, 3.9), "ok"),
        (doctor_box.judge_processors(2, 4.1), "warn"),
        (doctor_box.judge_processors(1, 0.0), "warn"),
        (doctor_box.judge_memory(799_000_000), "fail"),
        (doctor_box.judge_memory(1_999_000_000), "warn"),
        (doctor_box.judge_memory(2_000_000_000), "ok"),
        (doctor_box.judge_clock(None), "warn"),
        (doctor_box.judge_clock(ClockReading(False, 0, 0, 0.0)), "warn"),
        (doctor_box.judge_clock(ClockReading(True, 0, 2 * SECOND, 0.0)), "warn"),
        (doctor_box.judge_clock(KEPT_RIGHT), "ok"),
        (doctor_box.judge_wall_time(100.0, 0.0), "ok"),
        (doctor_box.judge_wall_time(100.0, 104.0), "ok"),
        (doctor_box.judge_wall_time(100.0, 107.0), "warn"),
        (doctor_box.judge_sync([MS, 2 * MS, 900 * MS]), "ok"),
        (doctor_box.judge_sync([MS, 21 * MS, 22 * MS]), "warn"),
        (doctor_box.judge_sync([301 * MS] * 3), "fail"),
    ],
)
def test_a_verdict_follows_from_the_reading(finding: Finding, level: str) -> None:
    assert level_of(finding) == level


def test_a_clock_in_step_says_how_well() -> None:
    assert doctor_box.judge_clock(KEPT_RIGHT).seen == (
        "in step, off by 0.040 ms, at most 9 ms, rate corrected by -3.2 ppm"
    )


def test_the_kernel_is_asked_and_not_changed() -> None:
    first, second = doctor_box.read_clock(), doctor_box.read_clock()
    assert first is not None and second is not None
    assert (first.synchronised, round(first.ppm)) == (second.synchronised, round(second.ppm))


def test_memory_is_what_machine_and_container_leave(tmp_path: Path) -> None:
    info = tmp_path / "meminfo"
    info.write_text("MemTotal: 9 kB\nMemAvailable:    1000000 kB\n")
    assert doctor_box.memory_available_bytes(info, tmp_path) == 1_024_000_000
    (tmp_path / "memory.current").write_text("300000000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert doctor_box.memory_available_bytes(info, tmp_path) == 1_024_000_000
    (tmp_path / "memory.max").write_text("500000000\n")
    assert doctor_box.memory_available_bytes(info, tmp_path) == 200_000_000


def test_the_file_system_is_that_of_the_nearest_mount() -> None:
    mounts = "a / ext4 rw 0 0\nb /tmp tmpfs rw 0 0\nc /tmp/x xfs rw 0 0\n"
    kinds = [doctor_box.file_system(Path(p), mounts) for p in ("/", "/tmp", "/tmp/x/y", "/tmpx")]
    assert kinds == ["ext4", "tmpfs", "xfs", "ext4"]


def test_a_disk_is_measured_and_nothing_stays(tmp_path: Path) -> None:
    assert len(doctor_box.sync_times_ns(tmp_path)) == doctor_box.SYNC_TRIES
    assert list(tmp_path.iterdir()) == []
    found = {each.check: each for each in doctor_box.disk(tmp_path / "not" / "yet")}
    assert {"disk", "sync"} <= found.keys()
    assert not (tmp_path / "not").exists(), "a look makes nothing"


# --- container engine ---------------------------------------------------------------------------

CONFIG = {
    "services": {
        "venue": {"image": "bulkhead:1", "build": {}},
        "grafana": {
            "image": "grafana:9",
            "ports": [{"published": "0", "host_ip": "127.0.0.1", "target": 3000}],
        },
    }
}


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for a stand-in of `docker`, alone in the path, and a compose file."""
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    file = tmp_path / "docker-compose.yml"
    file.touch()
    monkeypatch.setattr(doctor_engine, "COMPOSE_FILE", file)
    yield tmp_path


def stand_in(folder: Path, cases: str) -> list[Finding]:
    docker = folder / "docker"
    docker.write_text(f'#!/bin/sh\ncase "$*" in\n{cases}\n*) exit 1;;\nesac\n')
    docker.chmod(0o755)
    return list(doctor_engine.engine(folder))


def test_without_an_engine_all_is_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    [found] = doctor_engine.engine(tmp_path)
    assert level_of(found) == "ok" and "no docker" in found.seen


def test_an_engine_that_is_down_or_without_compose_is_told(engine: Path) -> None:
    [down] = stand_in(engine, "")
    assert level_of(down) == "warn" and "does not answer" in down.seen
    [bare] = stand_in(engine, "version*) echo 27;;")
    assert level_of(bare) == "warn" and bare.seen == "docker 27, without compose"


def test_images_that_are_missing_and_ports_that_are_taken_are_named(engine: Path) -> None:
    config = json.loads(json.dumps(CONFIG))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        config["services"]["grafana"]["ports"][0]["published"] = str(port)
        (engine / "config.json").write_text(json.dumps(config))
        cases = [
            "version*) echo 27;;",
            '"compose version"*) echo 2.30;;',
            f"compose*config*) cat {engine}/config.json;;",
            "compose*ps*) echo venue;;",
            '"image inspect grafana:9") echo [];;',
        ]
        found = {each.check: each for each in stand_in(engine, "\n".join(cases))}
        assert found["engine"].seen == "docker 27, compose 2.30"
        assert level_of(found["images"]) == "warn" and "bulkhead:1" in found["images"].seen
        assert found["images"].fix == "docker compose build"
        assert level_of(found["ports"]) == "warn"
        assert f"{port} (for grafana)" in found["ports"].seen
        cases[3] = "compose*ps*) echo grafana;;"
        found = {each.check: each for each in stand_in(engine, "\n".join(cases))}
        assert level_of(found["ports"]) == "ok", "our own service has its port"


def test_a_compose_file_that_is_refused_is_told(engine: Path) -> None:
    found = stand_in(engine, 'version*) echo 27;;\n"compose version"*) echo 2;;')
    assert [level_of(each) for each in found] == ["ok", "warn"]


# --- runs ---------------------------------------------------------------------------------------


def test_a_socket_folder_is_stale_when_nobody_holds_its_locks(tmp_path: Path) -> None:
    assert not doctor_runs.is_stale(tmp_path), "without locks it may be one that begins"
    lock = tmp_path / "venue.lock"
    lock.touch()
    assert doctor_runs.is_stale(tmp_path)
    handle = os.open(lock, os.O_RDWR)
    fcntl.flock(handle, fcntl.LOCK_EX)
    assert not doctor_runs.is_stale(tmp_path)
    os.close(handle)
    assert not doctor_runs.is_stale(tmp_path / "gone")


def test_a_stale_socket_folder_names_the_run_that_left_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    run = create_run(NewRun("demo", "ESM30", "ema_cross"), tmp_path / "runs")
    (Path(run.settings.sock_dir) / "venue.lock").touch()
    lost = tmp_path / "bulkhead-lost"
    lost.mkdir()
    (lost / "venue.lock").touch()
    found = {each.seen: each for each in doctor_runs.sockets(tmp_path / "runs")}
    assert found[f"{lost}: nobody listens there"].fix == f"rm -r {lost}"
    assert any(each.fix == f"bulkhead down --run {run.root}" for each in found.values())
    remove_sockets(run)


def paper_run(root: Path, folder: Path) -> None:
    tables = {"strategy_engine": {"strategies_dir": str(folder)}, "venue": {"synthetic_seed": 1}}
    made = create_run(
        NewRun("paper", "ESM30", "mine", tables), root, make_folder(root / "paper", "main")
    )
    remove_sockets(made)


def test_strategies_that_do_not_load_are_named_and_the_one_that_trades_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    [none] = doctor_runs.strategies(tmp_path)
    assert level_of(none) == "ok"
    folder = tmp_path / "mine"
    paper_run(tmp_path, folder)
    [gone] = doctor_runs.strategies(tmp_path)
    assert level_of(gone) == "warn" and str(folder) in gone.seen
    folder.mkdir()
    (folder / "mine.py").write_text(template("mine"))
    (folder / "other.py").write_text("import os\n")
    [other] = doctor_runs.strategies(tmp_path)
    assert level_of(other) == "warn" and f"{folder}/other.py:1" in other.seen
    (folder / "other.py").unlink()
    [good] = doctor_runs.strategies(tmp_path)
    assert good.seen == f"{folder}: mine"
    (folder / "mine.py").write_text("def broken(:\n")
    [bad] = doctor_runs.strategies(tmp_path)
    assert level_of(bad) == "fail" and f"{folder}/mine.py:1" in bad.seen


def test_a_wrong_config_of_the_paper_run_is_a_finding(tmp_path: Path) -> None:
    folder = tmp_path / "none"
    folder.mkdir()
    (folder / "mine.py").write_text(template("mine"))
    paper_run(tmp_path, folder)
    config = tmp_path / "paper" / "main" / "config.toml"
    config.write_text(config.read_text() + "\n[risk_engine]\norder_max_lots = 999\n")
    found = {each.check: each for each in doctor_runs.paper(tmp_path)}
    assert level_of(found["config"]) == "fail"
    assert "order_max_lots = 999" in found["config"].seen
    assert {"latch", "journals"} <= found.keys(), "the rest is looked at all the same"


# --- the whole ----------------------------------------------------------------------------------


def run(root: Path, capsys: pytest.CaptureFixture[str], as_json: bool) -> tuple[int, str]:
    code = doctor.run_doctor(root, as_json)
    return code, capsys.readouterr().out


def test_every_check_reports_and_the_exit_code_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out = run(tmp_path / "runs", capsys, as_json=True)
    report = json.loads(out)
    checks = {each["check"] for each in report["findings"]}
    assert {
        *("python", "processors", "memory", "clock", "drift", "disk", "sync", "limits"),
        *("engine", "runs", "sockets", "config", "strategies"),
    } <= checks
    assert (code, report["ok"]) == (0, True), report["error"]
    for each in report["findings"]:
        assert (each["level"] == "ok") == (each["fix"] == ""), each


def test_a_check_that_breaks_is_a_finding_and_what_it_saw_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def breaks(_root: Path) -> Iterator[Finding]:
        yield Finding("breaks", "ok", "so far so good")
        raise OurFault("JOURNAL_DAMAGED", field="record 7", value="x", fix="Keep it.")

    monkeypatch.setattr(doctor, "CHECKS", (breaks,))
    code, out = run(tmp_path, capsys, as_json=False)
    assert code == 1
    first, second, third, last = out.splitlines()
    assert first.endswith("so far so good") and second.startswith("FAIL")
    assert "record 7" in second and "->" in third and last == "NOT fit: 1 to mend"
