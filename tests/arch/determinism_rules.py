"""What makes a pure file give the same answer twice, as checkers. test_determinism.py runs them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.arch.source import Problem, Source, imported_modules, is_within

IMPURE_MODULES = (
    "asyncio",
    "datetime",
    "logging",
    "os",
    "random",
    "secrets",
    "socket",
    "structlog",
    "threading",
    "time",
    "uuid",
    "zmq",
)
# These take an iterable and keep its order, so a set must not go in.
ORDER_KEEPERS = {"dict", "enumerate", "iter", "list", "map", "next", "tuple", "zip"}
SET_METHODS = {"difference", "intersection", "symmetric_difference", "union"}
ORDERED = "wrap it in sorted(), or keep a dict with None values: it remembers its order"
READS_WORLD = re.compile(r"time|now|clock|monotonic|random|uuid|token|secret|environ")
MONEY_NAME = re.compile(r"(?:^|_)(?:ticks|lots|cents|ns|price|quantity|money)$")


def impure_imports(source: Source) -> list[Problem]:
    fix = "take it as an input: `now` and ids are given, timers and logs are outputs"
    return [
        source.problem(line, f"imports {name}", fix)
        for line, name in imported_modules(source)
        if any(is_within(name, module) for module in IMPURE_MODULES)
    ]


def set_iteration(source: Source) -> list[Problem]:
    """The order of a set of strings changes with every process."""
    known = set(_names_of_sets(source))
    return [
        source.problem(iterated.lineno, f"iterates over the set {ast.unparse(iterated)}", ORDERED)
        for iterated in _iterated(source)
        if _is_set(iterated, known)
    ]


def _names_of_sets(source: Source) -> Iterator[str]:
    """Names that this file annotates or fills as sets: `seen: set[str]`, `self.seen = set()`."""
    for node in source.nodes:
        if isinstance(node, ast.AnnAssign | ast.arg) and node.annotation is not None:
            if re.match(r"(?:frozen)?set\b", ast.unparse(node.annotation)):
                yield node.arg if isinstance(node, ast.arg) else ast.unparse(node.target)
        elif isinstance(node, ast.Assign) and _is_set(node.value, set()):
            yield from (ast.unparse(target) for target in node.targets)


def _iterated(source: Source) -> Iterator[ast.expr]:
    for node in source.nodes:
        if isinstance(node, ast.For | ast.AsyncFor | ast.comprehension):
            yield node.iter
        elif isinstance(node, ast.Starred):
            yield node.value
        elif isinstance(node, ast.Call):
            joins = isinstance(node.func, ast.Attribute) and node.func.attr == "join"
            if joins or ast.unparse(node.func) in ORDER_KEEPERS:
                yield from node.args
            elif isinstance(node.func, ast.Attribute) and node.func.attr == "pop" and not node.args:
                yield node.func.value


def _is_set(node: ast.expr, known: set[str]) -> bool:
    if isinstance(node, ast.Set | ast.SetComp):
        return True
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Attribute) and node.func.attr in SET_METHODS:
            return True
        return ast.unparse(node.func) in {"set", "frozenset"}
    if isinstance(node, ast.BinOp):
        return _is_set(node.left, known) or _is_set(node.right, known)
    name = ast.unparse(node)
    return name in known or (name.startswith("self.") and name.removeprefix("self.") in known)


def address_calls(source: Source) -> list[Problem]:
    """`hash` of text changes with every process, `id` with every object."""
    fix = "use a key made from the fields, or a checksum"
    return [
        source.problem(node.lineno, f"calls {node.func.id}()", fix)
        for node in source.nodes
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"hash", "id"}
    ]


def world_defaults(source: Source) -> list[Problem]:
    """A default that reads a clock makes two equal inputs unequal."""
    fix = "pass the value in: a core gets `now` and its ids with the event"
    return [
        source.problem(word.value.lineno, f"default_factory={ast.unparse(word.value)}", fix)
        for node in source.nodes
        if isinstance(node, ast.Call)
        for word in node.keywords
        if word.arg == "default_factory" and READS_WORLD.search(ast.unparse(word.value).lower())
    ]


def money_division(source: Source) -> list[Problem]:
    """`/` makes a float. Integers divide with `//`, and the rounding is then a decision."""
    fix = "use // and say which way it rounds"
    return [
        source.problem(node.lineno, f"float division of {_money_in(node)}", fix)
        for node in source.nodes
        if _money_in(node)
    ]


def _money_in(node: ast.AST) -> str:
    """The money name on either side of a `/` or `/=`, or nothing."""
    if not isinstance(node, ast.BinOp | ast.AugAssign) or not isinstance(node.op, ast.Div):
        return ""
    sides = (node.left, node.right) if isinstance(node, ast.BinOp) else (node.target, node.value)
    for side in sides:
        for part in ast.walk(side):
            name = getattr(part, "id", None) or getattr(part, "attr", None) or ""
            if isinstance(part, ast.Name | ast.Attribute) and MONEY_NAME.search(name):
                return name
    return ""


CHECKERS = (
    impure_imports,
    set_iteration,
    address_calls,
    world_defaults,
    money_division,
)
