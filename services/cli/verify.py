"""`bulkhead verify`: every decision of a recorded run, made again and compared byte for byte."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from services.cli.active import is_up
from services.cli.exit_codes import NOT_OK, OK
from services.cli.output import note, print_json, say
from services.cli.runs import find_run
from shared.kernel.errors import OperatorFault

if TYPE_CHECKING:
    from services.lab.verify import Difference, Verified


def run_verify(named: Path | None, root: Path, as_json: bool) -> int:
    """Compare and report; not ok if anything differs."""
    from services.lab.verify import verify_run

    run = find_run(named, root)
    if is_up(run):
        raise OperatorFault(
            "RUN_IS_UP",
            field="RUN",
            value=str(run.root),
            fix="Its journals still grow: `bulkhead down` first.",
        )
    verified = verify_run(run, (lambda line: None) if as_json else note)
    if as_json:
        print_json(_as_json(verified, run.root))
    else:
        _say(verified, run.root)
    return OK if verified.equal else NOT_OK


def _as_json(verified: Verified, root: Path) -> dict[str, object]:
    return {
        "ok": verified.equal,
        "run": str(root),
        "records": verified.records,
        "frames_compared": verified.frames,
        "frames_not_remade": verified.not_remade,
        "differences": verified.differing,
        "named": [asdict(found) for found in verified.named],
        "notes": verified.notes,
    }


def _say(verified: Verified, root: Path) -> None:
    for name, count in verified.records.items():
        say(f"{name:16} {count:>10,} records stepped again")
    say(
        f"{verified.frames:,} messages compared byte for byte; {verified.not_remade:,} answers "
        "to questions that are not journaled"
    )
    for text in verified.notes:
        say(f"note: {text}")
    for found in verified.named:
        say(_line(found))
    if verified.differing > len(verified.named):
        say(f"and {verified.differing - len(verified.named):,} more")
    say(f"run: {root}")
    say("EQUAL" if verified.equal else f"DIFFERENT in {verified.differing:,} places")


def _line(found: Difference) -> str:
    what = f" {found.kind} {found.message_id}" if found.message_id else ""
    return f"{found.code}: {found.where} record {found.number}{what}: {found.text}"
