"""Alert rules: valid, about metrics that exist, shown to fire and to end, with something to do."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.cli.main import app
from tests.unit.deploy import promql
from tests.unit.deploy.tools import run

ROOT = Path(__file__).resolve().parents[3]
RULES = ROOT / "deploy/prometheus/rules/bulkhead.yml"
CASES = Path(__file__).with_name("alerts.test.yml")
ROUTES = ROOT / "deploy/alertmanager/alertmanager.yml"
SEVERITIES = {"page", "ticket", "none"}
MUST_PAGE = {
    *("Latched", "NotFlat", "LossNearLimit", "ReconcileDifference", "ServiceDown"),
    *("LeaseLost", "FeedStale"),
}
NEVER_ENDS = {"MonitoringAlive"}


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def cases() -> list[dict[str, Any]]:
    return [
        each
        for test in yaml.safe_load(CASES.read_text())["tests"]
        for each in test["alert_rule_test"]
    ]


def test_the_rules_are_valid() -> None:
    assert f"{len(rules())} rules found" in run("promtool", "check", "rules", str(RULES))


def test_every_rule_fires_and_ends_as_its_cases_say() -> None:
    assert "SUCCESS" in run("promtool", "test", "rules", str(CASES))


def test_every_rule_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    names = {rule["alert"] for rule in rules()}
    assert len(names) == len(rules())
    assert {each["alertname"] for each in cases() if each.get("exp_alerts")} == names
    silent = {each["alertname"] for each in cases() if not each.get("exp_alerts")}
    assert silent == names - NEVER_ENDS


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_a_rule_names_known_metrics_and_says_what_to_do(rule: dict[str, Any]) -> None:
    assert promql.problems(rule["expr"]) == []
    assert rule["labels"]["severity"] in SEVERITIES
    said = rule["annotations"]
    assert set(said) == {"summary", "description", "action"}
    assert all(text.endswith(".") for text in said.values()), said


def test_what_cannot_wait_pages() -> None:
    paging = {rule["alert"] for rule in rules() if rule["labels"]["severity"] == "page"}
    assert paging >= MUST_PAGE


def test_every_command_that_an_alert_tells_a_person_to_run_exists() -> None:
    told = set(re.findall(r"`bulkhead (\w+)", RULES.read_text()))
    known = {
        command.name or command.callback.__name__.replace("_", "-")
        for command in app.registered_commands
        if command.callback is not None
    }
    assert told and told <= known, told - known


def test_the_checker_of_expressions_can_fail() -> None:
    assert promql.problems("bulkhead_made_up > 0") == ["bulkhead_made_up: no such metric"]
    assert promql.problems('bulkhead_killed{colour="red"}') == [
        "bulkhead_killed has no label colour"
    ]
    assert promql.problems("sum by (colour) (bulkhead_killed)") == ["nothing here has label colour"]
    assert promql.problems("rate(bulkhead_handled[5m])") == ["bulkhead_handled: no such metric"]
    assert (
        promql.problems('sum by (kind) (rate(bulkhead_handled_total{job="x"}[5m])) > bool 1') == []
    )


def test_the_routes_are_valid_and_lead_each_severity_to_its_receiver() -> None:
    assert "SUCCESS" in run("amtool", "check-config", str(ROUTES))
    for severity, receiver in (
        ("page", "page"), ("ticket", "ticket"), ("none", "nobody"), ("unheard_of", "page"),
    ):  # fmt: skip
        said = run(
            "amtool", "config", "routes", "test", f"--config.file={ROUTES}", f"severity={severity}"
        )
        assert said.splitlines()[0] == receiver or receiver in said.splitlines(), (severity, said)


def test_no_receiver_reaches_outside_this_box_and_no_secret_stands_in_the_file() -> None:
    receivers = yaml.safe_load(ROUTES.read_text())["receivers"]
    assert all(set(each) == {"name"} for each in receivers)
    assert not re.search(r"(?:password|token|key|secret): *\S", ROUTES.read_text())
