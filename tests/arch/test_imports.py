"""Who may import whom: the contracts of .importlinter, and what they cannot say.

Kept apart on purpose: a folder that no layer names, and the allow list for strategies.
"""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.arch.source import (
    DAEMONS,
    ROOT,
    Problem,
    Source,
    check_all,
    imported_modules,
    is_within,
    require_none,
    snippet,
)

CONTRACTS = ROOT / ".importlinter"
STRATEGIES = "services/strategy_engine/strategies/"
STRATEGY_MAY_IMPORT = (
    "__future__",
    "collections",
    "dataclasses",
    "math",
    "statistics",
    "typing",
    "services.strategy_engine.api",
    "services.strategy_engine.strategies",
    "shared.kernel",
    "proto_schemas",
)
LINT = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run import-linter in this Python on the tree in `folder`."""
    command = [sys.executable, "-c", LINT, "--config", str(CONTRACTS), "--no-cache"]
    wide = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(
        command, cwd=folder, env=wide, capture_output=True, text=True, check=False
    )


def test_every_import_contract_is_kept() -> None:
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]


def layer_names() -> set[str]:
    parser = configparser.ConfigParser()
    parser.read(CONTRACTS, encoding="utf-8")
    text = parser["importlinter:contract:layers"]["layers"]
    return {name.strip() for line in text.splitlines() for name in line.split("|") if name.strip()}


def unlayered(root: Path, layers: set[str]) -> list[Problem]:
    """Folders of services/ and shared/ that no layer names: nothing guards their imports."""
    fix = "give it a layer in .importlinter"
    return [
        Problem(f"{top}/{path.name}", 1, "folder without a layer", fix)
        for top in ("services", "shared")
        for path in sorted((root / top).iterdir())
        if path.is_dir() and any(path.glob("*.py")) and f"{top}.{path.name}" not in layers
    ]


def test_every_folder_has_a_layer() -> None:
    require_none(unlayered(ROOT, layer_names()))


def test_every_daemon_has_a_layer() -> None:
    assert {f"services.{daemon}" for daemon in DAEMONS} <= layer_names()


def test_a_folder_without_a_layer_is_caught(tmp_path: Path) -> None:
    for name in ("services/venue", "shared/magic"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "__init__.py").touch()
    assert [problem.path for problem in unlayered(tmp_path, layer_names())] == ["shared/magic"]


def strategy_imports(source: Source) -> list[Problem]:
    if not source.path.startswith(STRATEGIES):
        return []
    fix = f"a strategy may import only {', '.join(STRATEGY_MAY_IMPORT)}"
    return [
        source.problem(line, f"imports {name}", fix)
        for line, name in imported_modules(source)
        if not any(is_within(name, allowed) for allowed in STRATEGY_MAY_IMPORT)
    ]


def test_strategies_import_only_what_is_allowed() -> None:
    check_all(strategy_imports)


def test_a_strategy_that_reaches_out_is_caught() -> None:
    path = STRATEGIES + "greedy.py"
    assert (
        strategy_imports(snippet("from services.strategy_engine.api import Strategy", path)) == []
    )
    for bad in ("import os", "from services.strategy_engine import core", "from . import api"):
        assert strategy_imports(snippet(bad, path))


# Each row: a file of a small made-up tree, a line put into it, the contract that must break.
BREAKS = [
    ("services/venue/core.py", "import services.risk_engine.core", "Layers"),
    ("shared/kernel/extra.py", "import shared.bus.codec", "Layers"),
    ("services/risk_engine/core.py", "import time", "Pure code"),
    ("services/risk_engine/core.py", "import shared.runtime.host", "Pure code"),
    ("services/venue/core.py", "import shared.brokers", "Only the router"),
    ("services/monitor/core.py", "import shared.feeds", "Only the venue opens"),
    ("services/cli/main.py", "import services.venue.record", "Only the venue writes"),
    ("services/strategy_engine/strategies/one.py", "import shared.journal", "A strategy sees"),
    ("services/lab/backtest.py", "import services.venue.service", "The lab composes"),
    ("services/lab/backtest.py", "import shared.runtime.host", "The lab composes"),
    ("shared/bus/codec.py", "import tests.arch", "Nobody imports"),
    ("services/venue/record.py", "import services.venue.core as core", "No import cycles"),
]


@pytest.fixture(scope="module")
def small_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every module that the contracts name, empty, and one shell that owns a socket."""
    root = tmp_path_factory.mktemp("tree")
    names = {name.replace(".", "/") + "/__init__.py" for name in layer_names()}
    for daemon in DAEMONS:
        names |= {f"services/{daemon}/{name}.py" for name in ("core", "service", "config")}
    names |= {file for file, _, _ in BREAKS}
    names |= {f"{top}/__init__.py" for top in ("services", "shared", "proto_schemas")}
    names |= {"services/lab/bench.py", "services/lab/floors.py", "shared/runtime/engine.py"}
    names |= {"services/strategy_engine/strategies/__init__.py", "services/strategy_engine/api.py"}
    names |= {
        f"shared/runtime/{name}.py"
        for name in ("admission", "bursts", "effects", "record", "snapshots")
    }
    names |= {"shared/bus/commands.py", "services/venue/record.py"}
    for name in sorted(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "shared/runtime/host.py").write_text("import zmq, time\n")
    (root / "services/lab/bench.py").write_text("import zmq, shared.runtime.host\n")
    (root / "services/venue/core.py").write_text("import services.venue.record\n")
    return root


def test_the_contracts_hold_on_a_clean_tree(small_tree: Path) -> None:
    result = lint_imports(small_tree)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(("file", "line", "contract"), BREAKS)
def test_a_contract_can_break(
    small_tree: Path, tmp_path: Path, file: str, line: str, contract: str
) -> None:
    root = tmp_path / "tree"
    shutil.copytree(small_tree, root)
    with (root / file).open("a") as stream:
        stream.write(line + "\n")
    result = lint_imports(root)
    broken = [row for row in result.stdout.splitlines() if "BROKEN" in row]
    assert result.returncode == 1, result.stdout + result.stderr
    assert any(row.startswith(contract) for row in broken), result.stdout
