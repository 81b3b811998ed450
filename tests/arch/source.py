"""What the rule tests share: the files, their syntax trees, and one way to say what is wrong.

A checker is a function `Source -> list[Problem]`. Because it needs no file on disk, each rule is
also run on a small bad snippet: a rule that cannot fail is no rule.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("proto_schemas", "shared", "services")
DAEMONS = (
    "market_data",
    "strategy_engine",
    "risk_engine",
    "order_router",
    "order_state",
    "watchdog",
    "monitor",
    "venue",
)
NOT_OURS = {
    *(".git", ".venv", ".venv-lock", ".engine", "runs", "build", "dist"),
    *("__pycache__", "node_modules"),
}
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, order=True)
class Problem:
    """One broken rule: where it is, what was seen, how to fix it."""

    path: str
    line: int
    seen: str
    fix: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.seen}. Fix: {self.fix}"


@dataclass(frozen=True)
class Source:
    """One Python file, read from disk or given as text."""

    path: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        return tuple(ast.walk(self.tree))

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    def problem(self, line: int, seen: str, fix: str) -> Problem:
        return Problem(self.path, line, seen, fix)

    def functions(self) -> Iterator[FunctionNode]:
        return (node for node in self.nodes if isinstance(node, FunctionNode))


Checker = Callable[[Source], list[Problem]]


@cache
def product_sources() -> tuple[Source, ...]:
    """Every Python file of the product, read once."""
    paths = sorted(path for folder in PRODUCT for path in (ROOT / folder).rglob("*.py"))
    return tuple(
        Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for path in paths
    )


def our_files(*suffixes: str) -> Iterator[Path]:
    """Every file of the repository with one of these suffixes, generated folders left out."""
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        if NOT_OURS.isdisjoint(parts) and path.suffix in suffixes and path.is_file():
            yield path


def require_none(problems: Iterable[Problem]) -> None:
    """Fail with every problem on its own line, so that one run shows the whole list."""
    found = sorted(set(problems))
    listing = "\n".join(str(problem) for problem in found)
    assert not found, f"{len(found)} problem(s):\n{listing}"


def check_all(checker: Checker, sources: Iterable[Source] | None = None) -> None:
    """Run one checker over the product, or over the sources given."""
    chosen = product_sources() if sources is None else sources
    require_none(problem for source in chosen for problem in checker(source))


def snippet(text: str, path: str = "services/risk_engine/core.py") -> Source:
    """A made-up file for the tests of the rules themselves."""
    return Source(path, text)


def imported_modules(source: Source) -> Iterator[tuple[int, str]]:
    """Every import as (line, dotted name); `from a import b` gives `a.b`: b may be a module."""
    for node in source.nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = "." * node.level + (node.module or "")
            yield from ((node.lineno, f"{prefix}.{alias.name}") for alias in node.names)


def is_within(name: str, module: str) -> bool:
    """Whether a dotted name is the module or something inside it."""
    return name == module or name.startswith(module + ".")
