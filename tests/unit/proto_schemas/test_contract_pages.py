"""The generator: what it writes, what it refuses to write, what `--check` says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from proto_schemas.registry import TABLE
from services.lab.contract_pages import GOLDEN, MESSAGES, ORDER_STATES, main, messages_page
from shared.kernel.order_states import TRANSITIONS


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A tree that is up to date."""
    assert main([], tmp_path) == 0
    return tmp_path


def test_the_generated_files_of_the_repository_are_up_to_date(repository_root: Path) -> None:
    assert main(["--check"], repository_root) == 0, "run `make docs` and commit what it writes"


def test_check_writes_nothing_and_names_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--check"], tmp_path) == 1
    assert list(tmp_path.iterdir()) == []
    said = capsys.readouterr().err
    assert f"{MESSAGES}: missing" in said and f"{GOLDEN}/mark.v1.bin: missing" in said


def test_a_stale_page_is_named_and_then_rewritten(
    written: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fresh = (written / ORDER_STATES).read_bytes()
    (written / ORDER_STATES).write_text("old")
    assert main(["--check"], written) == 1
    assert f"{ORDER_STATES}: stale" in capsys.readouterr().err
    assert main([], written) == 0
    assert (written / ORDER_STATES).read_bytes() == fresh


@pytest.mark.parametrize("arguments", [[], ["--check"]])
def test_a_golden_file_is_never_rewritten(
    written: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    golden = written / GOLDEN / "mark.v1.bin"
    golden.write_bytes(b"what an older process sent")
    assert main(arguments, written) == 1
    assert golden.read_bytes() == b"what an older process sent"
    said = capsys.readouterr().err
    assert "mark.v1.bin: differs" in said and "only be added with a new version" in said


def test_every_kind_has_a_section_and_every_link_of_the_page_a_goal() -> None:
    page = messages_page()
    goals = {text.lower() for text in re.findall(r"^#+ (\S+)$", page, re.MULTILINE)}
    goals |= set(re.findall(r'<a id="(\w+)">', page))
    assert {row.kind for row in TABLE} <= goals
    assert set(re.findall(r"\]\(#(\w+)\)", page)) <= goals


def test_the_state_table_has_every_row_and_the_picture_no_loop(written: Path) -> None:
    page = (written / ORDER_STATES).read_text()
    assert page.count("\n| ") == len(TRANSITIONS) + 1  # and the heading
    arrows = re.findall(r"^ {4}(\w+) --> (\w+) :", page, re.MULTILINE)
    assert arrows and all(start != goal for start, goal in arrows)
