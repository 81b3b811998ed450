"""A router that may trade, and the messages around it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from proto_schemas.base import Message
from proto_schemas.broker import BrokerSnapshot
from proto_schemas.control import Control, Lease, LeaseRequest
from proto_schemas.enums import Mode, OrderType, SessionPhase, Side
from proto_schemas.signals import Ack, Approval, Nack
from services.order_router.config import RouterConfig
from services.order_router.core import NAME, RouterCore
from shared.kernel.clock import MS, SECOND, Now
from shared.kernel.outputs import Event, Output, Reply, Send
from tests.support import event, started
from tests.unit.brokers.session_inputs import order_id

BOOT = 100 * SECOND
TTL = SECOND
CONFIG = RouterConfig()


def at(milliseconds: int) -> Now:
    """A moment, counted from the start of the test."""
    return Now(1_000 * SECOND, BOOT + milliseconds * MS)


def approval(number: int = 1, **changes: Any) -> Approval:
    facts: dict[str, Any] = {
        "client_order_id": order_id(number),
        "strategy": "ema_cross",
        "instrument": "ESM18",
        "side": Side.BUY,
        "quantity_lots": 3,
        "order_type": OrderType.MARKET,
        "reduce_only": False,
        "expires_ns": BOOT + 30 * SECOND,
        "limits_hash": "0" * 16,
    }
    return Approval(**{**facts, **changes})


def control(mode: Mode) -> Control:
    return Control(1, mode, SessionPhase.OPEN, "", False, True, None)


def account(seq: int = 0, *orders: Any, complete: bool = True, query_id: int = 0) -> BrokerSnapshot:
    """An account; `hear` makes it the answer to a query (there is none with number 0)."""
    return BrokerSnapshot(NAME, query_id, seq, 1, orders, (), complete)


def hear(core: RouterCore, snapshot: BrokerSnapshot, milliseconds: int = 0) -> list[Output]:
    """The snapshot as the answer to the last query, which must be waiting for one."""
    query_id = max(core.state().session.queries)
    return give(core, replace(snapshot, query_id=query_id), milliseconds)


def give(core: RouterCore, body: Message, milliseconds: int = 0, **sender: Any) -> list[Output]:
    return core.handle(event(body, **sender), at(milliseconds))


def nonces(outputs: list[Output]) -> list[int]:
    """Nonces of the lease requests among the outputs."""
    return [
        output.message.nonce
        for output in outputs
        if isinstance(output, Send) and isinstance(output.message, LeaseRequest)
    ]


def answers(outputs: list[Output]) -> list[Ack | Nack]:
    found = [output.message for output in outputs if isinstance(output, Reply)]
    return [each for each in found if isinstance(each, Ack | Nack)]


def grant(
    core: RouterCore, nonce: int, mode: Mode = Mode.NORMAL, milliseconds: int = 0, epoch: int = 1
) -> list[Output]:
    return give(core, Lease(nonce, epoch, mode, TTL), milliseconds)


def started_core(config: RouterConfig = CONFIG) -> tuple[RouterCore, int]:
    """A core in its first life, and the nonce of its first lease request."""
    core = RouterCore(config)
    (nonce,) = nonces(core.handle(started(NAME), at(0)))
    return core, nonce


def open_core(mode: Mode = Mode.NORMAL, config: RouterConfig = CONFIG) -> RouterCore:
    """Lease from millisecond 0 on for one second, account seen and empty."""
    core, nonce = started_core(config)
    hear(core, account())
    grant(core, nonce, mode)
    return core


def refused(core: RouterCore, wanted: Approval, milliseconds: int = 0) -> Nack:
    """The one answer, which must be a refusal, with nothing sent."""
    outputs = give(core, wanted, milliseconds)
    assert not any(isinstance(each, Send) for each in outputs)
    (answer,) = [each for each in outputs if isinstance(each, Reply)]
    assert isinstance(answer.message, Nack) and answer.may_wait_ns == 0, "risk hears it at once"
    return answer.message


def passed(core: RouterCore, wanted: Approval, milliseconds: int = 0) -> Send:
    """The one order that leaves, which must be acknowledged to the risk engine."""
    outputs = give(core, wanted, milliseconds)
    assert answers(outputs) == [Ack()]
    (send,) = [each for each in outputs if isinstance(each, Send)]
    return send


def journal(inputs: list[tuple[Event, Now]]) -> tuple[list[list[Output]], RouterCore]:
    """Step inputs into a fresh core: the outputs of each, and the core."""
    core = RouterCore(CONFIG)
    return [core.handle(each, now) for each, now in inputs], core
