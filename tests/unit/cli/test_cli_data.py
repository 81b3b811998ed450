"""`bulkhead data import` and `data list` as a person or a script meets them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from services.cli.data_commands import recorded_path
from shared.kernel.errors import OperatorFault
from shared.runtime.run_folder import REPOSITORY
from tests.unit.catalogue.imports import take, trade, trades_csv


def data(*args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services.cli", "data", *map(str, args)]
    return subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=60
    )


def imported(path: Path, root: Path, code: str = "ESM18") -> tuple[int, dict[str, Any], str]:
    """Exit code, report, stderr."""
    ended = data("import", path, "--instrument", code, "--catalogue", root, "--json")
    return ended.returncode, json.loads(ended.stdout.splitlines()[-1]), ended.stderr


def test_import_list_and_import_again(tmp_path: Path) -> None:
    path, root = trades_csv(tmp_path, trade(0), trade(0), trade(1)), tmp_path / "c"
    code, report, stderr = imported(path, root)
    assert (code, report["ok"], stderr) == (0, True, "")
    counts = ("rows_in", "rows_out", "rows_other", "rows_bad")
    assert [report[name] for name in counts] == [3, 3, 0, 0]
    assert report["files_added"] == ["trades.csv"]
    code, report, _ = imported(path, root)
    assert (code, report["rows_out"], report["files_already"]) == (0, 0, ["trades.csv"])
    said = data("import", path, "--instrument", "ESM18", "--catalogue", root)
    assert "already in the catalogue, nothing added: trades.csv" in said.stdout
    listed = data("list", "--catalogue", root, "--json")
    (held,) = json.loads(listed.stdout)["held"]
    assert (held["instrument"], held["table"], held["rows"]) == ("ESM18", "ticks", 3)
    assert held["first_utc"] == "2018-05-07T13:00:00Z"
    shown = data("list", "--catalogue", root)
    assert "ESM18" in shown.stdout and "2018-05-07 13:00" in shown.stdout


def test_bad_rows_are_named_and_the_good_ones_are_in(tmp_path: Path) -> None:
    path = trades_csv(tmp_path, trade(0), trade(1, "2670.3"), trade(2))
    code, report, stderr = imported(path, tmp_path / "c")
    assert (code, report["ok"], report["rows_out"], report["rows_bad"]) == (65, False, 2, 1)
    assert f"bad row: {path}:3: OFF_TICK: {trade(1, '2670.3')}" in stderr
    assert report["bad_rows"] == [
        {"file": str(path), "line": 3, "reason": "OFF_TICK", "text": trade(1, "2670.3")}
    ]


@pytest.mark.parametrize(("code", "fault"), [
    ("ESU18", "FEED_NO_ROWS"), ("ESM8", "MARKET_BAD_CONTRACT"), ("@ES#", "MARKET_BAD_CONTRACT"),
    ("ES", "MARKET_BAD_CONTRACT"), ("XXM18", "MARKET_UNKNOWN_ROOT"),
])  # fmt: skip
def test_the_wrong_contract(tmp_path: Path, code: str, fault: str) -> None:
    path = trades_csv(tmp_path, trade(0), name="ESM18_trades.csv")
    ended, report, stderr = imported(path, tmp_path / "c", code)
    assert (ended, report["ok"], report["code"]) == (64, False, fault)
    assert stderr.startswith("[operator] ") and "Traceback" not in stderr


def test_a_fault_in_a_folder_tells_what_is_in_already(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    trades_csv(folder, trade(0), name="a.csv")
    (folder / "b.csv.gz").write_bytes(b"no gzip")
    code, report, stderr = imported(folder, tmp_path / "c")
    assert (code, report["ok"], report["code"]) == (64, False, "FEED_DAMAGED_FILE")
    assert (report["files_added"], report["rows_out"]) == (["a.csv"], 1)
    assert "b.csv.gz" in stderr


def test_list_without_a_catalogue_and_with_a_part_gone(tmp_path: Path) -> None:
    ended = data("list", "--catalogue", tmp_path / "none")
    assert ended.returncode == 64 and "CATALOGUE_MISSING" in ended.stderr
    root = tmp_path / "c"
    take(root, trades_csv(tmp_path, trade(0)))
    next(root.glob("*/*.parquet")).unlink()
    ended = data("list", "--catalogue", root)
    assert ended.returncode == 65 and "import that file again" in ended.stderr


def test_what_a_replay_plays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "c"
    take(root, trades_csv(tmp_path, trade(0)))
    assert recorded_path(tmp_path, None) == tmp_path
    assert recorded_path(None, root) == root
    monkeypatch.setenv("BULKHEAD_CATALOGUE", str(root))
    assert recorded_path(None, None) == root
    for path, catalogue, code in ((tmp_path, root, "OPTION_TWO_SOURCES"),
                                  (None, tmp_path / "none", "CATALOGUE_MISSING")):  # fmt: skip
        with pytest.raises(OperatorFault) as caught:
            recorded_path(path, catalogue)
        assert caught.value.code == code


def test_without_pyarrow_the_fix_is_named_and_the_rest_works(tmp_path: Path) -> None:
    """The extra is not there: files are still played, the catalogue says what is missing."""
    path, root = trades_csv(tmp_path, trade(0)), tmp_path / "c"
    script = """
import sys
sys.modules["pyarrow"] = None
from shared.catalogue import open_recorded
from shared.markets import parse_contract
from pathlib import Path
print(len(list(open_recorded(Path(sys.argv[1]), parse_contract("ESM18")))), flush=True)
from services.cli.main import main
sys.argv[1:] = ["data", "import", *sys.argv[1:]]
sys.exit(main())
"""
    command = [sys.executable, "-c", script, str(path), "--instrument", "ESM18"]
    ended = subprocess.run(
        [*command, "--catalogue", str(root)],
        cwd=REPOSITORY, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (ended.returncode, ended.stdout.strip()) == (64, "1"), ended.stderr
    assert "CATALOGUE_NEEDS_PYARROW" in ended.stderr and "bulkhead[data]" in ended.stderr
