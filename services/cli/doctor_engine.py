"""Doctor's look at the container engine: is there one, are the images there, are the ports free?

Nothing here is needed for processes without containers, so what is missing is no fault.
"""

from __future__ import annotations

import errno
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from services.cli.findings import Finding
from shared.runtime.run_folder import REPOSITORY

COMPOSE_FILE = REPOSITORY / "docker-compose.yml"
ANSWER_WITHIN_S = 10.0
NOT_NEEDED = "only `docker compose up` needs one"


def engine(_root: Path) -> Iterator[Finding]:
    """The engine and, if it lives, what the compose file wants from it."""
    if shutil.which("docker") is None:
        yield Finding("engine", "ok", f"no docker found; {NOT_NEEDED}")
        return
    server = docker("version", "--format", "{{.Server.Version}}")
    if server is None:
        fix = "Start it, or join its group: systemctl start docker; usermod -aG docker $USER"
        yield Finding("engine", "warn", f"docker does not answer; {NOT_NEEDED}", fix)
        return
    compose = docker("compose", "version", "--short")
    if compose is None:
        fix = "Install the compose plugin: docker-compose-plugin."
        yield Finding("engine", "warn", f"docker {server}, without compose", fix)
        return
    yield Finding("engine", "ok", f"docker {server}, compose {compose}")
    if COMPOSE_FILE.is_file():
        yield from _wanted(COMPOSE_FILE)


def docker(*arguments: str) -> str | None:
    """What it prints; None if it fails or does not answer in time."""
    try:
        ended = subprocess.run(
            ["docker", *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=ANSWER_WITHIN_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return ended.stdout.strip() if ended.returncode == 0 else None


def _wanted(file: Path) -> Iterator[Finding]:
    compose = ("compose", "-f", str(file), "--profile", "*")  # monitoring is a profile
    text = docker(*compose, "config", "--format", "json")
    if text is None:
        fix = f"See docker compose -f {file} config; settings are in .env."
        yield Finding("compose", "warn", f"{file.name} is refused", fix)
        return
    config = json.loads(text)
    running = (docker(*compose, "ps", "--services", "--status", "running") or "").split()
    yield _images(wanted_images(config))
    yield _ports(wanted_ports(config, running))


def wanted_images(config: dict[str, Any]) -> dict[str, bool]:
    """Image -> whether it is built here."""
    services = config.get("services", {}).values()
    return {each["image"]: "build" in each for each in services if "image" in each}


def wanted_ports(config: dict[str, Any], running: list[str]) -> dict[int, tuple[str, str]]:
    """Port -> (address, service) of every port that is published by a service that is not up."""
    return {
        int(port["published"]): (port.get("host_ip") or "0.0.0.0", name)
        for name, each in config.get("services", {}).items()
        for port in each.get("ports", ())
        if name not in running and str(port.get("published", "")).isdecimal()
    }


def _images(wanted: dict[str, bool]) -> Finding:
    missing = [name for name in wanted if docker("image", "inspect", name) is None]
    if not missing:
        return Finding("images", "ok", f"all {len(wanted)} are here")
    built = any(wanted[name] for name in missing)
    fix = "docker compose build" if built else "docker compose pull --ignore-buildable"
    return Finding("images", "warn", f"not here: {', '.join(missing)}", fix)


def _ports(wanted: dict[int, tuple[str, str]]) -> Finding:
    taken = [
        f"{port} (for {name})" for port, (address, name) in wanted.items() if in_use(address, port)
    ]
    if taken:
        fix = "End what listens there (ss -ltnp shows it), or choose another port in .env."
        return Finding("ports", "warn", f"taken: {', '.join(taken)}", fix)
    return Finding("ports", "ok", f"free: {', '.join(map(str, wanted)) or 'none is wanted'}")


def in_use(address: str, port: int) -> bool:
    """True if somebody listens there already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False
