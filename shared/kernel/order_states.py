"""The life of an order, as one table. Everything that changes an order's state is in this file.

Theory of operation. An order is created here (PENDING_CREATION, journaled), handed to the broker
session (SUBMITTED) and from then on only the broker's word moves it. Silence is UNKNOWN: not dead,
not alive, its risk stays reserved, and it is never sent again; only broker evidence ends it.

The broker's messages arrive in any order. So a fill before the acknowledgement, an acknowledgement
after a fill, a fill after a cancel (the cancel lost the race), are legal and end in the same state
whatever the order of arrival. A move that is not in the table stops the process: `OurFault`.

FILL_PART and FILL_ALL say what an execution left of the order; the caller counts the lots.
`docs/order-states.md` is drawn from this table.
"""

from __future__ import annotations

from proto_schemas.enums import OrderAction as A
from proto_schemas.enums import OrderState as S
from shared.kernel.errors import OurFault

INITIAL = S.PENDING_CREATION
ENDED_OR_SEEN = tuple(s for s in S if s is not S.PENDING_CREATION)
TERMINAL = frozenset({S.FILLED, S.CANCELLED, S.REJECTED})

TRANSITIONS: dict[tuple[S, A], S] = {
    (S.PENDING_CREATION, A.SUBMIT): S.SUBMITTED,
    (S.PENDING_CREATION, A.REJECT): S.REJECTED,  # the gate said no: it never left
    (S.SUBMITTED, A.ACKNOWLEDGE): S.ACKNOWLEDGED,
    (S.SUBMITTED, A.REJECT): S.REJECTED,
    (S.SUBMITTED, A.CANCEL): S.CANCELLED,
    (S.SUBMITTED, A.LOSE_SIGHT): S.UNKNOWN,
    (S.SUBMITTED, A.FILL_PART): S.PARTIAL_FILL,  # fill before ack
    (S.SUBMITTED, A.FILL_ALL): S.FILLED,
    (S.UNKNOWN, A.LOSE_SIGHT): S.UNKNOWN,
    (S.UNKNOWN, A.ACKNOWLEDGE): S.ACKNOWLEDGED,
    (S.UNKNOWN, A.REJECT): S.REJECTED,
    (S.UNKNOWN, A.CANCEL): S.CANCELLED,
    (S.UNKNOWN, A.FILL_PART): S.PARTIAL_FILL,
    (S.UNKNOWN, A.FILL_ALL): S.FILLED,
    (S.ACKNOWLEDGED, A.ACKNOWLEDGE): S.ACKNOWLEDGED,
    (S.ACKNOWLEDGED, A.LOSE_SIGHT): S.ACKNOWLEDGED,
    (S.ACKNOWLEDGED, A.REJECT): S.REJECTED,
    (S.ACKNOWLEDGED, A.CANCEL): S.CANCELLED,
    (S.ACKNOWLEDGED, A.FILL_PART): S.PARTIAL_FILL,
    (S.ACKNOWLEDGED, A.FILL_ALL): S.FILLED,
    (S.PARTIAL_FILL, A.ACKNOWLEDGE): S.PARTIAL_FILL,  # ack after fill
    (S.PARTIAL_FILL, A.LOSE_SIGHT): S.PARTIAL_FILL,
    (S.PARTIAL_FILL, A.FILL_PART): S.PARTIAL_FILL,
    (S.PARTIAL_FILL, A.FILL_ALL): S.FILLED,
    (S.PARTIAL_FILL, A.CANCEL): S.CANCELLED,
    (S.FILLED, A.ACKNOWLEDGE): S.FILLED,
    (S.FILLED, A.LOSE_SIGHT): S.FILLED,
    (S.CANCELLED, A.ACKNOWLEDGE): S.CANCELLED,
    (S.CANCELLED, A.LOSE_SIGHT): S.CANCELLED,
    (S.CANCELLED, A.CANCEL): S.CANCELLED,
    (S.CANCELLED, A.FILL_PART): S.CANCELLED,  # late fill: lots count, the state stays
    (S.CANCELLED, A.FILL_ALL): S.FILLED,
    (S.REJECTED, A.REJECT): S.REJECTED,
    (S.FILLED, A.CANCEL): S.FILLED,  # the late fill overtook the cancel's answer
    (S.REJECTED, A.LOSE_SIGHT): S.REJECTED,
    (S.REJECTED, A.ACKNOWLEDGE): S.REJECTED,
    (S.REJECTED, A.FILL_PART): S.REJECTED,  # it traded after all: the lots are real, they count,
    (S.REJECTED, A.FILL_ALL): S.FILLED,  # and its session halts, for somebody was wrong
    # Reports travel to the ledger one by one and may overtake each other.
    (S.PENDING_CREATION, A.CREATE): S.PENDING_CREATION,
    (S.PENDING_CREATION, A.LOSE_SIGHT): S.UNKNOWN,
    (S.PENDING_CREATION, A.ACKNOWLEDGE): S.ACKNOWLEDGED,
    (S.PENDING_CREATION, A.CANCEL): S.CANCELLED,
    (S.PENDING_CREATION, A.FILL_PART): S.PARTIAL_FILL,
    (S.PENDING_CREATION, A.FILL_ALL): S.FILLED,
    **{(state, A.CREATE): state for state in ENDED_OR_SEEN},
    **{(state, A.SUBMIT): state for state in ENDED_OR_SEEN},
}


def next_state(state: S, action: A) -> S:
    """Return where `action` leads from `state`; `OurFault` ILLEGAL_MOVE if the table has no row."""
    try:
        return TRANSITIONS[state, action]
    except KeyError:
        raise OurFault(
            "ILLEGAL_MOVE",
            field=f"order state {state}",
            value=str(action),
            fix="The process stops; read the order's history with `bulkhead trace`.",
        ) from None


def is_live(state: S) -> bool:
    """True while the order may still trade: anything not ended, UNKNOWN included."""
    return state not in TERMINAL
