"""The table that moves orders: complete where arrival order varies, closed everywhere else."""

from __future__ import annotations

from itertools import permutations

import pytest

from proto_schemas.enums import OrderAction as A
from proto_schemas.enums import OrderState as S
from shared.kernel.errors import OurFault
from shared.kernel.order_states import (
    INITIAL,
    TERMINAL,
    TRANSITIONS,
    is_live,
    next_state,
    settled,
)

ILLEGAL = [(state, action) for state in S for action in A if (state, action) not in TRANSITIONS]
FILLS = (A.FILL_PART, A.FILL_ALL)


def ends(actions: tuple[A, ...]) -> set[S]:
    """Every state in which these reports can end, whatever the order in which they arrive.

    FILL_ALL means that nothing is left, so the caller that counts lots never sees it before a
    FILL_PART: of several fills, whichever comes last is the FILL_ALL.
    """
    found = set()
    for arrival in permutations(actions):
        fills = iter(sorted((a for a in arrival if a in FILLS), key=FILLS.index))
        state = INITIAL
        for action in arrival:
            state = next_state(state, next(fills) if action in FILLS else action)
        found.add(state)
    return found


def test_every_state_is_reachable() -> None:
    reached, waiting = {INITIAL}, [INITIAL]
    while waiting:
        state = waiting.pop()
        for goal in {TRANSITIONS[state, a] for a in A if (state, a) in TRANSITIONS} - reached:
            reached.add(goal)
            waiting.append(goal)
    assert reached == set(S)


def test_an_ended_order_never_lives_again() -> None:
    for (state, action), goal in TRANSITIONS.items():
        if state in TERMINAL:
            ended_otherwise = state in (S.CANCELLED, S.EXPIRED, S.REJECTED)
            late_fill = ended_otherwise and (action, goal) == (A.FILL_ALL, S.FILLED)
            assert goal is state or late_fill, (state, action, goal)


def test_unknown_is_left_only_by_the_word_of_the_broker() -> None:
    ours = {A.CREATE, A.SUBMIT, A.LOSE_SIGHT}
    assert {TRANSITIONS[S.UNKNOWN, action] for action in ours} == {S.UNKNOWN}


def test_silence_never_ends_an_order_and_never_revives_one() -> None:
    for state in S:
        assert is_live(next_state(state, A.LOSE_SIGHT)) == is_live(state)


@pytest.mark.parametrize(
    ("actions", "end"),
    [
        ((A.CREATE, A.SUBMIT, A.ACKNOWLEDGE, A.FILL_PART, A.FILL_ALL), S.FILLED),
        ((A.CREATE, A.SUBMIT, A.ACKNOWLEDGE, A.FILL_PART, A.CANCEL), S.CANCELLED),
        ((A.CREATE, A.SUBMIT, A.ACKNOWLEDGE, A.CANCEL), S.CANCELLED),
        ((A.CREATE, A.SUBMIT, A.ACKNOWLEDGE, A.FILL_PART, A.FILL_ALL, A.CANCEL), S.FILLED),
        ((A.CREATE, A.SUBMIT, A.LOSE_SIGHT, A.ACKNOWLEDGE, A.FILL_PART, A.FILL_ALL), S.FILLED),
        ((A.CREATE, A.SUBMIT, A.LOSE_SIGHT, A.ACKNOWLEDGE, A.CANCEL), S.CANCELLED),
        ((A.CREATE, A.SUBMIT, A.ACKNOWLEDGE, A.WORK, A.FILL_PART, A.EXPIRE), S.EXPIRED),
        ((A.CREATE, A.SUBMIT, A.ACKNOWLEDGE, A.WORK, A.FILL_PART), S.PARTIAL_FILL),
        ((A.CREATE, A.SUBMIT, A.ACKNOWLEDGE, A.WORK, A.ASK_CANCEL), S.PENDING_CANCEL),
        ((A.CREATE, A.SUBMIT, A.ACKNOWLEDGE, A.WORK, A.ASK_CANCEL, A.CANCEL), S.CANCELLED),
        ((A.CREATE, A.SUBMIT, A.ACKNOWLEDGE, A.ASK_CANCEL, A.FILL_PART, A.FILL_ALL), S.FILLED),
        ((A.CREATE, A.SUBMIT, A.ACKNOWLEDGE, A.WORK), S.WORKING),
        ((A.CREATE, A.SUBMIT, A.LOSE_SIGHT), S.UNKNOWN),
        ((A.CREATE, A.SUBMIT, A.REJECT), S.REJECTED),
        ((A.CREATE, A.SUBMIT, A.LOSE_SIGHT, A.REJECT), S.REJECTED),
        ((A.CREATE, A.CREATE, A.SUBMIT, A.SUBMIT, A.ACKNOWLEDGE), S.ACKNOWLEDGED),
    ],
)
def test_the_same_reports_in_any_order_end_in_the_same_state(
    actions: tuple[A, ...], end: S
) -> None:
    assert ends(actions) == {end}


@pytest.mark.parametrize(("state", "action"), ILLEGAL)
def test_a_move_that_is_not_in_the_table_stops_the_process(state: S, action: A) -> None:
    with pytest.raises(OurFault) as caught:
        next_state(state, action)
    assert caught.value.code == "ILLEGAL_MOVE"
    assert state in caught.value.field and caught.value.value == action


def test_some_moves_are_illegal() -> None:
    assert (S.FILLED, A.REJECT) in ILLEGAL and (S.REJECTED, A.CANCEL) in ILLEGAL


def test_what_a_change_leaves_at_work_is_named_by_its_fills() -> None:
    for action in (A.REPLACE, A.REFUSE_CHANGE):
        left = next_state(S.PENDING_REPLACE, action)
        assert (settled(left, 0), settled(left, 1)) == (S.WORKING, S.PARTIAL_FILL)
    assert settled(S.CANCELLED, 1) is S.CANCELLED


def test_an_order_may_trade_until_it_has_ended() -> None:
    assert {s for s in S if not is_live(s)} == {S.FILLED, S.CANCELLED, S.EXPIRED, S.REJECTED}
    assert is_live(S.UNKNOWN)
