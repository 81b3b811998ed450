"""A run's folder: config, journals, logs, the venue's record; and where its sockets are.

    runs/<stage>/<run id>/config.toml
                          journals/<service>.journal
                          logs/<service>.log
                          venue/received.log

Sockets live in a private folder (mode 0700) of their own with a short path, because a Unix socket's
path may have 107 characters at most; file permissions are the fence.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from pathlib import Path
from typing import Annotated

from pydantic import Field

from proto_schemas.base import Instrument, Name
from proto_schemas.registry import SERVICES
from shared.runtime.settings import config_hash, load

REPOSITORY = Path(__file__).resolve().parents[2]
SUPERVISORD, COMPOSE = "supervisord", "compose"


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Table `[run]`: what every service of a run shares."""

    stage: Annotated[str, Field(pattern=r"^(replay|bench|demo|paper|chaos)$")]
    run_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    install_id: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
    instrument: Instrument
    strategy: Name
    sock_dir: Annotated[str, Field(max_length=70)]
    kept_by: Annotated[str, Field(pattern=r"^(supervisord|compose)$")] = SUPERVISORD
    """Who starts what dies; `compose`: each service is a container, and their log is Docker's."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Paths of one run and its shared settings."""

    root: Path
    settings: RunSettings

    @classmethod
    def open(cls, root: Path) -> RunFolder:
        """Read an existing run's `[run]` table."""
        return cls(root, load(RunSettings, root / "config.toml", "run"))

    @property
    def config(self) -> Path:
        """The run's one config file."""
        return self.root / "config.toml"

    @property
    def config_hash(self) -> str:
        """Hash of the config file as it stands."""
        return config_hash(self.config)

    def journal(self, service: str) -> Path:
        """The journal of one service."""
        return self.root / "journals" / f"{service}.journal"

    def checkpoint(self, service: str) -> Path:
        """The last checkpoint of one service."""
        return self.root / "journals" / f"{service}.checkpoint"

    def log(self, service: str) -> Path:
        """The log file of one service."""
        return self.root / "logs" / f"{service}.log"

    def endpoint(self, service: str, channel: str) -> str:
        """ZeroMQ address of a service's `pub` or `cmd` socket."""
        return f"ipc://{self.settings.sock_dir}/{service}.{channel}"

    def twins(self, name: str) -> tuple[Path, Path]:
        """Two places, in two folders, of a small record that must not be lost."""
        return self.root / "latch" / name, self.root / "journals" / name

    @property
    def kill_file(self) -> Path:
        """Whoever makes this file stops everything: no tool is needed."""
        return self.root / "KILL"

    def lock(self, service: str) -> Path:
        """Held by the one process that may bind this service's endpoints."""
        return Path(self.settings.sock_dir) / f"{service}.lock"


@cache
def code_hash() -> str:
    """12 hex digits over every source file of the product: equal code, equal hash."""
    digest = blake2b(digest_size=6)
    for folder in ("proto_schemas", "shared", "services"):
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            digest.update(path.relative_to(REPOSITORY).as_posix().encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def journal_paths(root: Path) -> dict[str, Path]:
    """Every journal of a run that exists, by service."""
    paths = {name: root / "journals" / f"{name}.journal" for name in SERVICES}
    return {name: path for name, path in paths.items() if path.exists()}
