"""How a page becomes a Grafana dashboard: tiles, graphs and lists, in the typed builder's words.

The pages themselves (`overview.py`, `trading.py`, `latency.py`) are plain data. A tile is one
number in large letters with a colour that says whether it is good; a graph is numbers over time; a
list is the newest of each series as a table.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from grafana_foundation_sdk.builders import (
    common,
    dashboard,
    prometheus,
    stat,
    table,
    timeseries,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    LegendDisplayMode,
    LegendPlacement,
)
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    DataSourceRef,
    DataTransformerConfig,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

DATASOURCE_UID = "bulkhead-prometheus"
DATASOURCE = DataSourceRef(type_val="prometheus", uid=DATASOURCE_UID)
TAG = "bulkhead"
GOOD, BAD, PLAIN, DOUBTFUL = "green", "red", "text", "orange"
TILE_HEIGHT, GRAPH_HEIGHT = 4, 8
RATE = "[$__rate_interval]"
"""How far a rate looks back: Grafana fills in what fits the screen."""

Steps = tuple[tuple[float | None, str], ...]
FLAG_BAD: Steps = ((None, GOOD), (1, BAD))
NEUTRAL: Steps = ((None, PLAIN),)


@dataclass(frozen=True, slots=True)
class Query:
    """One expression and the words that name each of its series."""

    expr: str
    legend: str = ""


@dataclass(frozen=True, slots=True)
class Tile:
    """One number. `steps`: from which value on it has which colour; `words`: text for a value.

    `named`: show the name of the series in place of its value.
    """

    title: str
    text: str
    query: Query
    unit: str = "none"
    steps: Steps = NEUTRAL
    words: Mapping[int, str] = field(default_factory=dict)
    named: bool = False
    width: int = 4

    def all_queries(self) -> tuple[Query, ...]:
        """Its one query."""
        return (self.query,)


@dataclass(frozen=True, slots=True)
class Graph:
    """Numbers over time."""

    title: str
    text: str
    queries: tuple[Query, ...]
    unit: str = "none"
    width: int = 12
    least: float | None = None

    def all_queries(self) -> tuple[Query, ...]:
        """One for each group of lines."""
        return self.queries


@dataclass(frozen=True, slots=True)
class Listing:
    """The newest of each series, one a line. `hidden`: columns that would tell nothing."""

    title: str
    text: str
    query: Query
    hidden: tuple[str, ...] = ()
    unit: str = "none"
    width: int = 12

    def all_queries(self) -> tuple[Query, ...]:
        """Its one query."""
        return (self.query,)


Panel = Tile | Graph | Listing
Builder = stat.Panel | timeseries.Panel | table.Panel


@dataclass(frozen=True, slots=True)
class Page:
    """One dashboard: rows of panels, each under a heading."""

    uid: str
    title: str
    text: str
    rows: tuple[tuple[str, tuple[Panel, ...]], ...]

    def panels(self) -> tuple[Panel, ...]:
        """All of them, in order."""
        return tuple(panel for _, panels in self.rows for panel in panels)


def draw(page: Page) -> Dashboard:
    """The page as Grafana's own model."""
    made = (
        dashboard.Dashboard(page.title)
        .uid(page.uid)
        .description(page.text)
        .tags([TAG])
        .timezone("browser")
        .time("now-1h", "now")
        .refresh("5s")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .readonly()
        .link(dashboard.DashboardLink("Bulkhead").as_dropdown(False).tags([TAG]).keep_time(True))
    )
    number = 0
    for title, panels in page.rows:
        number += 1
        made.with_row(dashboard.Row(title).id(number))
        for panel in panels:
            number += 1
            made.with_panel(_panel(panel).id(number))
    return made.build()


def file_text(page: Page) -> str:
    """The page as the file that Grafana reads."""
    return json.dumps(draw(page), cls=JSONEncoder, indent=2, sort_keys=True) + "\n"


def _panel(panel: Panel) -> Builder:
    made: Builder
    match panel:
        case Tile():
            made = _tile(panel)
        case Graph():
            made = _graph(panel)
        case Listing():
            made = _listing(panel)
    made.title(panel.title).description(panel.text).unit(panel.unit).datasource(DATASOURCE)
    height = TILE_HEIGHT if isinstance(panel, Tile) else GRAPH_HEIGHT
    return made.span(panel.width).height(height)


def _tile(panel: Tile) -> stat.Panel:
    made = (
        stat.Panel()
        .with_target(_target(panel.query, "A", instant=True))
        .thresholds(_thresholds(panel.steps))
        .color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.NONE)
        .text_mode(BigValueTextMode.NAME if panel.named else BigValueTextMode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value("no data")
    )
    if panel.words:
        words = {str(value): ValueMappingResult(text=text) for value, text in panel.words.items()}
        made.mappings([ValueMap(options=words)])
    return made


def _graph(panel: Graph) -> timeseries.Panel:
    legend = (
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    made = timeseries.Panel().legend(legend).fill_opacity(5).line_width(1)
    if panel.least is not None:
        made.min(panel.least)
    for number, query in enumerate(panel.queries):
        made.with_target(_target(query, chr(ord("A") + number)))
    return made


def _listing(panel: Listing) -> table.Panel:
    hidden = DataTransformerConfig(
        id_val="organize", options={"excludeByName": dict.fromkeys(panel.hidden, True)}
    )
    target = _target(panel.query, "A", instant=True, as_table=True)
    return table.Panel().with_target(target).with_transformation(hidden)


def _target(
    query: Query, ref_id: str, instant: bool = False, as_table: bool = False
) -> prometheus.Dataquery:
    made = prometheus.Dataquery().expr(query.expr).ref_id(ref_id).datasource(DATASOURCE)
    if query.legend:
        made.legend_format(query.legend)
    if as_table:
        made.format(PromQueryFormat.TABLE)
    return made.instant() if instant else made.range()


def _thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    return (
        dashboard.ThresholdsConfig()
        .mode(ThresholdsMode.ABSOLUTE)
        .steps([Threshold(value=value, color=colour) for value, colour in steps])
    )
