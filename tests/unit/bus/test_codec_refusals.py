"""What the codec refuses, and that it says where. Everything that enters a process passes here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields, replace
from typing import Any

import msgpack
import pytest

from proto_schemas.base import Envelope
from proto_schemas.broker import BrokerSnapshot, NewOrder
from proto_schemas.market_data import Bar, Mark, Trade
from proto_schemas.registry import TABLE, Row
from proto_schemas.signals import Ack, Approval
from services.lab.samples import SAMPLES, sample_envelope
from shared.bus.codec import FRAME_MAX_BYTES, BadFrame, decode, decode_header, encode, stream_of
from tests.unit.proto_schemas.frames import BODY, altered, sample_frame

ROWS = [pytest.param(row, id=row.kind) for row in TABLE]
WITH_FIELDS = [p for p in ROWS if fields(p.values[0].model)]  # type: ignore[attr-defined]


def refusal(frame: bytes) -> BadFrame:
    with pytest.raises(BadFrame) as caught:
        decode(frame)
    return caught.value


@pytest.mark.parametrize("row", ROWS)
def test_an_unknown_field_is_named(row: Row) -> None:
    error = refusal(altered(row.model, lambda body: body.update(colour="red")))
    assert (error.code, error.field, error.value) == ("FIELD_UNKNOWN", row.kind, ["colour"])


@pytest.mark.parametrize("row", WITH_FIELDS)
def test_each_missing_field_is_named(row: Row) -> None:
    for field in fields(row.model):  # type: ignore[arg-type]
        if field.default is not MISSING:  # added in a later version: absent means not known
            assert row.version > 1
            continue
        error = refusal(altered(row.model, lambda body, name=field.name: body.pop(name)))  # type: ignore[misc]
        assert (error.code, error.field) == ("FIELD_INVALID", f"{row.kind}.{field.name}")


@pytest.mark.parametrize("row", WITH_FIELDS)
def test_a_field_of_a_type_that_no_message_uses_is_named(row: Row) -> None:
    for field in fields(row.model):  # type: ignore[arg-type]
        error = refusal(altered(row.model, lambda body, name=field.name: body.update({name: 1.5})))  # type: ignore[misc]
        assert error.code == "FIELD_INVALID"
        assert error.field.startswith(f"{row.kind}.{field.name}")


WRONG = [
    (Mark, "price_ticks", 24310.0),
    (Mark, "price_ticks", "24310"),
    (Mark, "price_ticks", True),
    (Mark, "price_ticks", None),
    (Mark, "price_ticks", 2**53 + 1),
    (Mark, "price_ticks", -(2**53) - 1),
    (Mark, "exchange_ns", -1),
    (Mark, "instrument", "ESZ4"),
    (Mark, "instrument", "ESA24"),
    (Mark, "instrument", "ESZ24\n"),
    (Mark, "instrument", b"ESZ24"),
    (Trade, "quantity_lots", -1),
    (Bar, "volume_lots", -1),
    (NewOrder, "quantity_lots", 0),
    (NewOrder, "quantity_lots", 100_001),
    (NewOrder, "side", "buy"),
    (NewOrder, "side", 1),
    (NewOrder, "order_type", "STOP_LIMIT"),
    (NewOrder, "client_order_id", "9F3AC21B-77d0-0001-0002-00000000002a"),
    (NewOrder, "client_order_id", "a" * 36 + "\n"),
    (NewOrder, "session", "Order Router"),
    (Approval, "reduce_only", 1),
    (Approval, "reduce_only", "true"),
    (Approval, "limits_hash", "x" * 501),
    (BrokerSnapshot, "orders", {}),
    (BrokerSnapshot, "orders", None),
]


@pytest.mark.parametrize(("model", "field", "value"), WRONG)
def test_a_wrong_type_or_a_value_out_of_bounds_is_named(model: Any, field: str, value: Any) -> None:
    error = refusal(altered(model, lambda body: body.update({field: value})))
    assert error.code == "FIELD_INVALID"
    assert error.field.endswith(f".{field}")


def test_a_wrong_value_deep_inside_is_named_with_its_place() -> None:
    def spoil(body: dict[str, Any]) -> None:
        body["orders"][0]["filled_lots"] = -1

    error = refusal(altered(BrokerSnapshot, spoil))
    assert (error.field, error.value) == ("broker_snapshot.orders.0.filled_lots", -1)


def put(index: int, value: Any) -> Callable[[list[Any]], None]:
    def change(parts: list[Any]) -> None:
        parts[index] = value

    return change


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        (put(0, "marc"), "KIND_UNKNOWN", "kind"),
        (put(1, 2), "VERSION_UNKNOWN", "mark"),
        (put(1, 0), "VERSION_UNKNOWN", "mark"),
        (put(0, None), "ENVELOPE_INVALID", "envelope"),
        (put(2, 7), "ENVELOPE_INVALID", "envelope"),
        (put(3, -1), "ENVELOPE_INVALID", "envelope"),
        (put(4, True), "ENVELOPE_INVALID", "envelope"),
        (put(5, 1.0), "ENVELOPE_INVALID", "envelope"),
        (put(6, 2**63), "ENVELOPE_INVALID", "envelope"),
        (put(7, 5), "ENVELOPE_INVALID", "envelope"),
        (put(8, "x" * 201), "ENVELOPE_INVALID", "envelope"),
        (list.pop, "FRAME_SHAPE", "envelope"),
        (lambda parts: parts.append(1), "FRAME_SHAPE", "envelope"),
        (put(BODY, []), "BODY_SHAPE", "mark"),
        (put(BODY, None), "BODY_SHAPE", "mark"),
    ],
)
def test_a_wrong_envelope_is_refused(
    change: Callable[[list[Any]], Any], code: str, field: str
) -> None:
    error = refusal(altered(Mark, parts=change))
    assert (error.code, error.field) == (code, field)


def test_a_frame_that_is_too_large_is_refused_before_it_is_read() -> None:
    envelope = b"mark\0" + b"\xc0" * FRAME_MAX_BYTES
    assert refusal(envelope).code == "FRAME_TOO_LARGE"
    assert refusal(envelope[:FRAME_MAX_BYTES]).code == "FRAME_SHAPE"


@pytest.mark.parametrize("model", [Mark, BrokerSnapshot, Ack])
def test_a_frame_cut_at_any_byte_is_refused(model: Any) -> None:
    frame = sample_frame(model)
    for length in range(len(frame)):
        assert refusal(frame[:length]).code == "FRAME_SHAPE"


def test_a_frame_with_something_behind_it_is_refused() -> None:
    assert refusal(sample_frame(Mark) + b"\0").code == "FRAME_SHAPE"


@pytest.mark.parametrize("body", [1, "text", [], {}, None, {"kind": "mark"}, msgpack.Timestamp(1)])
def test_msgpack_that_is_no_message_is_refused(body: object) -> None:
    assert refusal(b"mark\0" + msgpack.packb(body)).code == "FRAME_SHAPE"


def test_text_that_is_no_utf8_is_refused_and_a_strange_stream_name_harms_nothing() -> None:
    packed = sample_frame(Mark).partition(b"\0")[2]
    assert refusal(b"mark\0" + packed.replace(b"ESZ24", b"ES\xff24")).code == "FRAME_SHAPE"
    event = decode(b"\xff\xfemark\0" + packed)
    assert event.body == SAMPLES[Mark]
    assert event.envelope.stream == "��mark"


def test_the_header_can_be_read_without_the_body() -> None:
    frame = altered(Mark, lambda body: body.update(price_ticks="spoilt"))
    envelope, body = decode_header(frame)
    assert envelope == sample_envelope(SAMPLES[Mark])
    assert body["price_ticks"] == "spoilt"


def test_a_refusal_names_whose_fault_it_is() -> None:
    error = refusal(b"")
    assert (error.side, error.exit_code) == ("peer", 65)


def test_the_stream_of_a_message_comes_from_the_table() -> None:
    trade = SAMPLES[Trade]
    assert stream_of(trade) == "market.ESZ24"
    assert stream_of(replace(trade, instrument="CLF25")) == "market.CLF25"  # type: ignore[call-arg]
    assert stream_of(SAMPLES[Mark]) == "mark"
    assert stream_of(Ack(), "to.risk_engine") == "to.risk_engine"


def test_the_stream_stands_in_clear_so_that_a_subscription_can_match_it() -> None:
    assert encode(sample_envelope(SAMPLES[Trade]), SAMPLES[Trade]).startswith(b"market.ESZ24\0")


def test_the_id_of_a_message_is_its_place_in_its_stream() -> None:
    envelope = Envelope("ack", 1, "venue", 3, "re.watchdog", 7, 0, 0, None, None)
    assert envelope.id == "venue/3/re.watchdog/7"
