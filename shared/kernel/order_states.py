"""The life of an order, as one table. Everything that changes an order's state is in this file.

Theory of operation. An order is created here (PENDING_CREATION, journaled), handed to the broker
session (SUBMITTED) and from then on only the broker's word moves it. Silence is UNKNOWN: not dead,
not alive, its risk stays reserved, and it is never sent again; only broker evidence ends it.

ACKNOWLEDGED: the broker has it. WORKING: it rests in the book, or its stop is armed. A change that
was asked for shows as PENDING_CANCEL or PENDING_REPLACE until the broker has judged it; fills go on
meanwhile, and the change may come too late.

The broker's messages arrive in any order. So a fill before the acknowledgement, an acknowledgement
after a fill, a fill after a cancel (the cancel lost the race), are legal and end in the same state
whatever the order of arrival. A move that is not in the table stops the process: `OurFault`.

FILL_PART and FILL_ALL say what an execution left of the order; the caller counts the lots, and also
the revisions of changes: which of several questions an answer belongs to, the table cannot know.
`docs/order-states.md` is drawn from this table.
"""

from __future__ import annotations

from proto_schemas.enums import OrderAction as A
from proto_schemas.enums import OrderState as S
from shared.kernel.errors import OurFault

INITIAL = S.PENDING_CREATION
TERMINAL = frozenset({S.FILLED, S.CANCELLED, S.EXPIRED, S.REJECTED})

_CREATED_HERE = (S.PENDING_CREATION, S.SUBMITTED, S.UNKNOWN)
_AT_BROKER = (S.ACKNOWLEDGED, S.WORKING, S.PARTIAL_FILL, S.PENDING_CANCEL, S.PENDING_REPLACE)
_ENDED = (S.FILLED, S.CANCELLED, S.EXPIRED, S.REJECTED)
_PENDING = (S.PENDING_CANCEL, S.PENDING_REPLACE)


def _all(states: tuple[S, ...], action: A, goal: S) -> dict[tuple[S, A], S]:
    """From each of these states to one."""
    return {(state, action): goal for state in states}


def _stay(states: tuple[S, ...], *actions: A) -> dict[tuple[S, A], S]:
    """Known already, or overtaken by something stronger: nothing moves."""
    return {(state, action): state for state in states for action in actions}


TRANSITIONS: dict[tuple[S, A], S] = {
    # We make it and send it. Reports travel to the ledger one by one and may overtake each other.
    **_stay(tuple(S), A.CREATE),
    (S.PENDING_CREATION, A.SUBMIT): S.SUBMITTED,
    **_stay((S.SUBMITTED, S.UNKNOWN, *_AT_BROKER, *_ENDED), A.SUBMIT),
    # Nobody knows whether it arrived. What the broker has named, it has.
    **_all(_CREATED_HERE, A.LOSE_SIGHT, S.UNKNOWN),
    **_stay((*_AT_BROKER, *_ENDED), A.LOSE_SIGHT),
    # The broker takes it, and it rests.
    **_all(_CREATED_HERE, A.ACKNOWLEDGE, S.ACKNOWLEDGED),
    **_stay((*_AT_BROKER, *_ENDED), A.ACKNOWLEDGE),
    **_all((*_CREATED_HERE, S.ACKNOWLEDGED), A.WORK, S.WORKING),
    **_stay((S.WORKING, S.PARTIAL_FILL, *_PENDING, *_ENDED), A.WORK),
    # It trades; also before its acknowledgement.
    **_all((*_CREATED_HERE, S.ACKNOWLEDGED, S.WORKING), A.FILL_PART, S.PARTIAL_FILL),
    **_stay((S.PARTIAL_FILL, *_PENDING), A.FILL_PART),
    **_all((*_CREATED_HERE, *_AT_BROKER), A.FILL_ALL, S.FILLED),
    # We ask for a change, and the broker judges it.
    **_all((*_CREATED_HERE, *_AT_BROKER), A.ASK_CANCEL, S.PENDING_CANCEL),
    **_all((*_CREATED_HERE, *_AT_BROKER), A.ASK_REPLACE, S.PENDING_REPLACE),
    **_all((*_CREATED_HERE, S.ACKNOWLEDGED, S.WORKING, *_PENDING), A.REPLACE, S.WORKING),
    **_all((*_CREATED_HERE, S.ACKNOWLEDGED, S.WORKING, *_PENDING), A.REFUSE_CHANGE, S.WORKING),
    **_stay((S.PARTIAL_FILL, *_ENDED), A.REPLACE, A.REFUSE_CHANGE),
    **_stay(_ENDED, A.ASK_CANCEL, A.ASK_REPLACE),
    # It ends. A part that traded cannot be rejected any more.
    **_all((*_CREATED_HERE, S.ACKNOWLEDGED, S.WORKING, *_PENDING), A.REJECT, S.REJECTED),
    **_all((*_CREATED_HERE, *_AT_BROKER), A.CANCEL, S.CANCELLED),
    **_all((*_CREATED_HERE, *_AT_BROKER), A.EXPIRE, S.EXPIRED),
    **_stay((S.REJECTED,), A.REJECT),
    **_stay((S.CANCELLED, S.EXPIRED, S.FILLED), A.CANCEL, A.EXPIRE),  # a late fill overtook it
    # Late fills: the lots are real and count, the state stays until all have traded. One of a
    # rejected order counts too, and its session halts, for somebody was wrong.
    **_stay((S.CANCELLED, S.EXPIRED, S.REJECTED), A.FILL_PART),
    **_all((S.CANCELLED, S.EXPIRED, S.REJECTED), A.FILL_ALL, S.FILLED),
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


def settled(state: S, filled_lots: int) -> S:
    """The word for an order that a change has left at work: PARTIAL_FILL if lots have traded."""
    return S.PARTIAL_FILL if state is S.WORKING and filled_lots else state


def is_live(state: S) -> bool:
    """True while the order may still trade: anything not ended, UNKNOWN included."""
    return state not in TERMINAL
