"""The whole way of a number: a trading box, a real Prometheus, our dashboards, our alerts.

One story, because it takes a minute to tell: the box trades, is killed and resumed, and one of its
processes hangs. Every query of every panel must have something to show, and the two alerts that
matter most must fire, be sent to whom they belong, and end.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from services.lab.grafana.drawing import Page, Query
from services.lab.grafana.files import PAGES
from tests.process import trading
from tests.process.prometheus import Watch
from tests.unit.deploy.tools import tool

if TYPE_CHECKING:
    from tests.process.conftest import Bulkhead

CONFIG = """\
[run]
strategy = "every_tick"

[risk_engine]
orders_per_second_max = 3
"""
STORY_S = 120
ALERTED_WITHIN_S = 40
RATE_INTERVAL = "10s"


@pytest.fixture
def watched(bulkhead: Bulkhead, tmp_path: Path) -> Iterator[tuple[Bulkhead, Watch]]:
    """A paper run that trades more than it may, and Prometheus beside it."""
    tool("prometheus")
    tool("prometheus-alertmanager")
    config = tmp_path / "busy.toml"
    config.write_text(CONFIG)
    up = bulkhead("up", "--config", str(config), "--speed", "4", "--json")
    assert up.code == 0, (up.out, up.err)
    watch = Watch(tmp_path, trading.run_of(bulkhead))
    try:
        watch.start()
        yield bulkhead, watch
    finally:
        watch.stop()
        bulkhead("down", "--json")


@pytest.mark.timeout(300)
def test_panels_have_data_and_alerts_fire_reach_and_end(
    watched: tuple[Bulkhead, Watch],
) -> None:
    bulkhead, watch = watched
    _trades_and_is_refused(watch)
    assert watch.firing() <= {("MonitoringAlive", ""), ("LossNearLimit", "monitor")}
    _a_kill_pages_until_it_is_resumed(bulkhead, watch)
    empty = [query.expr for page in PAGES for query in _queries(page) if not _shows(watch, query)]
    assert empty == []
    assert not _shows(watch, Query("bulkhead_killed > 1")), "a panel can be empty"
    _a_process_that_hangs_pages_until_it_is_back(bulkhead, watch)


def _trades_and_is_refused(watch: Watch) -> None:
    wait_until("fills", lambda: _number(watch, "bulkhead_executions_total") > 20)
    refused = 'bulkhead_refusals_total{by="risk_engine", code="ORDER_RATE"}'
    wait_until("a refusal", lambda: _number(watch, refused) > 0)


def _a_kill_pages_until_it_is_resumed(bulkhead: Bulkhead, watch: Watch) -> None:
    latched = ("Latched", "watchdog")
    killed = bulkhead("kill", "--reason", "drill", "--json")
    assert killed.code == 0, (killed.out, killed.err)
    wait_until("Latched fires", lambda: latched in watch.firing())
    wait_until("the page arrives", lambda: watch.heard("page", "Latched", "firing"))
    assert _number(watch, "bulkhead_exposed") == 0
    who = ("--operator", "tester", "--reason", "drill", "--json")
    resumed = bulkhead("resume", "--kill-id", killed.report["kill_id"], *who)
    assert resumed.code == 0, (resumed.out, resumed.err)
    wait_until("Latched ends", lambda: latched not in watch.firing())
    wait_until("its end arrives", lambda: watch.heard("page", "Latched", "resolved"))
    wait_until("trading again", lambda: _number(watch, "bulkhead_gate_open") == 1)


def _a_process_that_hangs_pages_until_it_is_back(bulkhead: Bulkhead, watch: Watch) -> None:
    """The monitor: trading does not notice, and what watches it is somebody else."""
    down = ("ServiceDown", "monitor")
    pid = bulkhead.kill("monitor", signal.SIGSTOP)
    stopped_s = time.monotonic()
    wait_until("ServiceDown fires", lambda: down in watch.firing())
    fired_s = time.monotonic() - stopped_s
    print(f"ServiceDown fires after {fired_s:.1f} s")
    assert fired_s > 10, "a restart must not page"
    wait_until("the page arrives", lambda: watch.heard("page", "ServiceDown", "firing"))
    assert _number(watch, "bulkhead_gate_open") == 1, "trading goes on"
    os.kill(pid, signal.SIGKILL)
    bulkhead.wait_for("monitor", other_than=pid)
    wait_until("its new port is known", lambda: _points_at_all(watch))
    wait_until("ServiceDown ends", lambda: down not in watch.firing())
    wait_until("its end arrives", lambda: watch.heard("page", "ServiceDown", "resolved"))


def wait_until(what: str, holds: Callable[[], bool]) -> None:
    """Scrapes, rules and messengers each add a second or more."""
    trading.wait_until(what, holds, ALERTED_WITHIN_S)


def _points_at_all(watch: Watch) -> bool:
    watch.point()
    return len(watch.up()) == 8


def _number(watch: Watch, expr: str) -> float:
    found = watch.query(expr)
    return float(found[0]["value"][1]) if found else 0.0


def _queries(page: Page) -> list[Query]:
    return [query for panel in page.panels() for query in panel.all_queries()]


def _shows(watch: Watch, query: Query) -> bool:
    """At least one series with a real number, and every label that its legend shows."""
    series = watch.query_range(query.expr.replace("$__rate_interval", RATE_INTERVAL), STORY_S)
    wanted = set(re.findall(r"\{\{(\w+)\}\}", query.legend))
    named = all(wanted <= set(each["metric"]) for each in series)
    return named and any(value != "NaN" for each in series for _, value in each["values"])
