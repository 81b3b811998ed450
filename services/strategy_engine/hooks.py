"""Calls the hooks of a strategy: foreign code, of which anything can be expected. Pure.

What a hook wanted leaves only if it ended well: it raised nothing, gave nothing back and was not
cut off. Otherwise the strategy is paused, all of that call is withdrawn, and nobody else is hurt.

How long a hook takes is no input, so the verdict is made one: it is journaled before the input
that it is about, and a replay then pauses there without calling the hook. One input may call many
(each row of a burst, each order that is forgotten), so the verdict says which call it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from proto_schemas.base import Envelope
from proto_schemas.control import HookCut
from services.strategy_engine.api import Context
from services.strategy_engine.config import StrategyEngineConfig
from services.strategy_engine.desk import Desk
from shared.kernel.outputs import Log, Output

ERROR_TEXT_MAX = 300
FIRST_CALL = 1
Hook = Callable[..., None]


class HookOverran(BaseException):
    """A hook took too long and was cut off. No `Exception`: a strategy must not catch it."""


Guard = Callable[..., object]
"""Calls a hook with its arguments."""


def call_directly(hook: Callable[..., object], *arguments: Any) -> object:
    """The guard that guards nothing: for the lab, where time stands still in a step."""
    return hook(*arguments)


@dataclass(slots=True)
class HookState:
    """`paused`: why no hook is called; empty while all is well.

    `cut_at`: id of the input whose hook was cut off because it took too long, and `cut_call` which
    of the calls that it led to.
    """

    paused: str = ""
    cut_at: str = ""
    cut_call: int = 0


class Hooks:
    """The fence around one strategy. `guard` calls a hook and raises `HookOverran` if it must."""

    def __init__(self, config: StrategyEngineConfig, desk: Desk, guard: Guard) -> None:
        self.state = HookState()
        self._input: Envelope | None = None
        self._calls = 0
        self._config, self._desk, self._guard = config, desk, guard
        self._context = Context(desk)
        self._verdict: HookCut | None = None

    def begin(self, envelope: Envelope) -> None:
        """What comes now belongs to this input; the rows of a burst share one envelope."""
        if envelope is not self._input:
            self._input, self._calls = envelope, 0

    def cut(self, verdict: HookCut) -> None:
        """A recorded verdict: that call will be cut off without being made."""
        self.state.cut_at = verdict.input_id
        self.state.cut_call = verdict.call_number or FIRST_CALL

    def verdict(self) -> HookCut | None:
        """What must stand in the journal before the last input, once."""
        found, self._verdict = self._verdict, None
        return found

    def call(self, hook: Hook, *arguments: Any) -> list[Output]:
        """Run one hook; what it led to. Whatever goes wrong pauses it; nothing is half done."""
        if self.state.paused:
            return []
        self._calls += 1
        self._desk.undo.begin()
        try:
            if self._is_cut():
                raise HookOverran
            returned = self._guard(hook, self._context, *arguments)
        except HookOverran:
            return self._cut_off(hook)
        except Exception as error:  # foreign code: any error is possible, and it is logged
            what, text = type(error).__name__, str(error)[:ERROR_TEXT_MAX]
            facts: dict[str, str | int] = {
                "error": what,
                "text": text,
                "line": line_of(error, hook.__code__.co_filename),
            }
            return self._pause("strategy_raised", f"raised {what}", hook, **facts)
        if returned is None:
            return [*self._desk.take_wanted()]
        seen = f"{type(returned).__name__} {returned!r}"[:ERROR_TEXT_MAX]
        fix = "A hook returns nothing: ask for orders with ctx, then bulkhead reload."
        return self._pause("strategy_returned", "returned a value", hook, value=seen, fix=fix)

    def _is_cut(self) -> bool:
        # The number first: it hardly ever fits, and then nobody has to put the id together.
        return self.state.cut_call == self._calls and self.state.cut_at == self._input_id

    @property
    def _input_id(self) -> str:
        return self._input.id if self._input is not None else ""

    def _cut_off(self, hook: Hook) -> list[Output]:
        limit_ns = self._config.tunables.hook_limit_ns
        if not self._is_cut():
            self._verdict = HookCut(self._input_id, self._calls)
            self.cut(self._verdict)
        fix = "Make the hook shorter or raise strategy_engine.hook_limit_ns, then bulkhead reload."
        return self._pause("strategy_too_slow", "took too long", hook, limit_ns=limit_ns, fix=fix)

    def _pause(self, event: str, why: str, hook: Hook, **fields: str | int) -> list[Output]:
        """Nothing of this hook leaves, and no other is called until the code is reloaded."""
        withdrawn = self._desk.withdraw_wanted()
        self._desk.undo.take_back()
        self.state.paused = f"strategy {why} in {hook.__name__}"
        facts: dict[str, str | int | bool | None] = {
            "strategy": self._config.strategy,
            "hook": hook.__name__,
            "intents_withdrawn": withdrawn,
            "fix": "Mend the strategy, then bulkhead reload.",
        }
        return [Log(event, {**facts, **fields}, "error")]


def line_of(error: BaseException, file: str) -> int:
    """The last line of this file at which it went wrong; 0 if there is none."""
    line = 0
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line
