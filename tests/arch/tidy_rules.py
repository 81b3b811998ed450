"""The tidy rules as functions: one rule, one checker. test_tidy.py runs them and tests them."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from fnmatch import fnmatch

from tests.arch.source import FunctionNode, Problem, Source

LINE_COLUMNS_MAX = 100
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60
NESTING_MAX = 4
PARAMETERS_MAX = 6

BANNED_WORDS = {
    "acct": "account",
    "amt": "amount",
    "cfg": "config",
    "cnt": "count",
    "evt": "event",
    "exch": "exchange",
    "instr": "instrument",
    "lmt": "limit",
    "mgr": "a name that says what it does",
    "mkt": "market",
    "prc": "price_ticks",
    "px": "price_ticks",
    "qty": "quantity_lots",
    "strat": "strategy",
    "svc": "service",
}
VAGUE_FILES = {"common", "helper", "helpers", "manager", "misc", "stuff", "util", "utils"}

# Built from parts, so that this file does not hold what it forbids.
REGISTRY_HOSTS = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("npmjs", "com"),
        ("crates", "io"),
        ("deb", "debian", "org"),
        ("proxy", "golang", "org"),
        ("maven", "org"),
    )
)
BUILD_PATH = re.compile(r"(?<![\w.])/" + r"work/[\w./-]*")
OUTER_SHARED = re.compile(r"(?:\.\./)+shared\b[\w./-]*")
MARKER = re.compile(r"\b(?:TODO|FIXME|XXX)\b")
INTEGER_ONLY = ("shared/kernel/*", "shared/venue/*", "services/*/core.py")
BLOCKS = (
    ast.If,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.With,
    ast.AsyncWith,
    ast.Try,
    ast.TryStar,
    ast.Match,
)


def module_docstring(source: Source) -> list[Problem]:
    """A file opens by saying what it is for."""
    if not source.text.strip() or ast.get_docstring(source.tree):
        return []
    return [source.problem(1, "no module docstring", "say in one sentence what the file is for")]


def line_length(source: Source) -> list[Problem]:
    return [
        source.problem(number, f"{len(line)} columns", f"break it at {LINE_COLUMNS_MAX}")
        for number, line in enumerate(source.lines, 1)
        if len(line) > LINE_COLUMNS_MAX
    ]


def file_length(source: Source) -> list[Problem]:
    count = len(source.lines)
    if count <= FILE_LINES_MAX:
        return []
    fix = f"split it by idea; {FILE_LINES_MAX} lines is the most"
    return [source.problem(count, f"{count} lines", fix)]


def function_length(source: Source) -> list[Problem]:
    fix = f"keep the control flow here, move leaves out; {FUNCTION_LINES_MAX} lines is the most"
    return [
        source.problem(node.lineno, f"{node.name} has {length} lines", fix)
        for node in source.functions()
        if (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES_MAX
    ]


def nesting_depth(source: Source) -> list[Problem]:
    """Blocks within blocks, counted inside each function; `elif` is no deeper than its `if`."""
    fix = f"return early or move the inner part out; {NESTING_MAX} blocks is the most"
    return [
        source.problem(line, f"{node.name} nests {depth} blocks", fix)
        for node in source.functions()
        for line, depth in [max(_depths(node, 0), key=lambda pair: pair[1], default=(0, 0))]
        if depth > NESTING_MAX
    ]


def _depths(node: ast.AST, depth: int) -> Iterator[tuple[int, int]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, FunctionNode | ast.Lambda | ast.ClassDef):
            continue
        if isinstance(child, BLOCKS):
            deeper = depth if _is_elif(node, child) else depth + 1
            yield child.lineno, deeper
            yield from _depths(child, deeper)
        else:
            yield from _depths(child, depth)


def _is_elif(parent: ast.AST, child: ast.AST) -> bool:
    """In the tree an `elif` is the only `if` in the `else` of its parent, at the same column."""
    return (
        isinstance(parent, ast.If)
        and isinstance(child, ast.If)
        and parent.orelse == [child]
        and parent.col_offset == child.col_offset
    )


def parameters(source: Source) -> list[Problem]:
    """`self` and `cls` do not count; the options of a command are not a call signature."""
    fix = f"pass one frozen dataclass; {PARAMETERS_MAX} parameters is the most"
    return [
        source.problem(node.lineno, f"{node.name} has {count} parameters", fix)
        for node in source.functions()
        if not _is_command(node) and (count := len(_parameter_names(node))) > PARAMETERS_MAX
    ]


def _parameter_names(node: FunctionNode) -> list[str]:
    spec = node.args
    names = [argument.arg for argument in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)]
    names += [argument.arg for argument in (spec.vararg, spec.kwarg) if argument]
    return [name for name in names if name not in {"self", "cls"}]


def _is_command(node: FunctionNode) -> bool:
    return any(
        isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Attribute)
        and decorator.func.attr in {"command", "callback"}
        for decorator in node.decorator_list
    )


def markers(source: Source) -> list[Problem]:
    return [
        source.problem(number, f"marker {found.group()}", "do it now, or open an issue")
        for number, line in enumerate(source.lines, 1)
        if (found := MARKER.search(line))
    ]


def swallowed_errors(source: Source) -> list[Problem]:
    """A handler that hides every error hides a lost fill."""
    return [
        source.problem(node.lineno, seen, "name the error and say what becomes of it")
        for node in source.nodes
        if (seen := _swallows(node))
    ]


def _swallows(node: ast.AST) -> str:
    if isinstance(node, ast.ExceptHandler):
        if node.type is None:
            return "bare except"
        if _is_broad(node.type) and all(_does_nothing(statement) for statement in node.body):
            return "except that does nothing"
    if isinstance(node, ast.Call) and ast.unparse(node.func) in {"suppress", "contextlib.suppress"}:
        return "suppress of every error" if any(map(_is_broad, node.args)) else ""
    return ""


def _is_broad(expression: ast.expr) -> bool:
    names = expression.elts if isinstance(expression, ast.Tuple) else [expression]
    return any(ast.unparse(name) in {"Exception", "BaseException"} for name in names)


def _does_nothing(statement: ast.stmt) -> bool:
    constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return constant or isinstance(statement, ast.Pass | ast.Continue)


def bare_asserts(source: Source) -> list[Problem]:
    fix = "use shared.kernel.check.check, which `python -O` cannot remove"
    return [
        source.problem(node.lineno, "bare assert", fix)
        for node in source.nodes
        if isinstance(node, ast.Assert)
    ]


def floats(source: Source) -> list[Problem]:
    """Money and size are integers, so the files that decide about them hold no float at all."""
    if not any(fnmatch(source.path, pattern) for pattern in INTEGER_ONLY):
        return []
    return [
        source.problem(node.lineno, f"float: {ast.unparse(node)}", "use integers: ticks, lots, ns")
        for node in source.nodes
        if _is_float(node)
    ]


def _is_float(node: ast.AST) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, float)
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "float"


def abbreviations(source: Source) -> list[Problem]:
    """Words that can be said aloud in a meeting. Names that we only use, not make, are not ours."""
    return [
        source.problem(line, f"abbreviation {word!r} in {name!r}", f"write {BANNED_WORDS[word]}")
        for line, name in _made_names(source)
        for word in name.lower().split("_")
        if word in BANNED_WORDS
    ]


def _made_names(source: Source) -> Iterator[tuple[int, str]]:
    for node in source.nodes:
        if isinstance(node, FunctionNode | ast.ClassDef):
            yield node.lineno, node.name
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.alias) and node.asname:
            yield node.lineno, node.asname


def foreign_places(source: Source) -> list[Problem]:
    """In any text: no registry host, no path of a build machine, nothing outside the checkout."""
    problems = []
    for number, line in enumerate(source.lines, 1):
        for host in REGISTRY_HOSTS:
            if host in line:
                fix = "leave it out; an installer's own settings say where packages come from"
                problems.append(source.problem(number, f"registry host {host}", fix))
        if found := BUILD_PATH.search(line):
            fix = "use a path inside the repository"
            problems.append(source.problem(number, f"machine path {found.group()}", fix))
        for found in OUTER_SHARED.finditer(line):
            if _leaves_checkout(source.path, found.group()):
                fix = "the product needs nothing outside its checkout"
                problems.append(source.problem(number, f"outside path {found.group()}", fix))
    return problems


def _leaves_checkout(path: str, target: str) -> bool:
    """`../shared` in services/README.md is our own folder; from the top folder it is not."""
    return os.path.normpath(os.path.join(os.path.dirname(path), target)).startswith("..")


def vague_names(source: Source) -> list[Problem]:
    stem = source.path.rsplit("/", 1)[-1].removesuffix(".py")
    fix = "name the file after the one idea in it"
    return [source.problem(1, f"vague file name {stem!r}", fix)] if stem in VAGUE_FILES else []
