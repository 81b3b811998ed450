"""Run folders: make one, find one, clear up after one.

    <runs dir>/<stage>/<UTC time>-<4 hex>/   config.toml, journals/, logs/, venue/   (mode 0700)
    <runs dir>/latest -> the newest of them

The folder stays for ever: it is the evidence. Only the sockets' folder, which has a short path of
its own because a Unix socket's path is short, is removed when the run ends. `config.toml` is
written once, before the first process starts; its hash is in every epoch's first journal record.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path

from services.cli.active import active_runs
from shared.kernel.errors import OperatorFault
from shared.runtime.run_folder import COMPOSE, RunFolder

RUNS_VARIABLE = "BULKHEAD_RUNS"
LATEST = "latest"
SUBFOLDERS = ("journals", "logs", "venue")
SOCK_DIR_LENGTH_MAX = 70
PRIVATE = 0o700
NO_SOCKETS = "/nowhere"

Scalar = str | int | bool
Tables = Mapping[str, Mapping[str, Scalar]]


@dataclass(frozen=True, slots=True)
class NewRun:
    """What a run is made from. `tables`: further tables of config.toml, such as `[venue]`.

    `sockets`: a folder that the containers of the run share; None: a fresh one of its own.
    """

    stage: str
    instrument: str
    strategy: str
    tables: Tables = field(default_factory=dict)
    in_lockstep: bool = False
    sockets: Path | None = None

    def digest(self) -> str:
        """12 hex digits that follow from the settings alone."""
        text = toml_text({"run": {"of": self.instrument, "by": self.strategy}, **self.tables})
        return blake2b(text.encode(), digest_size=6).hexdigest()


def runs_root(given: Path | None) -> Path:
    """Where runs are: `--runs-dir`, else the environment, else `./runs`."""
    return (given or Path(os.environ.get(RUNS_VARIABLE) or "runs")).absolute()


def create_run(new: NewRun, root: Path, folder: Path | None = None) -> RunFolder:
    """Make the folder with its config. `publish_run` comes when the config has been checked."""
    folder = folder or make_folder(root / new.stage, _new_id())
    sock_dir = new.sockets or (None if new.in_lockstep else _make_sock_dir())
    try:
        shared = {"stage": new.stage, "instrument": new.instrument, "strategy": new.strategy}
        names = _lockstep_names(new) if sock_dir is None else _own_names(folder, sock_dir)
        if new.sockets is not None:
            names["kept_by"] = COMPOSE
        (folder / "config.toml").write_text(toml_text({"run": {**shared, **names}, **new.tables}))
        run = RunFolder.open(folder)
    except BaseException:
        if sock_dir is not None and new.sockets is None:
            shutil.rmtree(sock_dir)
        shutil.rmtree(folder)
        raise
    return run


def _own_names(folder: Path, sock_dir: Path) -> dict[str, str]:
    """What no other run has."""
    return {
        "run_id": folder.name,
        "install_id": secrets.token_hex(6),
        "sock_dir": str(sock_dir),
    }


def _lockstep_names(new: NewRun) -> dict[str, str]:
    """The same for the same settings: these names stand in every journal. No sockets."""
    digest = new.digest()
    return {"run_id": f"lockstep-{digest}", "install_id": digest, "sock_dir": NO_SOCKETS}


def publish_run(run: RunFolder, root: Path) -> None:
    """Point `latest` at it, at once, so that a reader always finds a run."""
    aside = root / f".{LATEST}-{run.root.name}"
    aside.symlink_to(run.root.relative_to(root))
    try:
        aside.replace(root / LATEST)
    except OSError as error:
        aside.unlink()
        raise OperatorFault(
            "RUNS_LATEST", field=str(root / LATEST), value=str(error), fix="Move it away."
        ) from error


def discard_run(run: RunFolder) -> None:
    """Take away a run that never started."""
    remove_sockets(run)
    shutil.rmtree(run.root)


def find_run(named: Path | None, root: Path) -> RunFolder:
    """The run with this folder or id; without a name one that is up, else the latest."""
    if named is None:
        return next(iter(active_runs(root)), None) or _latest(root)
    for folder in (named, *sorted(root.glob(f"*/{named.name}"))):
        if (folder / "config.toml").is_file():
            return RunFolder.open(folder.resolve())
    raise OperatorFault(
        "RUN_MISSING",
        field="--run",
        value=str(named),
        fix=f"Give a run's folder, or the id of one under {root}.",
    )


def remove_sockets(run: RunFolder) -> None:
    """Take away the sockets' folder, unless it is a volume; the run's own folder stays."""
    if run.settings.kept_by != COMPOSE:
        shutil.rmtree(run.settings.sock_dir, ignore_errors=True)


def refuse_in_containers(run: RunFolder, instead: str) -> None:
    """`OperatorFault` if the run's processes are containers: then this is Docker's work."""
    if run.settings.kept_by == COMPOSE:
        raise OperatorFault(
            "KEPT_BY_COMPOSE",
            field="run",
            value=str(run.root),
            fix=f"Its services are containers: on the host, `{instead}`.",
        )


def is_ours(run: RunFolder) -> bool:
    """True while the sockets' folder is there and belongs to this user: the fence around them."""
    return is_private(Path(run.settings.sock_dir))


def is_private(folder: Path) -> bool:
    """True for a folder of this user that nobody else may enter."""
    try:
        found = os.lstat(folder)
    except FileNotFoundError:
        return False
    return found.st_uid == os.geteuid() and found.st_mode & 0o777 == PRIVATE


def toml_text(tables: Tables) -> str:
    """Plain TOML: tables of text, whole numbers and flags. A JSON string is a TOML string."""
    lines: list[str] = []
    for name, table in tables.items():
        if table:
            lines.append(f"[{name}]")
            lines += [f"{key} = {_toml_value(value)}" for key, value in table.items()]
            lines.append("")
    return "\n".join(lines)


def _toml_value(value: object) -> str:
    """Also what has no place in a config: it is for the settings to refuse, by its name."""
    if isinstance(value, dict):
        pairs = (f"{json.dumps(key)} = {_toml_value(inner)}" for key, inner in value.items())
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml_value, value))}]"
    return json.dumps(value, ensure_ascii=False, default=str)


def _new_id() -> str:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{stamp}-{secrets.token_hex(2)}"


def make_folder(stage_folder: Path, run_id: str) -> Path:
    """Make the folders of a run, for this user only."""
    try:
        stage_folder.mkdir(parents=True, exist_ok=True, mode=PRIVATE)
        folder = stage_folder / run_id
        for path in (folder, *(folder / name for name in SUBFOLDERS)):
            path.mkdir(mode=PRIVATE)
    except OSError as error:
        raise OperatorFault(
            "RUN_FOLDER",
            field="--runs-dir",
            value=str(error),
            fix="Name a folder you can write to.",
        ) from error
    return folder


def _make_sock_dir() -> Path:
    """A private folder with a short path; a long TMPDIR is passed over."""
    folder = Path(tempfile.mkdtemp(prefix="bulkhead-"))
    if len(str(folder)) > SOCK_DIR_LENGTH_MAX:
        folder.rmdir()
        folder = Path(tempfile.mkdtemp(prefix="bulkhead-", dir="/tmp"))
    return folder


def _latest(root: Path) -> RunFolder:
    folder = root / LATEST
    if not (folder / "config.toml").is_file():
        raise OperatorFault(
            "RUN_NONE",
            field="runs folder",
            value=str(root),
            fix="Start one with `bulkhead demo`, or name one with --run or --runs-dir.",
        )
    return RunFolder.open(folder.resolve())
