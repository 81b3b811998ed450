"""Dashboards: the files are what the code draws, whole, readable, and about metrics that exist."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from services.lab.grafana.drawing import DATASOURCE_UID, Graph, Query, Tile
from services.lab.grafana.files import FOLDER, PAGES, dashboard_files
from shared.runtime.metric_table import BY_NAME, TABLE
from tests.unit.deploy import promql
from tests.unit.deploy.tools import run

ROOT = Path(__file__).resolve().parents[3]
GRAFANA = ROOT / "deploy/grafana"
QUERIES = [
    pytest.param(query, id=f"{page.uid}: {panel.title}: {query.expr[:40]}")
    for page in PAGES
    for panel in page.panels()
    for query in panel.all_queries()
]
# Shown nowhere because a number over time would tell nothing, or because an alert does.
NOT_SHOWN = {"bulkhead_build_info", "bulkhead_progress", "bulkhead_frames_refused"}
NOT_SHOWN |= {"bulkhead_exposed", "bulkhead_session_over", "bulkhead_feed_stale"}


def loaded() -> list[dict[str, Any]]:
    return [json.loads((ROOT / path).read_text()) for path in dashboard_files()]


def panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def test_the_files_are_what_the_code_draws_and_no_other_lies_there() -> None:
    drawn = dashboard_files()
    assert {path.name for path in (ROOT / FOLDER).iterdir()} == {path.name for path in drawn}
    for path, content in drawn.items():
        assert (ROOT / path).read_bytes() == content, f"{path}: run `make docs`"


def test_a_file_comes_back_from_grafanas_own_model_unchanged() -> None:
    for board in loaded():
        again = json.dumps(Dashboard.from_json(board), cls=JSONEncoder)
        assert json.loads(again) == board


def test_a_word_that_grafana_does_not_know_would_be_lost_on_that_way() -> None:
    board = loaded()[0]
    board["tittle"] = "x"
    assert "tittle" not in json.loads(json.dumps(Dashboard.from_json(board), cls=JSONEncoder))


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_known_metrics_and_its_legend_known_labels(query: Query) -> None:
    assert promql.problems(query.expr) == []
    labels = set().union(*(promql.labels_of(name) for name in promql.metrics(query.expr)))
    assert promql.legend_labels(query.legend) <= labels, query


def test_every_query_parses(tmp_path: Path) -> None:
    records = [
        {"record": f"bulkhead:query:{number}", "expr": filled(query.values[0].expr)}
        for number, query in enumerate(QUERIES)
    ]
    rules = tmp_path / "queries.yml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": records}]}))
    assert f"{len(QUERIES)} rules found" in run("promtool", "check", "rules", str(rules))


def filled(expr: str) -> str:
    """As Grafana sends it: its own variables put in."""
    assert "$" not in expr.replace("$__rate_interval", ""), expr
    return expr.replace("$__rate_interval", "20s")


def test_every_metric_of_the_table_is_on_some_page_or_said_to_be_on_none() -> None:
    shown = {name for query in QUERIES for name in promql.metrics(query.values[0].expr)}
    hidden = {row.name for row in TABLE if not shown & set(row.exported)}
    assert hidden == NOT_SHOWN
    assert set(BY_NAME) >= NOT_SHOWN


def test_identities_are_said_once() -> None:
    uids = [board["uid"] for board in loaded()]
    assert len(set(uids)) == len(uids) == 3
    for board in loaded():
        ids = [panel["id"] for panel in board["panels"]]
        titles = [panel["title"] for panel in board["panels"]]
        assert len(set(ids)) == len(ids) and len(set(titles)) == len(titles)


def test_every_panel_says_what_it_shows_in_which_unit_and_from_where() -> None:
    for board in loaded():
        assert board["description"].endswith(".") and board["editable"] is False
        for panel in panels(board):
            assert panel["description"].endswith("."), panel["title"]
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
            sources = [panel["datasource"], *(t["datasource"] for t in panel["targets"])]
            assert {source["uid"] for source in sources} == {DATASOURCE_UID}, panel["title"]
            refs = [target["refId"] for target in panel["targets"]]
            assert len(set(refs)) == len(refs) > 0


def test_no_panel_lies_on_another_or_beside_the_page() -> None:
    for board in loaded():
        places = [panel["gridPos"] for panel in board["panels"]]
        assert all(place["x"] + place["w"] <= 24 for place in places)
        for one, other in combinations(places, 2):
            apart = (
                one["x"] + one["w"] <= other["x"]
                or other["x"] + other["w"] <= one["x"]
                or one["y"] + one["h"] <= other["y"]
                or other["y"] + other["h"] <= one["y"]
            )
            assert apart, (board["title"], one, other)


def test_several_series_in_a_graph_can_be_told_apart() -> None:
    for page in PAGES:
        for panel in page.panels():
            if not isinstance(panel, Graph):
                continue
            legends = [query.legend for query in panel.queries]
            assert all(legends) and len(set(legends)) == len(legends), panel.title


def test_a_tile_has_a_colour_from_the_bottom_on() -> None:
    tiles = [panel for page in PAGES for panel in page.panels() if isinstance(panel, Tile)]
    assert tiles
    for tile in tiles:
        bounds = [bound for bound, _ in tile.steps]
        assert bounds[0] is None and bounds[1:] == sorted(bounds[1:]), tile.title


def test_the_provisioning_leads_to_the_source_and_the_files_that_are_there() -> None:
    sources = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())
    (source,) = sources["datasources"]
    assert (source["uid"], source["type"]) == (DATASOURCE_UID, "prometheus")
    assert source["editable"] is False and source["url"] == "http://prometheus:9090"
    providers = yaml.safe_load((GRAFANA / "provisioning/dashboards/bulkhead.yml").read_text())
    (provider,) = providers["providers"]
    assert provider["options"]["path"] == "/etc/grafana/dashboards"
    assert provider["allowUiUpdates"] is False


def test_the_pinned_builder_writes_for_grafana_11() -> None:
    assert {board["schemaVersion"] for board in loaded()} == {41}
