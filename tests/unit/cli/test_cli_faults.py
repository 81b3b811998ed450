"""What `bulkhead` prints and ends with: one line for a fault, one JSON object, a stable code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from services.cli import exit_codes, main
from services.cli.exit_codes import TimedOut
from services.cli.output import CommandFailed, print_fault, print_json, say
from shared.bus.codec import BadFrame
from shared.kernel.errors import BrokerFault, Fault, OperatorFault, OurFault
from shared.runtime.run_folder import REPOSITORY

FAULT = OperatorFault("DATA_BAD", field="--data", value="two\nlines", fix="Mend it.")


def finished(work: Callable[[], int], as_json: bool = False) -> int:
    with pytest.raises(typer.Exit) as caught:
        main.finish(work, as_json)
    return caught.value.exit_code


def raising(error: BaseException) -> Callable[[], int]:
    def work() -> int:
        raise error

    return work


def bulkhead(*args: str, folder: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services.cli", *args]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize(
    ("kind", "code"),
    [(OperatorFault, 64), (BadFrame, 65), (OurFault, 70), (TimedOut, 75), (BrokerFault, 76)],
)
def test_each_side_has_its_exit_code(kind: type[Fault], code: int) -> None:
    assert finished(raising(kind("A", field="b", value=1, fix="c"))) == code
    assert code in exit_codes.MEANING


def test_the_works_own_code_is_the_commands() -> None:
    assert finished(lambda: 0) == 0
    assert finished(lambda: 1) == 1


def test_a_fault_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    print_fault(FAULT)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "[operator] DATA_BAD: --data = 'two\\nlines'. Mend it.\n"


def test_a_fault_with_json_is_an_object_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert finished(raising(FAULT), as_json=True) == 64
    out, err = capsys.readouterr()
    report = json.loads(out.splitlines()[-1])
    assert report["ok"] is False
    assert (report["code"], report["field"], report["fix"]) == ("DATA_BAD", "--data", "Mend it.")
    assert err.startswith("[operator] DATA_BAD")


def test_a_command_that_failed_half_way_keeps_its_own_keys(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert finished(raising(CommandFailed(FAULT, {"ok": False, "ticks": 3})), as_json=True) == 64
    assert json.loads(capsys.readouterr().out) == {"ok": False, "ticks": 3}


def test_ctrl_c_ends_with_130(capsys: pytest.CaptureFixture[str]) -> None:
    assert finished(raising(KeyboardInterrupt()), as_json=True) == 130
    assert json.loads(capsys.readouterr().out)["error"] == "interrupted"


def test_a_bug_of_ours_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert finished(raising(ValueError("odd"))) == 70
    assert "[bulkhead] BUG: bulkhead = 'ValueError: odd'" in capsys.readouterr().err


def test_json_is_one_line_whatever_is_in_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"run": Path("/a"), "text": "two\nlines", "none": None})
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {"run": "/a", "text": "two\nlines", "none": None}


def test_a_wrong_option_is_the_operators_fault() -> None:
    assert bulkhead("demo", "--no-such-option").returncode == exit_codes.OPERATOR
    assert bulkhead("replay", "x.csv").returncode == exit_codes.OPERATOR


def test_help_is_quick_because_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, services.cli.main; "
        "print([m for m in ('pydantic', 'zmq', 'rich.live', 'msgpack') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_no_run_is_said_with_a_way_out(tmp_path: Path) -> None:
    done = bulkhead("status", "--runs-dir", str(tmp_path), "--json")
    assert done.returncode == exit_codes.OPERATOR
    assert json.loads(done.stdout.splitlines()[-1])["code"] == "RUN_NONE"
    assert "bulkhead demo" in done.stderr


def test_a_reader_that_has_seen_enough_is_no_bug(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def work() -> int:
        say("first")
        return exit_codes.NOT_OK

    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream, monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", stream)
        code = finished(work)
    assert code == exit_codes.OK
    assert "BUG" not in capfd.readouterr().err
