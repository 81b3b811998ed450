"""Outbox and reply cache: repeated until answered, answered once, bounded on both sides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.bus.commands import (
    OUTBOX_MAX,
    PEER_AWAY_NS,
    REPLY_CACHE_MAX,
    RESEND_FIRST_NS,
    RESEND_MAX_NS,
    Outbox,
    Pending,
    ReplyCache,
)
from shared.kernel.clock import MS
from shared.kernel.errors import OurFault

COMMAND = Pending("a/1/to.b/1", "intent", "risk_engine", b"frame", None, RESEND_FIRST_NS)


def outbox(*items: Pending) -> Outbox:
    made = Outbox()
    for item in items:
        made.add(replace(item))
    return made


def test_a_command_is_repeated_ever_more_slowly_until_it_is_answered() -> None:
    box = outbox(COMMAND)
    sent_at = [
        at // MS for at in range(0, 6_000 * MS, 10 * MS) for item in box.due(at) if item.frame
    ]
    assert sent_at == [200, 600, 1400, 2400, 3400, 4400, 5400]
    assert RESEND_MAX_NS == 1_000 * MS
    assert box.settle(COMMAND.request_id) is not None
    assert box.due(10**12) == [] and box.next_due_ns() is None


def test_a_command_that_no_socket_took_is_tried_again_soon() -> None:
    box = outbox(COMMAND)
    box.due(10**9)
    box.peer_away(COMMAND.request_id, 10**9)
    assert box.next_due_ns() == 10**9 + PEER_AWAY_NS < 10**9 + RESEND_FIRST_NS
    box.peer_away("unknown", 10**9)
    assert len(box.pending) == 1


def test_an_answer_settles_once_and_only_what_was_asked() -> None:
    box = outbox(COMMAND)
    assert box.settle(None) is None and box.settle("") is None
    assert box.settle("a/1/to.b/2") is None
    found = box.settle(COMMAND.request_id)
    assert found is not None and found.frame == b"frame"
    assert box.settle(COMMAND.request_id) is None


def test_a_command_expires_at_its_time_and_not_before() -> None:
    forever = replace(COMMAND, request_id="a/1/to.b/0")
    box = outbox(forever, replace(COMMAND, expires_ns=500))
    assert box.expired(499) is None
    late = box.expired(500)
    assert late is not None and late.request_id == COMMAND.request_id
    box.settle(late.request_id)
    assert box.expired(2**62) is None


def test_the_next_thing_to_do_is_a_repeat_or_an_end_whichever_is_first() -> None:
    assert outbox().next_due_ns() is None
    assert outbox(COMMAND).next_due_ns() == RESEND_FIRST_NS
    assert outbox(COMMAND, replace(COMMAND, request_id="b", expires_ns=7)).next_due_ns() == 7
    box = outbox(replace(COMMAND, expires_ns=RESEND_FIRST_NS + 1))
    box.due(RESEND_FIRST_NS)
    assert box.next_due_ns() == RESEND_FIRST_NS + 1


def test_a_full_outbox_is_an_error_and_never_a_silent_drop() -> None:
    box = Outbox()
    for number in range(OUTBOX_MAX):
        box.add(replace(COMMAND, request_id=str(number)))
    with pytest.raises(OurFault, match="outbox is bounded"):
        box.add(replace(COMMAND, request_id="one more"))
    assert len(box.pending) == OUTBOX_MAX


def test_a_command_is_known_from_the_moment_it_is_taken() -> None:
    cache = ReplyCache()
    assert not cache.seen("a")
    cache.take("a")
    assert cache.seen("a") and cache.replies["a"] is None
    cache.answer("a", b"yes")
    assert cache.seen("a") and cache.replies["a"] == b"yes"


def test_the_cache_forgets_the_oldest_answer_beyond_its_bound() -> None:
    cache = ReplyCache()
    for number in range(REPLY_CACHE_MAX + 1):
        cache.take(str(number))
        cache.answer(str(number), b"")
    assert len(cache.replies) == REPLY_CACHE_MAX
    assert not cache.seen("0") and cache.seen("1") and cache.seen(str(REPLY_CACHE_MAX))
