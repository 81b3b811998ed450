"""Finds a strategy's file, checks its source, loads it.

The check keeps honest authors inside the API: it finds the shortcut that would make a replay differ
(a clock, a file, a random number, memory outside `self`) before the file runs. It is no sandbox: do
not run a stranger's strategy because it passed.
"""

from __future__ import annotations

import ast
import inspect
import sys
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import NoReturn

from proto_schemas.base import SOURCE_TEXT_MAX
from services.strategy_engine.api import Strategy
from services.strategy_engine.config import CAME_ALONG
from services.strategy_engine.hooks import line_of
from services.strategy_engine.reloading import Source
from shared.kernel.errors import OperatorFault
from shared.kernel.pack import STRATEGIES

API = "services.strategy_engine.api"
MEND_LOADING = "Mend what it does while it is loaded."
MODULES = ("__future__", "collections", "dataclasses", "math", "statistics", "typing", API)
FORBIDDEN_NAMES = frozenset(
    {
        *("open", "exec", "eval", "compile", "input", "print", "breakpoint", "exit", "quit"),
        *("globals", "locals", "vars", "getattr", "setattr", "delattr", "hash", "id"),
        *("BaseException", "SystemExit", "KeyboardInterrupt", "GeneratorExit"),
    }
)
DUNDERS_ALLOWED = frozenset({"__init__", "__post_init__", "__name__"})
OWN = ("self", "cls")
# What could catch the alarm that ends a hook which takes too long.
CATCHING_METHODS = frozenset({"__exit__", "__aexit__", "__del__"})
LEAVING = (ast.Return, ast.Break, ast.Continue)


def load_strategy(name: str, *folders: Path) -> Strategy:
    """Return a fresh strategy. `OperatorFault` names the file, the line and what to do."""
    return load_source(name, read_source(find_strategy(name, *folders)))


def load_source(name: str, source: Source) -> Strategy:
    """Check the source, then run it."""
    path = Path(source.path)
    check_source(_parsed(source), path)
    made = run_source(name, source)
    _check_hooks(type(made), path)
    return made


def run_source(name: str, source: Source) -> Strategy:
    """Run a source that was checked when it was read: a recovery must not be stopped by new rules.

    The text that was checked is the text that runs; the file is not read a second time.
    """
    path, tree = Path(source.path), _parsed(source)
    module = ModuleType(f"{STRATEGIES}{name}")
    module.__file__ = source.path
    before = sys.modules.get(module.__name__)
    sys.modules[module.__name__] = module  # dataclasses look their module up here
    loaded = False
    try:
        exec(compile(tree, source.path, "exec"), module.__dict__)
        made = _the_strategy(module, name, path)()
        loaded = True
    except OperatorFault:
        raise
    except Exception as error:  # foreign code: any error is possible
        _refuse("STRATEGY_RAISED", _place_of(error, source.path), repr(error), MEND_LOADING)
    finally:
        if before is not None and not loaded:
            sys.modules[module.__name__] = before  # the one that runs keeps its name
    return made


def read_source(path: Path) -> Source:
    """Read a strategy's file; `OperatorFault` if it is no text, too long or not to be read."""
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8")
    except (UnicodeDecodeError, OSError) as error:
        _refuse("STRATEGY_UNREADABLE", str(path), str(error), "Make it a readable file in UTF-8.")
    if len(text) > SOURCE_TEXT_MAX:
        fix = f"At most {SOURCE_TEXT_MAX} characters; data belongs into the market, not the code."
        _refuse("STRATEGY_TOO_LONG", str(path), len(text), fix)
    return Source(str(path), sha256(raw).hexdigest(), text)


def known_strategies(*folders: Path) -> list[str]:
    """Names of all strategies there are; without folders, of those that come along."""
    found = {path.stem for folder in folders or (CAME_ALONG,) for path in folder.glob("*.py")}
    return sorted(name for name in found if not name.startswith("_"))


def find_strategy(name: str, *folders: Path) -> Path:
    """The one file of this name."""
    places = folders or (CAME_ALONG,)
    names = known_strategies(*places)
    if name not in names:
        fix = f"Known strategies: {', '.join(names) or 'none'}. A new one is a file in {places[0]}."
        _refuse("STRATEGY_UNKNOWN", "run.strategy", name, fix)
    found = [folder / f"{name}.py" for folder in places if (folder / f"{name}.py").is_file()]
    if len(found) > 1:
        fix = f"Give {found[0].name} another name: {found[1]} has this one."
        _refuse("STRATEGY_TWICE", str(found[0]), name, fix)
    return found[0]


