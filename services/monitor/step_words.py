"""How one step of a trade reads for a person: what happened, and the numbers that matter. Pure."""

from __future__ import annotations

from proto_schemas.base import Message
from proto_schemas.broker import BrokerExecution, BrokerOrderEvent, NewOrder
from proto_schemas.enums import OrderState
from proto_schemas.ledger import Execution, OrderEvent, OrderUpdate, PositionUpdate
from proto_schemas.market_data import (
    Bar,
    Depth,
    FeedBurst,
    FeedDepth,
    FeedQuote,
    FeedTrade,
    Level,
    MarketBurst,
    MarketProgress,
    Quote,
    Trade,
)
from proto_schemas.signals import Approval, Decision, Intent

WORDS: dict[type[Message], str] = {
    FeedTrade: "tick received",
    FeedQuote: "quote received",
    FeedDepth: "depth received",
    FeedBurst: "burst received",
    MarketProgress: "strategy caught up",
    Trade: "trade received",
    Quote: "quote seen",
    Depth: "depth seen",
    MarketBurst: "burst seen",
    Bar: "bar closed",
    Intent: "intent",
    Approval: "approval",
    NewOrder: "order sent",
    BrokerExecution: "fill",
    Execution: "execution booked",
    PositionUpdate: "position",
}


def event_words(body: Message) -> str:
    """What happened."""
    match body:
        case Decision(approved=True):
            return "decision APPROVED"
        case Decision(code=code):
            return f"decision REFUSED {code}"
        case BrokerOrderEvent(state=OrderState.ACKNOWLEDGED):
            return "acknowledged"
        case BrokerOrderEvent(state=state):
            return f"broker says {state}"
        case OrderEvent(action=action):
            return f"order event {action}"
        case OrderUpdate(state=state):
            return f"order {state}"
        case _:
            return WORDS.get(type(body), type(body).__name__)


def detail(body: Message) -> str:
    """The numbers and codes behind it; empty if there are none."""
    match body:
        case FeedTrade(price_ticks=price) | Trade(price_ticks=price):
            return f"{price} ticks"
        case FeedQuote(bid=bid, ask=ask) | Quote(bid=bid, ask=ask):
            return f"{_price(bid)} bid, {_price(ask)} asked"
        case FeedBurst() | MarketBurst():
            return _rows(body)
        case Bar(close_ticks=close, trades=trades):
            return f"close {close} ticks, {trades} trades"
        case Intent() | Approval() | NewOrder():
            return f"{body.side} {body.quantity_lots}"
        case BrokerExecution() | Execution():
            return f"{body.side} {body.quantity_lots} @ {body.price_ticks} ticks"
        case Decision(approved=False, limit=limit, value=value):
            return f"limit {limit}, was {value}"
        case BrokerOrderEvent(code=code) | OrderEvent(code=code):
            return code
        case OrderUpdate():
            return f"{body.filled_lots} of {body.quantity_lots} filled"
        case PositionUpdate():
            return f"{body.position_lots} lots, fees {body.fees_mills} mills"
        case _:
            return ""


def _rows(burst: FeedBurst | MarketBurst) -> str:
    """Any of them may be the one that the strategy acted on."""
    numbers = [row.feed_seq for row in (*burst.trades, *burst.quotes, *burst.depths)]
    if not numbers:
        return "no rows"
    return f"{len(numbers)} rows, {min(numbers)} to {max(numbers)}"


def _price(level: Level | None) -> str:
    return "nothing" if level is None else f"{level.price_ticks} ticks"
