"""Style is enforced by programs, not by review. No rule here has an exception list.

The rules are in tidy_rules.py. Each one runs over the whole product, and once over a snippet that
breaks it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.arch import tidy_rules as rules
from tests.arch.source import (
    DAEMONS,
    PRODUCT,
    ROOT,
    Checker,
    Problem,
    Source,
    check_all,
    our_files,
    require_none,
    snippet,
)

FIVE_FILES = ("README.md", "core.py", "service.py", "config.py", "__main__.py")
# Beside the five, a service holds Python modules named after one idea; they are pure unless
# test_determinism.py lists them. Anything else needs a row: (service, name) -> reason.
EXTRAS = {
    ("strategy_engine", "strategies"): "one file per strategy",
}
TEXT_SUFFIXES = (
    *(".py", ".md", ".toml", ".txt", ".in", ".yml", ".yaml", ".json", ".cfg", ".conf", ".ini"),
    *(".sh", ".html", ".js", ".css", ".service"),
)
TEXT_FILES = ("Makefile", ".ci/run", ".importlinter", ".gitignore", ".editorconfig")


def test_every_file_opens_with_a_docstring() -> None:
    check_all(rules.module_docstring)


def test_lines_fit_in_100_columns() -> None:
    check_all(rules.line_length)


def test_files_have_at_most_400_lines() -> None:
    check_all(rules.file_length)


def test_functions_have_at_most_60_lines() -> None:
    check_all(rules.function_length)


def test_blocks_nest_at_most_4_deep() -> None:
    check_all(rules.nesting_depth)


def test_functions_take_at_most_6_parameters() -> None:
    check_all(rules.parameters)


def test_no_left_over_markers() -> None:
    check_all(rules.markers)


def test_no_error_is_swallowed() -> None:
    check_all(rules.swallowed_errors)


def test_no_bare_assert_in_the_product() -> None:
    check_all(rules.bare_asserts)


def test_no_float_where_money_is_decided() -> None:
    check_all(rules.floats)


def test_no_abbreviations() -> None:
    check_all(rules.abbreviations)


def test_no_vague_file_names() -> None:
    check_all(rules.vague_names)


def test_nothing_points_outside_the_repository() -> None:
    paths = [*our_files(*TEXT_SUFFIXES), *(ROOT / name for name in TEXT_FILES)]
    sources = [
        Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for path in paths
        if path.is_file()
    ]
    check_all(rules.foreign_places, sources)


def test_every_python_folder_is_a_package() -> None:
    """Without `__init__.py` neither the installer nor the import rules see a folder."""
    folders = {path.parent for name in PRODUCT for path in (ROOT / name).rglob("*.py")}
    require_none(
        Problem(
            folder.relative_to(ROOT).as_posix(), 1, "no __init__.py", "add one with a docstring"
        )
        for folder in folders
        if not (folder / "__init__.py").exists()
    )


@pytest.mark.parametrize("daemon", DAEMONS)
def test_every_service_is_the_same_five_files(daemon: str) -> None:
    require_none(five_files(ROOT / "services", daemon))


def five_files(services: Path, daemon: str) -> list[Problem]:
    """The five must be there; extras are modules, or rows of the table above."""
    folder = services / daemon
    where = f"services/{daemon}"
    missing = [
        Problem(f"{where}/{name}", 1, "missing", "every service has the same five files")
        for name in FIVE_FILES
        if not (folder / name).is_file()
    ]
    strangers = [
        Problem(f"{where}/{path.name}", 1, "stranger", "move it, or give it a row in EXTRAS")
        for path in (folder.iterdir() if folder.is_dir() else ())
        if path.suffix != ".py"
        and path.name not in {"README.md", "__pycache__"}
        and (daemon, path.name) not in EXTRAS
    ]
    return missing + strangers


# The rules themselves can fail: (checker, a file that keeps the rule, a file that breaks it).
DEEP = "def f(a):\n" + "".join(f"{' ' * 4 * n}if a:\n" for n in range(1, 6)) + " " * 24 + "pass\n"
ELIFS = "def f(a):\n    if a == 0:\n        pass\n" + "".join(
    f"    elif a == {n}:\n        pass\n" for n in range(1, 9)
)
HOST = rules.REGISTRY_HOSTS[0]
CASES: list[tuple[Checker, str, str]] = [
    (rules.module_docstring, '"""Why."""\n', "import math\n"),
    (rules.line_length, "a" * 100, "a" * 101),
    (rules.file_length, "a = 1\n" * 400, "a = 1\n" * 401),
    (
        rules.function_length,
        "def f():\n" + "    a = 1\n" * 59,
        "class A:\n  def f():\n" + "    a = 1\n" * 60,
    ),
    (rules.nesting_depth, ELIFS, DEEP),
    (rules.nesting_depth, DEEP.replace("if a:", "def g():"), DEEP.replace("if a:", "for b in a:")),
    (rules.parameters, "def f(self, a, b, c, d, e, f): ...", "def f(a, b, c, *, d, e, f, g): ..."),
    (
        rules.parameters,
        "@app.command()\ndef f(a, b, c, d, e, f, g): ...",
        "def f(a,b,c,d,e,f,*g): ...",
    ),
    (rules.markers, "todo = 1", "a = 1  # TO" + "DO later"),
    (rules.swallowed_errors, "try: f()\nexcept KeyError: pass", "try: f()\nexcept Exception: pass"),
    (rules.swallowed_errors, "try: f()\nexcept Exception: stop()", "try: f()\nexcept: stop()"),
    (rules.swallowed_errors, "suppress(KeyError)", "contextlib.suppress(Exception)"),
    (rules.bare_asserts, "check(a, 'b')", "assert a"),
    (rules.floats, "a = 1 // 2", "a = 0.5"),
    (rules.floats, "a: float | None = None", "a = float('1')"),
    (rules.abbreviations, "order.qty", "def f(order_qty): ..."),
    (rules.abbreviations, "quantity_lots = 1", "self.px = 1"),
    (rules.foreign_places, "see ../../shared/kernel", "see " + "../" * 3 + "shared"),
    (rules.foreign_places, "see docs/" + "work/main", "see /" + "work/main"),
    (rules.foreign_places, "https://example.org", f"https://{HOST}/simple"),
]


@pytest.mark.parametrize(("checker", "good", "bad"), CASES)
def test_a_rule_can_fail(checker: Checker, good: str, bad: str) -> None:
    assert checker(snippet(good)) == []
    problems = checker(snippet(bad))
    assert problems, "the rule let the bad snippet pass"
    assert all(problem.line >= 1 and problem.fix for problem in problems)


def test_vague_file_names_are_caught() -> None:
    assert rules.vague_names(snippet("", "shared/bus/utils.py"))
    assert not rules.vague_names(snippet("", "shared/bus/codec.py"))


def test_floats_are_free_where_no_money_is_decided() -> None:
    assert rules.floats(snippet("a = 0.5", "services/monitor/alerts.py")) == []


def test_missing_and_strange_files_are_caught(tmp_path: Path) -> None:
    folder = tmp_path / "venue"
    folder.mkdir()
    for name in ("README.md", "core.py", "service.py", "config.py", "matching.py", "notes.docx"):
        (folder / name).touch()
    seen = {problem.path for problem in five_files(tmp_path, "venue")}
    assert seen == {"services/venue/__main__.py", "services/venue/notes.docx"}


def test_a_failing_rule_names_file_line_and_fix() -> None:
    with pytest.raises(AssertionError) as caught:
        check_all(rules.bare_asserts, [snippet("a = 1\nassert a")])
    assert "services/risk_engine/core.py:2: bare assert. Fix: use shared" in str(caught.value)
