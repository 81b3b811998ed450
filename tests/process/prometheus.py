"""A real Prometheus and Alertmanager around a run: they scrape, judge, and tell a local listener.

The services of a bare run take free ports and say them in their logs, so the list of targets is a
file that is written again after each restart.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from proto_schemas.registry import SERVICES
from tests.process.trading import wait_until
from tests.unit.deploy.tools import tool

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy/prometheus/rules/bulkhead.yml"
ROUTES = ROOT / "deploy/alertmanager/alertmanager.yml"
LOOPBACK = "127.0.0.1"
PORT_SAID = re.compile(r'"metrics_port": (\d+)')


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


class Listener:
    """Takes what Alertmanager posts: (receiver, alert's name, status) in order of arrival."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, str]] = []
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                for alert in body["alerts"]:
                    name = alert["labels"]["alertname"]
                    listener.heard.append((body["receiver"], name, alert["status"]))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_words: object) -> None:
                """Nothing on the screen of the tests."""

        self.server = HTTPServer((LOOPBACK, 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.server.server_port}/"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Watch:
    """Both programs, with the repository's own rules and routes, for one run."""

    def __init__(self, folder: Path, run: Path) -> None:
        self._folder, self._run = folder, run
        self._targets = folder / "targets.json"
        self.listener = Listener()
        self.port, self._manager_port = free_port(), free_port()
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        prometheus, manager = tool("prometheus"), tool("prometheus-alertmanager")
        self.point()
        self._write_configs()
        self._spawn(
            manager, "--config.file=routes.yml", "--storage.path=alerts",
            f"--web.listen-address={LOOPBACK}:{self._manager_port}", "--cluster.listen-address=",
        )  # fmt: skip
        self._spawn(
            prometheus, "--config.file=prometheus.yml", "--storage.tsdb.path=tsdb",
            f"--web.listen-address={LOOPBACK}:{self.port}",
        )  # fmt: skip
        wait_until("every target is scraped", lambda: self.up() == set(SERVICES), 40)

    def point(self) -> None:
        """Write where each service is now."""
        targets = []
        for name in SERVICES:
            said = PORT_SAID.findall((self._run / "logs" / f"{name}.log").read_text())
            labels = {"instance": name}
            targets.append({"targets": [f"{LOOPBACK}:{said[-1]}"], "labels": labels})
        made = self._targets.with_suffix(".new")
        made.write_text(json.dumps(targets))
        made.replace(self._targets)

    def stop(self) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)
        self.listener.close()

    # --- questions ------------------------------------------------------------------------------

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The newest of each series."""
        return self._ask("query", query=expr)

    def query_range(self, expr: str, seconds: int) -> list[dict[str, Any]]:
        """Each series over the last seconds."""
        end = time.time()
        return self._ask("query_range", query=expr, start=end - seconds, end=end, step=2)

    def up(self) -> set[str]:
        return {each["metric"]["instance"] for each in self.query('up{job="bulkhead"} == 1')}

    def firing(self) -> set[tuple[str, str]]:
        """(alert, service) of all that fire now."""
        found = self.query('ALERTS{alertstate="firing"}')
        return {(e["metric"]["alertname"], e["metric"].get("service", "")) for e in found}

    def heard(self, receiver: str, alert: str, status: str) -> bool:
        """Whether Alertmanager has told that to that receiver."""
        return (receiver, alert, status) in self.listener.heard

    def _ask(self, what: str, **parameters: object) -> list[dict[str, Any]]:
        words = urllib.parse.urlencode(parameters)
        try:
            with urllib.request.urlopen(
                f"http://{LOOPBACK}:{self.port}/api/v1/{what}?{words}", timeout=10
            ) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.SERVICE_UNAVAILABLE:
                return []  # it is still starting
            pytest.fail(f"{parameters}: {error.read().decode()}")
        except urllib.error.URLError:
            return []  # it does not listen yet
        assert answer["status"] == "success", (parameters, answer)
        found = answer["data"]["result"]
        assert isinstance(found, list)
        return found

    # --- files ----------------------------------------------------------------------------------

    def _write_configs(self) -> None:
        routes = yaml.safe_load(ROUTES.read_text())
        for receiver in routes["receivers"]:
            receiver["webhook_configs"] = [{"url": self.listener.url}]
        routes["route"].update(group_wait="1s", group_interval="1s")
        self._write("routes.yml", routes)
        self._write(
            "prometheus.yml",
            {
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": [str(RULES)],
                "alerting": {
                    "alertmanagers": [
                        {"static_configs": [{"targets": [f"{LOOPBACK}:{self._manager_port}"]}]}
                    ]
                },
                "scrape_configs": [
                    {"job_name": "bulkhead", "file_sd_configs": [{"files": [str(self._targets)]}]}
                ],
            },
        )

    def _write(self, name: str, content: object) -> None:
        (self._folder / name).write_text(yaml.safe_dump(content))

    def _spawn(self, *command: str) -> None:
        with (self._folder / f"{Path(command[0]).name}.log").open("wb") as log:
            self._processes.append(
                subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log)
            )
