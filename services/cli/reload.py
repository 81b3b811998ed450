"""`bulkhead reload`: the strategy of a run that is up, read from its file again.

The engine reads, checks and loads the file between two market events, and answers. Whatever is
wrong with the new code, the old code goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from proto_schemas.control import ReloadRequest, StrategyReloaded
from proto_schemas.signals import Nack
from services.cli.client import ServiceClient
from services.cli.exit_codes import NOT_OK, OK, TimedOut
from services.cli.output import note, print_json, say
from services.cli.runs import find_run, is_ours
from shared.kernel.errors import OperatorFault, OurFault
from shared.runtime.run_folder import RunFolder

ENGINE = "strategy_engine"
ANSWER_WITHIN_S = 10.0
LOADED, UNCHANGED, PAUSED = "OK", "UNCHANGED", "STRATEGY_PAUSED"


@dataclass(frozen=True, slots=True)
class ReloadOptions:
    """The options of the command."""

    keep_position: bool
    run: Path | None
    root: Path
    as_json: bool


def run_reload(options: ReloadOptions) -> int:
    """Ask, report; the exit code. 1 if no run is up."""
    run = find_run(options.run, options.root)
    name = run.settings.strategy
    if not is_ours(run):
        return _report(name, None, f"no run is up: {run.root}", options.as_json)
    answer = _ask(run, options.keep_position)
    if answer.code not in (LOADED, UNCHANGED):
        if answer.code != PAUSED:
            note(f"not reloaded: the code of {name} that ran goes on")
        raise OperatorFault(answer.code, field=answer.field, value=answer.value, fix=answer.fix)
    return _report(name, answer, None, options.as_json)


def _ask(run: RunFolder, keep_position: bool) -> StrategyReloaded:
    with ServiceClient(run, ENGINE) as engine:
        wish = ReloadRequest(keep_position)
        answer = engine.ask(wish, (StrategyReloaded, Nack), ANSWER_WITHIN_S)
    if isinstance(answer, StrategyReloaded):
        return answer
    if isinstance(answer, Nack):
        fix = "Run command line and services from one release."
        raise OurFault(answer.code, field=answer.field, value=answer.value, fix=fix)
    raise TimedOut(
        "RELOAD_TIMEOUT",
        field=ENGINE,
        value=f"no answer within {ANSWER_WITHIN_S:.0f} s",
        fix="See `bulkhead status`; it may still reload: ask again.",
    )


def _report(name: str, answer: StrategyReloaded | None, error: str | None, as_json: bool) -> int:
    changed = answer is not None and answer.code == LOADED
    source_hash = answer.source_hash if answer is not None else None
    if as_json:
        print_json(
            {
                "ok": error is None,
                "strategy": name,
                "changed": changed,
                "source_hash": source_hash,
                "error": error,
            }
        )
    elif error is not None:
        say(error)
    else:
        word = "runs its new code" if changed else "runs this code already"
        say(f"{name} {word}: sha256 {source_hash}")
    return OK if error is None else NOT_OK
