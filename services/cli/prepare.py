"""`bulkhead prepare`: make or check the paper run for containers, and start nothing.

It runs once in a container of its own before the services, and they start only if it ends well: so
a wrong setting is said in one place and no process trades under it. What it does is the first half
of `bulkhead up`, with the sockets in a folder that all containers share.
"""

from __future__ import annotations

from pathlib import Path

from services.cli.exit_codes import OK
from services.cli.output import print_json, say
from services.cli.paper import Wanted, prepare
from services.cli.runs import SOCK_DIR_LENGTH_MAX, is_private
from shared.kernel.errors import OperatorFault


def run_prepare(config: Path, sockets: Path, root: Path, as_json: bool) -> int:
    """Make the run, or check it and take over changed settings after a clean stop."""
    if len(str(sockets)) > SOCK_DIR_LENGTH_MAX:
        raise OperatorFault(
            "SOCKETS_PATH",
            field="--sockets",
            value=str(sockets),
            fix=f"A socket's path is short: use at most {SOCK_DIR_LENGTH_MAX} characters.",
        )
    if not is_private(sockets):
        raise OperatorFault(
            "SOCKETS_FOREIGN",
            field="--sockets",
            value=str(sockets),
            fix="It must be a folder of this very user with mode 0700.",
        )
    run = prepare(root, Wanted(config=config, sockets=sockets))
    settings = run.settings
    if as_json:
        print_json({"ok": True, "run": str(run.root), "config": run.config_hash, "error": None})
    else:
        traded = f"{settings.strategy} on {settings.instrument}, {settings.stage}"
        say(f"prepared {run.root}: {traded}, config {run.config_hash}")
    return OK
