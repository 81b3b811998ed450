"""Whatever bytes come in: a valid message comes out unchanged, anything else is `BadFrame`."""

from __future__ import annotations

from typing import Any

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from proto_schemas.base import Message
from proto_schemas.registry import TABLE
from shared.bus.codec import BadFrame, decode, encode
from shared.kernel.outputs import Event
from tests.unit.proto_schemas.frames import BODY, altered, sample_frame
from tests.unit.proto_schemas.message_strategies import envelopes, messages

MODELS = st.sampled_from([row.model for row in TABLE])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=20)
)
PLAIN = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4)
    ),
    max_leaves=10,
)


def decode_or_refuse(frame: bytes) -> Event | None:
    """None if it was refused; any other exception escapes and fails the test."""
    try:
        return decode(frame)
    except BadFrame as error:
        assert error.code and error.field and error.fix
        return None


@given(st.data(), messages())
def test_every_message_comes_back_as_it_went(data: st.DataObject, message: Message) -> None:
    envelope = data.draw(envelopes(message))
    frame = encode(envelope, message)
    event = decode(frame)
    assert event == Event(envelope, message)
    assert encode(event.envelope, event.body) == frame


@given(st.binary(max_size=300))
def test_random_bytes_are_refused(noise: bytes) -> None:
    assert decode_or_refuse(noise) is None
    assert decode_or_refuse(b"mark\0" + noise) is None


@given(MODELS, st.data())
def test_a_frame_with_some_bytes_changed_is_valid_or_refused(
    model: type[Message], data: st.DataObject
) -> None:
    frame = bytearray(sample_frame(model))
    places = st.integers(0, len(frame) - 1)
    for place in data.draw(st.lists(places, min_size=1, max_size=4)):
        frame[place] = data.draw(st.integers(0, 255))
    event = decode_or_refuse(bytes(frame))
    assert event is None or decode(encode(event.envelope, event.body)) == event


@given(MODELS, st.data())
def test_a_frame_cut_anywhere_is_refused(model: type[Message], data: st.DataObject) -> None:
    frame = sample_frame(model)
    assert decode_or_refuse(frame[: data.draw(st.integers(0, len(frame) - 1))]) is None


@given(MODELS, PLAIN)
def test_any_body_is_valid_or_refused(model: type[Message], body: Any) -> None:
    decode_or_refuse(altered(model, parts=lambda parts: parts.__setitem__(BODY, body)))


@given(MODELS, st.data(), PLAIN)
def test_any_value_in_any_field_is_valid_or_refused(
    model: type[Message], data: st.DataObject, value: Any
) -> None:
    def spoil(body: dict[str, Any]) -> None:
        names = st.sampled_from([*body, "unheard_of"])
        body[data.draw(names)] = value

    event = decode_or_refuse(altered(model, spoil))
    assert event is None or type(event.body) is model


@given(st.integers(0, BODY - 1), PLAIN)
def test_any_value_in_the_envelope_is_valid_or_refused(place: int, value: Any) -> None:
    from proto_schemas.market_data import Mark

    decode_or_refuse(altered(Mark, parts=lambda parts: parts.__setitem__(place, value)))


@given(st.integers(1, 3000))
def test_lists_nested_without_end_are_refused(depth: int) -> None:
    assert decode_or_refuse(b"mark\0" + b"\x91" * depth + b"\xc0") is None


@given(st.lists(PLAIN, min_size=10, max_size=10))
def test_ten_random_fields_are_refused(parts: list[Any]) -> None:
    assert decode_or_refuse(b"mark\0" + msgpack.packb(parts)) is None
