"""From strategy to risk to router: an intent, the decision on it, and the approval.

The client order id is made once, by the strategy engine, before anything is sent. It is the same
from signal to last fill, at the broker too, and so it is what every duplicate check compares.
"""

from __future__ import annotations

from dataclasses import dataclass

from proto_schemas.base import (
    ClientOrderId,
    Code,
    Flag,
    Instrument,
    Lots,
    Message,
    Name,
    Ns,
    PriceTicks,
    Text,
)
from proto_schemas.enums import OrderType, Side


@dataclass(frozen=True, slots=True)
class Intent(Message):
    """What a strategy wants. `expires_ns` (boot clock): after it, nobody may act on it.

    `reference_ticks` is the price the strategy decided on; the collar compares it with the mark.
    """

    client_order_id: ClientOrderId
    strategy: Name
    instrument: Instrument
    side: Side
    quantity_lots: Lots
    order_type: OrderType
    reduce_only: Flag
    reference_ticks: PriceTicks
    expires_ns: Ns


@dataclass(frozen=True, slots=True)
class Decision(Message):
    """Risk's answer to an intent. A refusal names the rule (code), the limit and the value."""

    client_order_id: ClientOrderId
    approved: Flag
    code: Code
    limit: Text
    value: Text


@dataclass(frozen=True, slots=True)
class Approval(Message):
    """An intent that passed every check, on its way to the router. Spent at most once."""

    client_order_id: ClientOrderId
    strategy: Name
    instrument: Instrument
    side: Side
    quantity_lots: Lots
    order_type: OrderType
    reduce_only: Flag
    expires_ns: Ns
    limits_hash: Text


@dataclass(frozen=True, slots=True)
class Ack(Message):
    """The command was accepted and stands in the receiver's journal, synced where that matters."""


@dataclass(frozen=True, slots=True)
class Nack(Message):
    """The command was refused for good; re-sending it changes nothing."""

    code: Code
    field: Text
    value: Text
