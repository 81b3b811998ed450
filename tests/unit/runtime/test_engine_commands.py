"""The engine around commands: once, from the cache, again after a restart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from proto_schemas.control import (
    Heartbeat,
    RequestExpired,
    SnapshotRequest,
    Started,
    StatusReport,
    StatusRequest,
    TimerFired,
)
from proto_schemas.enums import ServiceState
from proto_schemas.signals import Ack, Decision
from shared.bus.codec import BadFrame, decode, encode
from shared.kernel.clock import MS, Now
from shared.kernel.outputs import (
    Barrier,
    CancelTimer,
    Event,
    Exit,
    Log,
    Output,
    Publish,
    Push,
    Reply,
    Request,
    Send,
    SetTimer,
)
from shared.runtime.effects import LogLine, Stop, Sync, Transmit
from shared.runtime.engine import Engine
from tests.support import event, now
from tests.unit.runtime.small_world import (
    ASKER,
    DECIDER,
    AskingCore,
    DecidingCore,
    Node,
    fingerprint,
    intent,
)


def asking() -> Node:
    node = Node(ASKER, AskingCore)
    node.start()
    return node


def deciding() -> Node:
    node = Node(DECIDER, DecidingCore)
    node.start()
    return node


def question(number: int, seq: int | None = None) -> bytes:
    made = event(intent(number), seq=seq, correlation_id=f"ema_cross-1-{number}")
    return encode(made.envelope, made.body)


class ScriptedCore:
    """Answers any input with the outputs it was given."""

    def __init__(self, *outputs: Output) -> None:
        self.outputs = list(outputs)

    def handle(self, event: Event, now: Now) -> list[Output]:
        return list(self.outputs)

    def current(self, stream: str) -> list:  # type: ignore[type-arg]
        return []

    def state_word(self) -> str:
        return "READY"

    def state(self) -> object:
        return []


def test_a_repeated_command_is_answered_from_the_cache_without_the_core() -> None:
    node = deciding()
    first = node.take(question(2, seq=1))
    answers = [e for e in first.effects if isinstance(e, Transmit)]
    again = node.take(question(2, seq=1))
    assert not again.journal
    assert [e.frame for e in again.effects if isinstance(e, Transmit)] == [answers[0].frame]
    core = node.engine.core
    assert isinstance(core, DecidingCore) and len(core.handled) == 1


def test_a_repeat_of_a_command_that_is_still_being_worked_on_is_dropped() -> None:
    node = deciding()
    assert node.take(question(1, seq=1)).journal
    again = node.take(question(1, seq=1))
    assert (again.journal, again.effects) == (False, [])
    node.pass_time(100 * MS)
    assert [out.kind for out in node.drain()] == ["decision"]
    assert len(node.take(question(1, seq=1)).effects) == 1


def test_an_answer_carries_the_question_as_its_cause_and_the_same_correlation_id() -> None:
    node = deciding()
    node.take(question(2, seq=9))
    answer = decode(node.drain()[0].frame)
    assert answer.envelope.cause == "strategy_engine/1/test/9"
    assert answer.envelope.correlation_id == "ema_cross-1-2"
    assert answer.body == Decision(intent(2).client_order_id, True, "APPROVED", "", "")


def test_what_stands_behind_a_barrier_leaves_after_the_sync() -> None:
    effects = deciding().take(question(2)).effects
    assert [type(effect) for effect in effects] == [Sync, Transmit, LogLine]
    assert isinstance(effects[2], LogLine) and effects[2].correlation_id == "ema_cross-1-2"


def test_a_command_is_repeated_with_the_same_bytes_until_its_answer_came() -> None:
    node = asking()
    node.pass_time(30 * MS)
    (first,) = node.drain()
    node.pass_time(229 * MS)
    assert first.frame not in [out.frame for out in node.drain()]
    node.pass_time(230 * MS)
    assert first.frame in [out.frame for out in node.drain()]
    reply = event(Decision(intent(1).client_order_id, True, "OK", "", ""))
    answer = Event(replace(reply.envelope, cause=first.message_id), reply.body)
    assert node.take(encode(answer.envelope, answer.body)).journal
    assert first.message_id not in node.engine.outbox.pending
    assert not node.take(encode(answer.envelope, answer.body)).journal, "told twice"
    assert node.engine.core.state() == [2, {intent(1).client_order_id: 1}]


def test_an_answer_to_nothing_we_asked_never_reaches_the_core() -> None:
    node = asking()
    stray = event(Decision(intent(1).client_order_id, True, "OK", "", ""))
    assert not node.take(encode(stray.envelope, stray.body)).journal
    assert node.engine.core.state() == [0, {}]


def test_how_long_it_may_wait_goes_along_once_and_a_repeat_leaves_at_once() -> None:
    ask = event(intent(2))
    patient = (
        Request(DECIDER, intent(1), may_wait_ns=20 * MS),
        Reply(ask.envelope, Ack(), may_wait_ns=50 * MS),
    )
    engine = Engine(ScriptedCore(*patient), DECIDER, {})
    made = engine.step(ask, now()).effects
    waits_ns = [(out.kind, out.may_wait_ns) for out in made if isinstance(out, Transmit)]
    assert waits_ns == [("intent", 20 * MS), ("ack", 50 * MS)]
    (again,) = engine.resends(Now(0, 10**12))
    assert (again.kind, again.may_wait_ns) == ("intent", 0)


def test_a_command_that_expires_becomes_an_input_and_is_not_repeated_again() -> None:
    ask = Request(DECIDER, intent(1), expires_ns=50 * MS)
    engine = Engine(ScriptedCore(ask), ASKER, {})
    engine.step(engine.internal(TimerFired("none"), Now(0, 0)), Now(0, 0))
    assert not engine.outbox.pending, "a timer that was never set is no input"
    engine.timers.set(SetTimer("go", 0))
    engine.step(engine.internal(TimerFired("go"), Now(0, 0)), Now(0, 0))
    (request_id,) = engine.outbox.pending
    assert engine.next_due_ns() == 50 * MS
    assert engine.due(Now(0, 50 * MS - 1)) is None
    due = engine.due(Now(0, 50 * MS))
    assert due == RequestExpired(request_id, "intent")
    engine.core = ScriptedCore()
    assert engine.step(engine.internal(due, Now(0, 50 * MS)), Now(0, 50 * MS)).journal
    assert engine.due(Now(0, 10**12)) is None and engine.resends(Now(0, 10**12)) == []
    assert not engine.step(engine.internal(due, Now(0, 51 * MS)), Now(0, 51 * MS)).journal


def test_a_restart_brings_back_state_commands_and_answers_and_asks_again() -> None:
    node = asking()
    for at in (30, 60, 90):
        node.pass_time(at * MS)
    asked = [out for out in node.drain() if out.kind == "intent"]
    before = node.fingerprint()
    assert fingerprint(node.replayed()) == before
    step = node.start()
    assert node.engine.epoch == 2
    repeated = [e for e in step.effects if isinstance(e, Transmit) and e.kind == "intent"]
    assert [out.frame for out in repeated] == [out.frame for out in asked]
    assert len(repeated) == 3
    assert node.fingerprint() == before


def test_sequences_begin_again_in_a_new_epoch_so_ids_stay_unique() -> None:
    node = asking()
    node.pass_time(30 * MS)
    node.start()
    node.pass_time(60 * MS)
    ids = [out.message_id for out in node.drain() if out.kind == "intent"]
    assert ids[0] == "strategy_engine/1/to.risk_engine/1"
    assert ids[-1] == "strategy_engine/2/to.risk_engine/1"


def test_timers_of_an_earlier_life_are_forgotten() -> None:
    node = Node(DECIDER, ScriptedCore)
    node.start()
    node.engine.timers.set(SetTimer("old", 1))
    started = node.engine.internal(Started("9f3ac21b77d0", "config", "code"), node.now)
    assert node.engine.due(Now(0, 10)) == TimerFired("old")
    node.engine.step(started, node.now)
    assert node.engine.due(Now(10**9, 10**9)) is None


@pytest.mark.parametrize("ask", [StatusRequest(), SnapshotRequest("ledger", 0, 0)])
def test_a_question_leaves_what_is_journaled_untouched(ask: object) -> None:
    asked = ask
    reply = StatusReport((), {})

    class Answering(ScriptedCore):
        def handle(self, event: Event, now: Now) -> list[Output]:
            return [Reply(event.envelope, reply)] if isinstance(event.body, StatusRequest) else []

    node = Node("monitor", Answering)
    node.start()
    before, journal = node.fingerprint(), list(node.journal)
    made = event(asked, producer="cli")  # type: ignore[arg-type]
    for _ in range(2):
        step = node.take(encode(made.envelope, made.body))
        assert not step.journal
        (out,) = step.effects
        assert isinstance(out, Transmit) and out.route == "router" and out.peer == "cli"
        assert decode(out.frame).envelope.stream == "aux.cli"
    assert node.fingerprint() == before and node.journal == journal
    assert node.engine.replies.replies == {}
    assert fingerprint(node.replayed()) == before


@pytest.mark.parametrize(
    ("body", "producer", "code"),
    [
        (TimerFired("ask"), "venue", "KIND_INTERNAL"),
        (TimerFired("ask"), DECIDER, "KIND_INTERNAL"),
        (intent(1), DECIDER, "KIND_INTERNAL"),
        (intent(1), "watchdog", "LINK_UNKNOWN"),
        (intent(1), "cli", "LINK_UNKNOWN"),
        (Decision(intent(1).client_order_id, True, "OK", "", ""), "venue", "LINK_UNKNOWN"),
        (StatusRequest(), "cli", "LINK_UNKNOWN"),
    ],
)
def test_a_sender_may_only_say_what_the_table_allows_it_to_say_to_us(
    body: object, producer: str, code: str
) -> None:
    with pytest.raises(BadFrame) as caught:
        Engine(DecidingCore(), DECIDER, {}).refuse_foreign(event(body, producer=producer))  # type: ignore[arg-type]
    assert caught.value.code == code
    Engine(DecidingCore(), DECIDER, {}).refuse_foreign(event(intent(1)))


def test_one_shot_messages_are_sent_once_and_never_repeated() -> None:
    engine = Engine(
        ScriptedCore(Send("venue", Ack(), "c-1", "order 7", 99), Push("monitor", Ack()), Barrier()),
        ASKER,
        {},
    )
    step = engine.step(event(intent(1)), now())
    send, push, sync = step.effects
    assert isinstance(send, Transmit) and isinstance(push, Transmit) and sync == Sync()
    assert (send.route, send.one_shot, send.subject, send.not_after_ns) == (
        *("dealer", True, "order 7"),
        99,
    )
    assert (push.route, push.peer, push.one_shot) == ("router", "monitor", True)
    assert not engine.outbox.pending and engine.resends(Now(0, 10**15)) == []
    lost = engine.undelivered(send, now())
    assert (lost.body.kind, lost.body.subject) == ("ack", "order 7")  # type: ignore[attr-defined]


def test_log_lines_stops_and_timers_become_effects_and_state() -> None:
    engine = Engine(
        ScriptedCore(SetTimer("a", 5), CancelTimer("a"), SetTimer("b", 7), Log("seen"), Exit("no")),
        ASKER,
        {},
    )
    step = engine.step(event(intent(1), correlation_id="c-9"), now())
    assert step.effects == [LogLine(Log("seen"), "c-9"), Stop("no")]
    assert engine.next_due_ns() == 7


def test_published_messages_take_the_correlation_id_of_their_cause_unless_told() -> None:
    from proto_schemas.market_data import Mark
    from services.lab.samples import SAMPLES

    engine = Engine(
        ScriptedCore(Publish(SAMPLES[Mark]), Publish(SAMPLES[Mark], "mine")), "market_data", {}
    )
    step = engine.step(event(intent(1), seq=4, correlation_id="c-1"), now())
    frames = [decode(e.frame).envelope for e in step.effects if isinstance(e, Transmit)]
    assert [e.correlation_id for e in frames] == ["c-1", "mine"]
    assert [e.seq for e in frames] == [1, 2]
    assert {e.cause for e in frames} == {"strategy_engine/1/test/4"}


def test_the_digest_is_that_of_the_frames_and_nothing_for_none() -> None:
    one, other = deciding(), deciding()
    assert one.take(question(2, seq=1)).digest == other.take(question(2, seq=1)).digest != b""
    assert one.take(question(4, seq=2)).digest != other.take(question(6, seq=2)).digest
    assert one.take(question(1, seq=3)).digest == b""


def test_a_heartbeat_carries_state_and_progress_and_changes_no_sequence_of_ours() -> None:
    node = asking()
    before = node.fingerprint()
    beat = node.engine.heartbeat(7, "code", 9100, Now(0, 1))
    body = decode(beat.frame).body
    assert body == Heartbeat(ASKER, 7, ServiceState.READY, node.engine.progress, "code", 9100)
    assert beat.route == "pub" and node.fingerprint() == before
    listener = Engine(AskingCore(), DECIDER, {})
    change = listener.hear(decode(beat.frame), Now(0, 1))
    assert change is not None and (change.peer, change.up, change.peer_epoch) == (ASKER, True, 1)
    with pytest.raises(BadFrame):
        listener.hear(event(Ack()), Now(0, 1))


def test_an_internal_input_names_its_own_service_and_epoch() -> None:
    made = asking().engine.internal(TimerFired("a"), Now(3, 4)).envelope
    assert (made.producer, made.epoch, made.stream) == (ASKER, 1, "internal")
    assert (made.stream_ns, made.sent_ns) == (3, 4)
