"""Documents are part of the product: links lead somewhere, the changelog keeps its headings."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

from tests.arch.source import ROOT, Problem, our_files, require_none

LINK = re.compile(r"\[[^\]\n]*\]\(\s*<?([^)>\s]+)>?(?:\s+\"[^\"]*\")?\s*\)")
REFERENCE = re.compile(r"^\s{0,3}\[[^\]\n]+\]:\s*<?([^>\s]+)>?")
CODE_SPAN = re.compile(r"`[^`\n]*`")
ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|#|//", re.IGNORECASE)
HEADINGS = ("Safety", "Behaviour", "Features", "Internals")


def links(text: str) -> list[tuple[int, str]]:
    """Every link target outside code, with its line."""
    found = []
    in_code = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.lstrip().startswith(("```", "~~~")):
            in_code = not in_code
        elif not in_code:
            prose = CODE_SPAN.sub("", line)
            targets = LINK.findall(prose) + REFERENCE.findall(prose)
            found += [(number, target) for target in targets]
    return found


def broken_links(root: Path, path: Path) -> list[Problem]:
    where = path.relative_to(root).as_posix()
    fix = "point it at a file of this repository"
    problems = []
    for line, target in links(path.read_text(encoding="utf-8")):
        if ELSEWHERE.match(target):
            continue
        goal = (path.parent / unquote(target.split("#")[0].split("?")[0])).resolve()
        if not goal.exists() or not goal.is_relative_to(root.resolve()):
            problems.append(Problem(where, line, f"dead link {target}", fix))
    return problems


def changelog_problems(text: str) -> list[Problem]:
    """Versions are level 2; below them only the four headings, each once, in their order."""
    fix = (
        f"use ### {', '.join(HEADINGS)}, in this order; trading behaviour is never under Internals"
    )
    problems = []
    seen: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("## "):
            seen = []
        elif line.startswith("### "):
            seen.append(line.removeprefix("### ").strip())
            expected = [heading for heading in HEADINGS if heading in seen]
            if seen != expected:
                problems.append(Problem("CHANGELOG.md", number, f"heading {seen[-1]!r}", fix))
    if "\n### " not in text:
        problems.append(Problem("CHANGELOG.md", 1, "no headings", fix))
    return problems


def test_every_relative_link_leads_to_a_file() -> None:
    require_none(problem for path in our_files(".md") for problem in broken_links(ROOT, path))


def test_the_changelog_keeps_its_headings() -> None:
    require_none(changelog_problems((ROOT / "CHANGELOG.md").read_text(encoding="utf-8")))


def test_a_dead_link_is_caught(tmp_path: Path) -> None:
    (tmp_path / "real file.md").touch()
    page = tmp_path / "page.md"
    page.write_text(
        "[a](real%20file.md#part) [b](https://example.org) [c](#here) `[d](code.md)`\n"
        "```\n[e](fenced.md)\n```\n"
        "![f](gone.png)\n[g]: lost.md\n[h](../outside.md)\n"
    )
    (tmp_path.parent / "outside.md").touch()
    assert [problem.line for problem in broken_links(tmp_path, page)] == [5, 6, 7]


def test_wrong_changelog_headings_are_caught() -> None:
    good = "# Changelog\n\n## 0.2.0\n\n### Safety\n\n### Internals\n\n## 0.1.0\n\n### Features\n"
    assert changelog_problems(good) == []
    for bad in (
        good.replace("Safety", "Fixed"),
        good.replace("Internals", "Safety"),
        "## 0.1.0\n\n### Internals\n\n### Safety\n",
        "# Changelog\n",
    ):
        assert changelog_problems(bad)
