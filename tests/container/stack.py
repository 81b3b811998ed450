"""One compose project of a test: a clean copy of the checkout, its containers, and what they say.

testcontainers' `DockerCompose` knows the project and finds its containers. Commands go through
`compose`, because its own would wait for ever, and every wait here has an end.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from testcontainers.compose import DockerCompose

from proto_schemas.registry import SERVICES
from tests.container.watching import Watching

ROOT = Path(__file__).resolve().parents[2]
RUN = "/data/paper/main"
UP_WITHIN_S = 300.0
FLOWS_WITHIN_S = 120.0
MORE_ORDERS = 4

BUSY = """
[run]
strategy = "every_tick"
instrument = "ESM30"

[venue]
synthetic_seed = 1
speed_milli = 1000
"""


@dataclass(frozen=True)
class Said:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, Any]:
        """The JSON object on the last line of stdout."""
        found: dict[str, Any] = json.loads(self.out.strip().splitlines()[-1])
        return found


def command(*words: str, timeout_s: float = 120, **changes: Any) -> Said:
    """Run it to its end; a hang fails the test."""
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=timeout_s, check=False, **changes
    )
    return Said(done.returncode, done.stdout, done.stderr)


def wait_until(what: str, holds: Callable[[], bool], timeout_s: float) -> None:
    """Look some times a second."""
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s: {what}"
        time.sleep(0.2)


def clean_copy(folder: Path) -> Path:
    """What a fresh clone would hold: files that are in git, or would be."""
    listed = command("git", "ls-files", "-co", "--exclude-standard", "-z", cwd=ROOT)
    assert listed.code == 0, listed.err
    for name in filter(None, listed.out.split("\0")):
        if (ROOT / name).is_file():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes((ROOT / name).read_bytes())
    return folder


@dataclass
class Stack:
    """One project. `settings`: what would stand in `.env`."""

    folder: Path
    name: str
    settings: dict[str, str] = field(default_factory=dict)
    profiles: tuple[str, ...] = ()

    @cached_property
    def docker(self) -> DockerCompose:
        """testcontainers' handle; `.env` is beside the compose file, as a user's would be."""
        lines = {"COMPOSE_PROJECT_NAME": self.name, **self.settings}
        text = "".join(f"{key}={value}\n" for key, value in lines.items())
        (self.folder / ".env").write_text(text)
        return DockerCompose(self.folder, wait=True, profiles=list(self.profiles) or None)

    # --- life -----------------------------------------------------------------------------------

    def up(self) -> None:
        """`docker compose up -d --wait`; again is fine.

        Where others keep the cores busy, a health check may find a loop late; then wait once more.
        """
        said = self.compose("up", "-d", "--wait", timeout_s=UP_WITHIN_S)
        if said.code and "unhealthy" in said.err:
            said = self.compose("up", "-d", "--wait", timeout_s=UP_WITHIN_S)
        assert said.code == 0, said.err[-3000:] + self.logs()[-3000:]

    def heal(self) -> None:
        """Whatever the test before left: everything is up, and no kill holds."""
        if not self.status():
            self.up()
        if kill_id := self.seen().get("kill_id"):
            self.resume(kill_id)

    def resume(self, kill_id: str) -> None:
        """End this kill, as a person would."""
        who = ("--operator", "me", "--reason", "tested")
        said = self.bulkhead("resume", "--kill-id", kill_id, *who)
        assert said.code == 0, (said.out, said.err)
        wait_until("it is resumed", lambda: self.seen()["kill_id"] is None, FLOWS_WITHIN_S)

    def down(self) -> None:
        """Take everything away, of every profile, the volumes too."""
        self.watching.end()
        said = self.compose("--profile", "*", "down", "--volumes", "--remove-orphans")
        assert said.code == 0, said.err

    def compose(self, *words: str, timeout_s: float = 120) -> Said:
        """Any command of `docker compose`."""
        line = (*self.docker.docker_compose_command(), *words)
        return command(*line, timeout_s=timeout_s, cwd=self.folder)

    def execute(self, service: str, *words: str) -> Said:
        """A command inside a service's container."""
        return self.compose("exec", "-T", service, *words)

    # --- what is seen ---------------------------------------------------------------------------

    def bulkhead(self, *words: str, service: str = "monitor") -> Said:
        """`bulkhead ... --json` the way an operator types it."""
        return self.execute(service, "bulkhead", *words, "--json")

    @cached_property
    def watching(self) -> Watching:
        """The one command that looks at this stack."""
        words = ("exec", "-T", "monitor", "bulkhead", "status", "--watch", "--json")
        return Watching((*self.docker.docker_compose_command(), *words), self.folder)

    def status(self) -> dict[str, Any]:
        """What the monitor said within the last seconds; empty while it does not answer."""
        return self.watching.latest()

    def seen(self) -> dict[str, Any]:
        """The same, waited for."""
        found: dict[str, Any] = {}

        def answered() -> bool:
            found.update(self.status())
            return bool(found)

        wait_until("the monitor answers", answered, FLOWS_WITHIN_S)
        return found

    def logs(self, *services: str) -> str:
        """What they wrote."""
        return self.compose("logs", "--no-color", *services).out

    def inspect(self, service: str) -> dict[str, Any]:
        """All that the engine knows of a container."""
        number = self.docker.get_container(service, include_all=True).ID
        found: list[dict[str, Any]] = json.loads(command("docker", "inspect", str(number)).out)
        return found[0]

    def health(self, service: str) -> str:
        """`healthy`, `unhealthy` or `starting`."""
        return str(self.inspect(service)["State"]["Health"]["Status"])

    def all_healthy(self) -> bool:
        """Every service of ours."""
        return all(self.health(name) == "healthy" for name in SERVICES)

    def flows(self, more: int = MORE_ORDERS) -> None:
        """Return when so many more orders have filled."""
        counts: list[int] = []

        def more_filled() -> bool:
            count = self.status().get("filled_orders")
            if count is not None:
                counts.append(count)
            return bool(counts) and counts[-1] >= counts[0] + more

        try:
            wait_until("orders fill", more_filled, FLOWS_WITHIN_S)
        except AssertionError as error:
            seen = f"filled {counts[:1]} to {counts[-1:]}, last {self.status()}"
            raise AssertionError(f"{error}; {seen}; {self.logs()[-3000:]}") from None

    def crash(self, service: str) -> None:
        """End it as the kernel would: the engine did not ask for it, so its policy applies."""
        os.kill(self.inspect(service)["State"]["Pid"], signal.SIGKILL)

    def restarts(self, service: str) -> int:
        """How often the engine started it again by itself."""
        return int(self.inspect(service)["RestartCount"])
