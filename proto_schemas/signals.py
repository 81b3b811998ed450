"""From strategy to risk to router: an intent, the decision on it, and the approval.

The client order id is made once, by the strategy engine, before anything is sent. It is the same
from signal to last fill, at the broker too, and so it is what every duplicate check compares.
"""

from __future__ import annotations

from dataclasses import dataclass

from proto_schemas.base import (
    ChangeRevision,
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
class Leg:
    """A protective order that lives and dies with its entry: a STOP below, a LIMIT as the target.

    It is reduce-only, on the other side, for as many lots as the entry has filled; when one leg
    fills, the other shrinks with it.
    """

    client_order_id: ClientOrderId
    order_type: OrderType
    price_ticks: PriceTicks


@dataclass(frozen=True, slots=True)
class Intent(Message):
    """What a strategy wants. `expires_ns` (boot clock): after it, nobody may act on it.

    `reference_ticks` is the price the strategy decided on; the collar compares it with the mark.
    `price_ticks` is the limit of a LIMIT order and the trigger of a STOP; a MARKET order has none.
    `data_ns` (boot clock): when the newest market event that it rests on came in; None: not known.
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
    price_ticks: PriceTicks | None = None
    legs: tuple[Leg, ...] = ()
    data_ns: Ns | None = None


@dataclass(frozen=True, slots=True)
class CancelIntent(Message):
    """A strategy wants an order gone. Safe to repeat."""

    strategy: Name
    client_order_id: ClientOrderId


@dataclass(frozen=True, slots=True)
class ReplaceIntent(Message):
    """A strategy wants another price, or fewer lots, for an order that works.

    `quantity_lots` is the whole order, its filled lots included; it can only fall. To want more is
    to send another order. `change_id` numbers the strategy's changes: a repeat has the same.
    `data_ns` as in `Intent`.
    """

    strategy: Name
    client_order_id: ClientOrderId
    change_id: ChangeRevision
    quantity_lots: Lots
    price_ticks: PriceTicks
    reference_ticks: PriceTicks
    expires_ns: Ns
    data_ns: Ns | None = None


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
    price_ticks: PriceTicks | None = None
    legs: tuple[Leg, ...] = ()


@dataclass(frozen=True, slots=True)
class CancelApproval(Message):
    """Risk lets a cancel pass. It has no end of life: a cancel is never wrong for being late."""

    strategy: Name
    client_order_id: ClientOrderId


@dataclass(frozen=True, slots=True)
class ReplaceApproval(Message):
    """A change that passed every check that its order would have to pass today."""

    strategy: Name
    client_order_id: ClientOrderId
    change_id: ChangeRevision
    quantity_lots: Lots
    price_ticks: PriceTicks
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
