"""A real Prometheus scrapes every container of the very compose file that users run."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from shared.runtime.ports import METRICS_PORTS
from tests.container.stack import Stack, wait_until

SCRAPED_WITHIN_S = 120.0


def asked(stack: Stack, service: str, port: int, path: str) -> Any:
    """A page of a published port; None while it cannot be had."""
    place = stack.docker.get_container(service).get_publisher(by_port=port).normalize()
    assert place.URL == "127.0.0.1", "published on loopback only"
    url = f"http://127.0.0.1:{place.PublishedPort}{path}"
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return json.loads(response.read())
    except (urllib.error.URLError, TimeoutError):
        return None


def targets(stack: Stack) -> dict[str, str]:
    """Scrape address -> its health, as Prometheus sees it."""
    found = asked(stack, "prometheus", 9090, "/api/v1/targets?state=active")
    active = found["data"]["activeTargets"] if found else []
    return {each["labels"]["instance"]: each["health"] for each in active}


def test_every_target_is_up(watched: Stack) -> None:
    wanted = {f"{name}:{port}" for name, port in METRICS_PORTS.items()}
    wanted |= {"node_exporter:9100", "localhost:9090", "alertmanager:9093"}

    def all_up() -> bool:
        seen = targets(watched)
        return set(seen) == wanted and set(seen.values()) == {"up"}

    try:
        wait_until("every target is up", all_up, SCRAPED_WITHIN_S)
    except AssertionError as error:
        raise AssertionError(f"{error}: {targets(watched)}") from None


def test_what_a_service_counts_is_in_prometheus(watched: Stack) -> None:
    query = "/api/v1/query?query=sum%20by%20(service)%20(bulkhead_progress)"

    def counted() -> bool:
        found = asked(watched, "prometheus", 9090, query)
        rows = found["data"]["result"] if found else []
        moved = {each["metric"]["service"] for each in rows if float(each["value"][1]) > 0}
        return moved == set(METRICS_PORTS)

    wait_until("every service's progress is seen", counted, SCRAPED_WITHIN_S)


def test_prometheus_knows_the_alertmanager(watched: Stack) -> None:
    def known() -> bool:
        found = asked(watched, "prometheus", 9090, "/api/v1/alertmanagers")
        active = found["data"]["activeAlertmanagers"] if found else []
        return [each["url"] for each in active] == ["http://alertmanager:9093/api/v2/alerts"]

    wait_until("the alertmanager is found", known, SCRAPED_WITHIN_S)


def test_trading_goes_on_without_what_watches_it(watched: Stack) -> None:
    assert watched.compose("kill", "prometheus", "alertmanager", "grafana").code == 0
    watched.flows()
    watched.up()
