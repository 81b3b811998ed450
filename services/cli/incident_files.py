"""What an incident needs from outside the journals: venue's record, logs, config, versions.

Nothing that looks like a secret goes into an incident, because it is made to be mailed: values of
settings and variables with such a name are taken out wherever they stand.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from proto_schemas.base import Envelope, Message
from proto_schemas.registry import SERVICES
from services.cli.doctor_box import PACKAGES
from services.cli.logs import readable_entry
from services.cli.service_log import entries as log_entries
from services.venue.config import load as load_venue
from shared.bus.codec import BadFrame, decode
from shared.runtime.run_folder import RunFolder
from shared.runtime.settings import read_toml

SECRET_WORDS = r"secret|passw|token|credential|api_?key|private|login|_key\b|\bkey\b"
SECRET_NAME = re.compile(SECRET_WORDS, re.IGNORECASE)
SECRET_PAIR = re.compile(
    rf"([\w.-]*(?:{SECRET_WORDS})[\w.-]*\"?[ \t]*[=:][ \t]*)(?:\"[^\"\n]*\"|[^\s,}}]+)",
    re.IGNORECASE,
)
IN_ADDRESS = re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")
LEFT_OUT = "(left out)"
SECRET_CHARACTERS_MIN = 4
LOG_LINES_MAX = 200


def venue_record(run: RunFolder, order_ids: Iterable[str]) -> list[tuple[int, Envelope, Message]]:
    """What arrived at the built-in exchange about these orders: (boot time, envelope, message)."""
    path = load_venue(run).record_path
    wanted = set(order_ids)
    return [found for found in _received(path) if about(found[2]) in wanted]


def about(body: Message) -> str:
    """The order that a message is about, or nothing."""
    return str(getattr(body, "client_order_id", ""))


def _received(path: Path) -> Iterator[tuple[int, Envelope, Message]]:
    """Every whole line that holds a message; garbage that arrived is on record too."""
    if not path.is_file():
        return
    with path.open("rb") as stream:
        for line in stream:
            stamp, _, text = line.strip().partition(b" ")
            if line.endswith(b"!\n") or not stamp.isdigit():
                continue  # torn by a crash
            try:
                event = decode(bytes.fromhex(text.decode("ascii")))
            except (BadFrame, ValueError):
                continue  # it was no message, so no order
            yield int(stamp), event.envelope, event.body


def log_lines(run: RunFolder, ids: Iterable[str]) -> tuple[list[str], int]:
    """The services' own log lines that name one of these ids, and how many more there are."""
    wanted = tuple(ids)
    found = [
        (str(entry.get("timestamp", "")), readable_entry(name, entry))
        for name in SERVICES
        for entry in log_entries(run.log(name))
        if any(each in map(str, entry.values()) for each in wanted)
    ]
    lines = [line for _, line in sorted(found)]
    return lines[:LOG_LINES_MAX], max(0, len(lines) - LOG_LINES_MAX)


def versions() -> dict[str, str]:
    """What runs here now."""
    return {
        "bulkhead": version("bulkhead"),
        "python": platform.python_version(),
        **{name: version(name) for name in PACKAGES},
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
    }


class Redactor:
    """Takes secrets out of text: by the names of settings and variables, and in addresses."""

    def __init__(self, tables: Mapping[str, Any], environment: Mapping[str, str]) -> None:
        named = [*_named(tables), *environment.items()]
        self._values = sorted(
            {
                value
                for name, value in named
                if SECRET_NAME.search(name) and len(value) >= SECRET_CHARACTERS_MIN
            },
            key=len,
            reverse=True,
        )

    def __call__(self, text: str) -> str:
        """The text without them."""
        text = SECRET_PAIR.sub(rf'\1"{LEFT_OUT}"', text)
        for value in self._values:
            text = text.replace(value, LEFT_OUT)
        return IN_ADDRESS.sub(LEFT_OUT, text)


def redactor_for(run: RunFolder) -> Redactor:
    """One that knows this run's settings and this shell's variables."""
    return Redactor(read_toml(run.config), os.environ)


def _named(tables: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in tables.items():
        if isinstance(value, Mapping):
            yield from _named(value)
        else:
            yield name, str(value)
