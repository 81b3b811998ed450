"""Field types with their bounds, and the envelope that carries every message.

Limits stand in the types, so a message that decodes is a message within bounds. Units come last in
every name. Prices are whole ticks and may be negative; money is whole mills (1/1000 of a US dollar,
because one tick of the 10-year note is 15.625 dollars). Absent is `None`, never 0 or -1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, StrictBool, StrictInt, StrictStr

from proto_schemas.quick_init import quick_init

_INT53 = 2**53
TEXT_MAX = 500
SOURCE_TEXT_MAX = 200_000
"""Characters of a message's text, and of a strategy's source in one."""

PriceTicks = Annotated[StrictInt, Field(ge=-_INT53, le=_INT53)]
Lots = Annotated[StrictInt, Field(ge=1, le=100_000)]
LotsOrZero = Annotated[StrictInt, Field(ge=0, le=100_000)]
TradedLots = Annotated[StrictInt, Field(ge=0, le=10_000_000)]
PositionLots = Annotated[StrictInt, Field(ge=-10_000_000, le=10_000_000)]
Mills = Annotated[StrictInt, Field(ge=-(2**62), le=2**62)]
CostTicks = Annotated[StrictInt, Field(ge=-(2**62), le=2**62)]
Ns = Annotated[StrictInt, Field(ge=0, le=2**62)]
Sequence = Annotated[StrictInt, Field(ge=0, le=2**62)]
ChangeRevision = Annotated[StrictInt, Field(ge=0, le=2**62)]
Count = Annotated[StrictInt, Field(ge=0, le=2**62)]
Flag = StrictBool

Instrument = Annotated[StrictStr, Field(pattern=r"^[A-Z0-9]{2,4}[FGHJKMNQUVXZ][0-9]{2}$")]
ClientOrderId = Annotated[StrictStr, Field(pattern=r"^[0-9a-f-]{36}$")]
Name = Annotated[StrictStr, Field(pattern=r"^[a-z][a-z0-9_.-]{0,39}$")]
BrokerId = Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
Code = Annotated[StrictStr, Field(pattern=r"^[A-Z][A-Z0-9_]{0,39}$")]
Text = Annotated[StrictStr, Field(max_length=TEXT_MAX)]
SourceText = Annotated[StrictStr, Field(max_length=SOURCE_TEXT_MAX)]
MessageId = Annotated[StrictStr, Field(max_length=200)]


class Message:
    """Base of every message body: a frozen, slotted dataclass, flat where it can be."""

    __slots__ = ()
    # Holds for the parts inside it too: a field that nobody knows is refused, wherever it is.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


@quick_init
@dataclass(frozen=True, slots=True)
class Envelope:
    """What every message carries besides its body.

    `stream` names one gapless sequence of its producer: (producer, epoch, stream, seq) is unique
    for ever, so it is also the message's id. `sent_ns` is the producer's boot clock, `stream_ns`
    its stream clock (market time). `cause` is the id of the message that led to this one; for a
    reply it is the request that is answered.
    """

    kind: str
    version: int
    producer: str
    epoch: int
    stream: str
    seq: int
    sent_ns: int
    stream_ns: int
    correlation_id: str | None
    cause: str | None

    @property
    def id(self) -> str:
        """The message id: `producer/epoch/stream/seq`."""
        return f"{self.producer}/{self.epoch}/{self.stream}/{self.seq}"