def _check_hooks(made: type[Strategy], path: Path) -> None:
    """A hook that nobody calls, or that cannot be called, is found now and not in the market."""
    for name, value in vars(made).items():
        if not name.startswith("on_") or not isinstance(value, FunctionType):
            continue
        line, hook = value.__code__.co_firstlineno, vars(Strategy).get(name)
        if hook is None:
            known = ", ".join(word for word in vars(Strategy) if word.startswith("on_"))
            _refuse("STRATEGY_HOOK", f"{path}:{line}", name, f"Nobody calls it. Hooks: {known}.")
        wanted = inspect.signature(hook).parameters
        try:
            inspect.signature(value).bind(*wanted)
        except TypeError as error:
            fix = f"Write def {name}({', '.join(wanted)})."
            _refuse("STRATEGY_HOOK", f"{path}:{line}", f"{name}: {error}", fix)


def _parsed(source: Source) -> ast.Module:
    try:
        return ast.parse(source.text, source.path)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        place = f"{source.path}:{line}" if line else source.path
        what = getattr(error, "msg", None) or str(error)
        _refuse("STRATEGY_SYNTAX", place, what, "Mend this line; it is no Python yet.")


def _place_of(error: Exception, path: str) -> str:
    """The file with the line of it at which the error came up."""
    line = line_of(error, path)
    return f"{path}:{line}" if line else path


def _the_strategy(module: ModuleType, name: str, path: Path) -> type[Strategy]:
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type)
        and issubclass(value, Strategy)
        and value.__module__ == module.__name__
        and value.name == name
    ]
    if len(found) != 1:
        fix = f'Write exactly one class in it that extends Strategy and has name = "{name}".'
        _refuse("STRATEGY_CLASS", str(path), len(found), fix)
    return found[0]


def check_source(tree: ast.Module, path: Path) -> None:
    """Refuse the file at its first line that reaches outside the API."""
    modules: dict[str, str] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    _check_import(alias, path, node.lineno)
                    modules[alias.asname or alias.name.partition(".")[0]] = alias.name
            case ast.ImportFrom():
                _check_import_from(node, path)
            case ast.Global() | ast.Nonlocal():
                _at(path, node.lineno, "global", "Keep what the strategy remembers on self.")
            case ast.Name(id=name):
                _check_name(name, path, node.lineno)
            case ast.ExceptHandler(type=None):
                _at(path, node.lineno, "except:", "Name what you catch, such as ValueError.")
            case ast.Try(finalbody=[_, *_] as last):
                _check_finally(last, path)
            case ast.FunctionDef(name=name) if name in CATCHING_METHODS:
                _at(path, node.lineno, f"def {name}", "Leave it out: it can swallow errors.")
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            _check_attribute(node, modules, path)


def _check_import(alias: ast.alias, path: Path, line: int) -> None:
    # `import services...` would bind the whole tree of services, not only the API.
    if alias.name not in MODULES or alias.name == API:
        _at(path, line, f"import {alias.name}", _may_import())


def _check_import_from(node: ast.ImportFrom, path: Path) -> None:
    module = node.module or ""
    for alias in node.names:
        what = f"from {'.' * node.level}{module} import {alias.name}"
        if node.level or module not in (*MODULES, "collections.abc"):
            _at(path, node.lineno, what, _may_import())
        if alias.name == "*" or not _is_offered(module, alias.name):
            _at(path, node.lineno, what, f"Import a public name that {module} offers.")


def _is_offered(module: str, name: str) -> bool:
    """Standard modules carry others inside them (`statistics.sys`): those are not offered."""
    loaded = import_module(module)
    value = getattr(loaded, name, None)
    listed = name in getattr(loaded, "__all__", (name,)) or module == "__future__"
    return listed and value is not None and not isinstance(value, ModuleType)


def _check_name(name: str, path: Path, line: int) -> None:
    if name in FORBIDDEN_NAMES or (name.startswith("__") and name not in DUNDERS_ALLOWED):
        _at(path, line, name, "A strategy only computes: leave it out and use ctx.")


def _check_finally(body: list[ast.stmt], path: Path) -> None:
    for node in (inner for statement in body for inner in ast.walk(statement)):
        if isinstance(node, LEAVING):
            what = f"{type(node).__name__.lower()} in finally"
            _at(path, node.lineno, what, "Move it out: it swallows the error on its way.")


def _check_attribute(node: ast.Attribute, modules: dict[str, str], path: Path) -> None:
    owner = node.value.id if isinstance(node.value, ast.Name) else ""
    private = node.attr.startswith("_") and node.attr not in DUNDERS_ALLOWED
    if private and (owner not in OWN or node.attr.startswith("__")):
        _at(path, node.lineno, f".{node.attr}", "Use public names; private ones may change.")
    if owner in modules and not _is_offered(modules[owner], node.attr):
        fix = f"Use a public name that {modules[owner]} offers."
        _at(path, node.lineno, f"{owner}.{node.attr}", fix)


def _may_import() -> str:
    return f"A strategy may import only {', '.join(MODULES)} (the last one with `from`)."


def _at(path: Path, line: int, seen: str, fix: str) -> NoReturn:
    _refuse("STRATEGY_FORBIDDEN", f"{path}:{line}", seen, fix)


def _refuse(code: str, field: str, value: object, fix: str) -> NoReturn:
    raise OperatorFault(code, field=field, value=value, fix=fix)
