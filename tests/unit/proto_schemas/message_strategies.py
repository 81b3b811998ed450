"""Random valid messages of any kind, made from the bounds in their field types."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st
from pydantic import TypeAdapter

from proto_schemas.base import Envelope, Message
from proto_schemas.registry import BY_MODEL, TABLE

TEXTS = st.text(max_size=40)
NUMBERS = st.integers(0, 2**63 - 1)
OPTIONAL_IDS = st.none() | st.text(max_size=200)
PLAIN = {
    bool: st.booleans(),
    str: TEXTS,
    int: st.integers(-(2**63), 2**63 - 1),
    bytes: st.binary(max_size=40),
    NoneType: st.none(),
}


def of_type(annotation: Any) -> st.SearchStrategy[Any]:
    """Values that the field type allows."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated and arguments[0] in (bytes, str, int) and len(arguments) == 2:
        return PLAIN[arguments[0]]  # strict, without bounds
    if origin is Annotated and get_origin(arguments[0]) is tuple:
        return of_type(arguments[0])  # bounded in length only, far above what is drawn here
    if origin is Annotated:
        return _bounded(TypeAdapter(annotation).json_schema())
    if origin in (Union, UnionType):
        return st.one_of([of_type(each) for each in arguments])
    if origin is tuple:
        return st.lists(of_type(arguments[0]), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(of_type(arguments[0]), of_type(arguments[1]), max_size=3)
    if annotation in PLAIN:
        return PLAIN[annotation]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return st.sampled_from(list(annotation))
    assert is_dataclass(annotation), annotation
    return of_model(annotation)  # type: ignore[arg-type]


def _bounded(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    if schema["type"] == "integer":
        low, high = schema["minimum"], schema["maximum"]
        return st.sampled_from((low, high)) | st.integers(low, high)
    if schema["type"] == "boolean":
        return st.booleans()
    if "pattern" in schema:
        return st.from_regex(schema["pattern"], fullmatch=True)
    return st.text(max_size=schema["maxLength"])


def of_model(model: type) -> st.SearchStrategy[Any]:
    """Instances of one dataclass."""
    hints = get_type_hints(model, include_extras=True)
    return st.builds(model, **{f.name: of_type(hints[f.name]) for f in fields(model)})


def messages() -> st.SearchStrategy[Message]:
    """Any message of any kind."""
    return st.sampled_from([row.model for row in TABLE]).flatmap(of_model)


@st.composite
def envelopes(draw: st.DrawFn, message: Message) -> Envelope:
    """A random envelope for a message; a stream name holds no NUL."""
    row = BY_MODEL[type(message)]
    return Envelope(
        row.kind,
        row.version,
        draw(TEXTS),
        draw(NUMBERS),
        draw(TEXTS.filter(lambda text: "\0" not in text)),
        draw(NUMBERS),
        draw(NUMBERS),
        draw(NUMBERS),
        draw(OPTIONAL_IDS),
        draw(OPTIONAL_IDS),
    )
