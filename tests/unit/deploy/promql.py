"""What an expression is about: its metrics and the labels that it asks of them. No full parser.

Good enough for our own rules and panels; whether an expression is valid is for promtool to say.
"""

from __future__ import annotations

import re

from shared.runtime.metric_table import EXPORTED, FOREIGN

STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
LABEL_LIST = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
SELECTOR = re.compile(r"\b([A-Za-z_:][\w:]*)\s*\{([^}]*)\}")
RANGE = re.compile(r"\[[^\]]*\]")
NAME = re.compile(r"\b([A-Za-z_:][\w:]*)\b(?!\s*\()")
WORDS = {"and", "or", "unless", "bool", "offset", "inf", "nan"}
EVERYWHERE = {"service", "instance", "job", "le"}
OF_FOREIGN = {"alertname", "alertstate", "severity"}


def metrics(expr: str) -> set[str]:
    """Every metric named in the expression."""
    bare = LABEL_LIST.sub(" ", RANGE.sub(" ", STRING.sub('""', expr)))
    bare = re.sub(r"\{[^}]*\}", " ", bare)
    return {name for name in NAME.findall(bare) if name.lower() not in WORDS}


def problems(expr: str) -> list[str]:
    """Metrics that nobody exports, and labels that a metric does not have."""
    found = [f"{name}: no such metric" for name in metrics(expr) if not _known(name)]
    for name, inside in SELECTOR.findall(STRING.sub('""', expr)):
        asked = set(re.findall(r"(\w+)\s*[=!]", inside))
        found += [f"{name} has no label {label}" for label in sorted(asked - labels_of(name))]
    grouped = {label.strip() for part in LABEL_LIST.findall(expr) for label in part.split(",")}
    had = set().union(*(labels_of(name) for name in metrics(expr)), *[set(_made(expr))])
    return found + [f"nothing here has label {label}" for label in sorted(grouped - had - {""})]


def legend_labels(legend: str) -> set[str]:
    """The labels that a legend wants to show."""
    return set(re.findall(r"\{\{\s*(\w+)\s*\}\}", legend))


def _known(name: str) -> bool:
    return name in EXPORTED or name in FOREIGN


def labels_of(name: str) -> set[str]:
    """The labels that a metric can have."""
    row = EXPORTED.get(name)
    return EVERYWHERE | (set(row.labels) if row is not None else OF_FOREIGN)


def _made(expr: str) -> list[str]:
    """Labels that the expression makes itself."""
    return re.findall(r'label_replace\(.*?,\s*"(\w+)"', expr, re.DOTALL)
