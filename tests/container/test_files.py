"""The compose file, Prometheus' scrape config and the code say the same. Needs no engine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from proto_schemas.registry import SERVICES
from services.cli.supervisor_config import FIRST_DOWN, FIRST_UP_LAST_DOWN, STOP_WAIT_S
from shared.runtime.ports import METRICS_PORTS
from tests.container.stack import ROOT, RUN

MONITORING = {"prometheus", "alertmanager", "grafana", "node_exporter"}
DEPLOY = ROOT / "deploy"
SOCKETS = "/run/bulkhead"
LOCAL_PORT = re.compile(r"127\.0\.0\.1:\$\{[A-Z_]+-\d+\}:\d+")


def read(path: Path) -> dict[str, Any]:
    found = yaml.safe_load(path.read_text())
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return read(ROOT / "docker-compose.yml")


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    found = compose["services"]
    assert isinstance(found, dict)
    return found


def scrape_targets() -> list[str]:
    config = read(DEPLOY / "prometheus" / "prometheus.yml")
    return [
        target
        for job in config["scrape_configs"]
        for group in job["static_configs"]
        for target in group["targets"]
    ]


def test_every_service_of_the_registry_is_a_container_and_has_a_port(
    services: dict[str, Any],
) -> None:
    assert set(services) == {*SERVICES, "prepare", *MONITORING}
    assert set(METRICS_PORTS) == set(SERVICES)
    assert len(set(METRICS_PORTS.values())) == len(SERVICES)


def test_prometheus_scrapes_every_container_that_serves_metrics() -> None:
    ours = {f"{name}:{port}" for name, port in METRICS_PORTS.items()}
    others = {"node_exporter:9100", "localhost:9090", "alertmanager:9093"}
    assert sorted(scrape_targets()) == sorted(ours | others)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_runs_its_own_program_and_asks_for_its_own_health(
    services: dict[str, Any], name: str
) -> None:
    service = services[name]
    assert service["command"].split() == [
        *("python", "-m", f"services.{name}", "--run", RUN),
        *("--metrics-address", "0.0.0.0"),
    ]
    check = ["CMD", "python", "-m", "services.cli.health", name, SOCKETS]
    assert service["healthcheck"]["test"] == check
    assert service["restart"] == "unless-stopped"
    assert int(service["stop_grace_period"].removesuffix("s")) > 2 * STOP_WAIT_S
    assert "ports" not in service and service["networks"] == ["metrics"]


def test_the_watchdog_is_up_first_and_down_last_and_the_strategy_the_other_way_round(
    services: dict[str, Any],
) -> None:
    """What starts after another stops before it."""
    prepared = {"prepare": {"condition": "service_completed_successfully"}}
    started = {"condition": "service_started"}
    for name in SERVICES:
        after = dict(services[name]["depends_on"])
        assert after.pop("prepare") == prepared["prepare"]
        wanted = {
            FIRST_UP_LAST_DOWN: set(),
            FIRST_DOWN: set(SERVICES) - {FIRST_DOWN},
        }.get(name, {FIRST_UP_LAST_DOWN})
        assert set(after) == wanted and all(each == started for each in after.values())


def test_every_container_is_hardened_and_bounded(services: dict[str, Any]) -> None:
    for name, service in services.items():
        user, group = service["user"].split(":")
        assert int(user) > 0 and int(group) >= 0, name
        assert service["read_only"] is True and service["init"] is True, name
        assert service["cap_drop"] == ["ALL"] and "cap_add" not in service, name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name
        assert service["mem_limit"] == service["memswap_limit"] and service["pids_limit"], name
        assert set(service["logging"]["options"]) == {"max-size", "max-file"}, name


def test_what_a_container_sees_of_the_host_it_cannot_write(services: dict[str, Any]) -> None:
    mounts = [(name, mount) for name, each in services.items() for mount in each["volumes"]]
    of_the_host = [(name, mount) for name, mount in mounts if is_of_the_host(mount)]
    assert len(of_the_host) > len(MONITORING)
    assert [(name, mount) for name, mount in of_the_host if not is_read_only(mount)] == []


def is_of_the_host(mount: str | dict[str, Any]) -> bool:
    """A path, and no volume that Docker keeps."""
    return mount["type"] == "bind" if isinstance(mount, dict) else mount.startswith((".", "/", "$"))


def is_read_only(mount: str | dict[str, Any]) -> bool:
    return mount["read_only"] is True if isinstance(mount, dict) else mount.endswith(":ro")


def test_nothing_is_published_but_on_loopback(services: dict[str, Any]) -> None:
    published = {name: each["ports"] for name, each in services.items() if "ports" in each}
    assert set(published) == {"prometheus", "alertmanager", "grafana"}
    for ports in published.values():
        assert all(LOCAL_PORT.fullmatch(port) for port in ports), ports


def test_what_trades_starts_without_any_image_of_the_monitoring(services: dict[str, Any]) -> None:
    profiles = {name: each.get("profiles") for name, each in services.items()}
    assert {name for name, each in profiles.items() if each == ["monitoring"]} == MONITORING
    trading = {name: each for name, each in services.items() if name not in MONITORING}
    assert {each["image"] for each in trading.values()} == {"${BULKHEAD_IMAGE:-bulkhead:0.1.0}"}
    assert not any(set(each.get("depends_on", ())) & MONITORING for each in trading.values())


def test_what_the_network_of_what_trades_reaches(compose: dict[str, Any]) -> None:
    assert compose["networks"]["metrics"] == {"internal": True}
    assert compose["services"]["prepare"]["network_mode"] == "none"


def test_sockets_are_in_memory_and_private(compose: dict[str, Any]) -> None:
    options = compose["volumes"]["ipc"]["driver_opts"]
    assert options["type"] == "tmpfs"
    assert {"uid=10001", "gid=10001", "mode=0700", "nosuid", "nodev"} <= set(
        options["o"].split(",")
    )


def test_the_image_has_the_user_and_the_folders_that_the_compose_file_names(
    services: dict[str, Any],
) -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    assert f"\nUSER {services['venue']['user']}\n" in text
    assert f"install -d -o 10001 -g 10001 -m 0700 /data {SOCKETS}" in text
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version and f":-bulkhead:{version[1]}}}" in services["venue"]["image"]


def test_every_setting_of_the_example_is_one_that_the_compose_file_reads() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    lines = (ROOT / ".env.example").read_text().splitlines()
    assigned = [match for line in lines if (match := re.match(r"(?:# )?([A-Z_]+)=(.*)", line))]
    names = {match[1] for match in assigned}
    read_names = set(re.findall(r"\$\{([A-Z_]+)", text)) | set(
        re.findall(r"(PIP_[A-Z_]+):$", text, re.M)
    )
    assert names - {"COMPOSE_PROFILES"} == read_names - {"BULKHEAD_IMAGE"}
    defaults = dict(re.findall(r"\$\{([A-Z_]+):?-([^}]+)\}", text))
    for match in assigned:
        if match[1] in defaults:
            assert match[2] == defaults[match[1]], match[1]
