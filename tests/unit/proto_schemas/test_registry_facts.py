"""The table agrees with itself: everything that is derived from it rests on these facts."""

from __future__ import annotations

import ast
from dataclasses import fields
from pathlib import Path
from string import Formatter

import pytest

from proto_schemas.base import Message
from proto_schemas.registry import (
    ANY,
    BY_KIND,
    BY_MODEL,
    SERVICES,
    TABLE,
    Row,
    command_peers,
    gapless_streams,
    peers_of,
    streams_consumed,
)

ROWS = [pytest.param(row, id=row.kind) for row in TABLE]
PUBLISHED = ("stream", "conflate", "latch")


@pytest.mark.parametrize("row", ROWS)
def test_producers_and_consumers_are_known_names(row: Row) -> None:
    assert {*row.producers, *row.consumers} <= {*SERVICES, ANY, "cli"}


@pytest.mark.parametrize("row", ROWS)
def test_only_commands_have_replies_and_every_command_has_some(row: Row) -> None:
    assert bool(row.replies) == (row.delivery == "command")
    assert all(BY_MODEL[reply].delivery == "reply" for reply in row.replies)


@pytest.mark.parametrize("row", ROWS)
def test_what_is_published_has_a_stream_and_nothing_else_has(row: Row) -> None:
    assert bool(row.stream) == (row.delivery in PUBLISHED)


@pytest.mark.parametrize("row", ROWS)
def test_a_stream_template_uses_fields_of_the_message(row: Row) -> None:
    wanted = {name for _, name, _, _ in Formatter().parse(row.stream) if name}
    assert wanted <= {f.name for f in fields(row.model)}  # type: ignore[arg-type]


@pytest.mark.parametrize("row", ROWS)
def test_the_purpose_of_every_kind_is_one_line(row: Row) -> None:
    first = (row.model.__doc__ or "").split("\n")[0]
    assert first.endswith((".", "?")) or ". " in first, first


def test_kinds_and_models_are_unique() -> None:
    assert len(BY_KIND) == len(BY_MODEL) == len(TABLE)


def test_every_reply_kind_answers_some_command() -> None:
    answered = {reply for row in TABLE for reply in row.replies}
    assert answered == {row.model for row in TABLE if row.delivery == "reply"}


def test_a_reply_goes_back_the_way_its_command_came() -> None:
    for row in TABLE:
        for reply in row.replies:
            back = BY_MODEL[reply]
            assert ANY in back.producers or set(row.consumers) <= set(back.producers)
            assert ANY in back.consumers or set(row.producers) <= set(back.consumers)


def test_kinds_in_one_gapless_stream_have_the_same_ends() -> None:
    ends: dict[str, set[tuple[tuple[str, ...], tuple[str, ...]]]] = {}
    for row in TABLE:
        if row.delivery == "stream":
            ends.setdefault(row.stream, set()).add((row.producers, row.consumers))
    assert ends
    for stream, found in ends.items():
        assert len(found) == 1, f"{stream}: a reader of some kinds would see gaps for ever"
        assert len(next(iter(found))[0]) == 1, f"{stream} has several producers"


def test_a_service_follows_exactly_the_gapless_streams_that_it_reads() -> None:
    market, ledger = {"market.ESM18": "market_data"}, {"ledger": "order_state"}
    assert gapless_streams("strategy_engine", "ESM18") == market | ledger
    assert gapless_streams("risk_engine", "ESM18") == ledger
    assert gapless_streams("order_router", "ESM18") == {}  # control is a latch, not numbered


def test_classes_of_delivery_do_not_share_a_stream() -> None:
    classes: dict[str, set[str]] = {}
    for row in TABLE:
        if row.stream:
            classes.setdefault(row.stream, set()).add(row.delivery)
    assert all(len(found) == 1 for found in classes.values()), classes


def test_every_message_class_has_a_row(repository_root: Path) -> None:
    """A message without a row could be made but never sent."""
    names = {
        node.name
        for path in (repository_root / "proto_schemas").glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and "Message" in [ast.unparse(b) for b in node.bases]
    }
    assert names == {row.model.__name__ for row in TABLE}
    assert all(issubclass(row.model, Message) for row in TABLE)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_connects_to_the_owner_of_every_gapless_stream_it_reads(service: str) -> None:
    owners = {
        producer
        for row in TABLE
        if row.delivery == "stream" and row.stream in streams_consumed(service)
        for producer in row.producers
    }
    assert owners <= set(command_peers(service)), "it could not ask for a snapshot"
    assert service not in peers_of(service)
    assert set(command_peers(service)) <= set(peers_of(service))


def test_the_kind_is_the_class_name_in_snake_case() -> None:
    assert {"order_update", "ack", "broker_order_event", "feed_open"} <= set(BY_KIND)
