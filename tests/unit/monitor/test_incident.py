"""What is gathered about a trade or a kill: all of it, nothing of others, bounded."""

from __future__ import annotations

from pathlib import Path

import pytest

from proto_schemas.broker import NewOrder
from proto_schemas.control import Control, KillRequest, Lease
from proto_schemas.enums import Mode, OrderType, SessionPhase, Side
from proto_schemas.market_data import Mark, Trade
from proto_schemas.signals import Decision, Intent, Leg
from services.monitor import incident
from services.monitor.incident import (
    FamilyReader,
    Incident,
    IncidentReader,
    KillFinder,
    Subject,
    subject_of,
)
from services.monitor.journals import load_index, walk_run
from services.monitor.trace import missing
from shared.kernel.errors import OperatorFault
from shared.runtime.run_folder import RunFolder
from tests.unit.monitor.story import ES, EXIT, FILLED, REFUSED, Story, whole_story

KILL = "kill-1-1"


def gather(run: RunFolder, order_id: str) -> Incident:
    index = load_index(run)
    return read(run, subject_of(order_id, [index.trace(order_id)]))


def read(run: RunFolder, subject: Subject) -> Incident:
    reader = IncidentReader(subject)
    walk_run(run, reader)
    return reader.finish()


def test_the_chain_is_the_trace_and_nothing_of_another_order(tmp_path: Path) -> None:
    run = whole_story(tmp_path).write()
    found = gather(run, FILLED)
    trace = load_index(run).trace(FILLED)
    assert [(e.layer, e.envelope.id) for e in found.chain] == [
        (step.layer, step.message_id) for step in trace.steps
    ]
    others = {getattr(e.body, "client_order_id", FILLED) for e in found.chain}
    assert others == {FILLED} and REFUSED != FILLED != EXIT


def test_what_was_handled_at_one_moment_stands_in_order_of_cause(tmp_path: Path) -> None:
    """In lockstep that is usual: nothing takes any time there."""
    story = Story(tmp_path)
    seen = story.tick(1)
    order = {"correlation_id": "s-1-1", "after_us": 0}
    intent = Intent(FILLED, "ema_cross", ES, Side.BUY, 2, OrderType.MARKET, False, 100, 9)
    story.tell(
        "risk_engine", story.update(FILLED, "order_router", Side.BUY), "order_state", **order
    )
    story.tell("strategy_engine", Decision(FILLED, True, "OK", "", ""), "risk_engine", **order)
    story.tell("risk_engine", intent, "strategy_engine", cause=seen, **order)
    kinds = [e.envelope.kind for e in gather(story.write(), FILLED).chain]
    assert kinds[-3:] == ["intent", "decision", "order_update"]


def test_the_market_is_what_came_before_the_intent_and_a_little_after(tmp_path: Path) -> None:
    story = Story(tmp_path)
    for number in range(1, 50):
        story.tick(number)
    story.intent(FILLED, "s-1-1", story.tick(50))
    for number in range(51, 80):
        story.tick(number)
    found = gather(story.write(), FILLED)
    seen = [e.body.feed_seq for e in found.market if isinstance(e.body, Trade)]
    assert seen == [*range(21, 51), *range(51, 56)]


def test_the_last_word_before_and_the_first_after_are_kept(tmp_path: Path) -> None:
    story = Story(tmp_path)
    for nonce in (1, 2):
        story.tell("order_router", Lease(nonce, 1, Mode.NORMAL, 9), "watchdog")
    story.tell("risk_engine", Mark(ES, 0, 0, 100), "market_data")
    story.intent(FILLED, "s-1-1", story.tick(1))
    story.tell("risk_engine", Mark(ES, 0, 0, 101), "market_data")
    story.tell("risk_engine", Mark(ES, 0, 0, 102), "market_data")
    found = gather(story.write(), FILLED)
    lease, mark = found.before["order_router", "lease"], found.before["risk_engine", "mark"]
    assert isinstance(lease.body, Lease) and lease.body.nonce == 2
    assert isinstance(mark.body, Mark) and mark.body.price_ticks == 100
    later = found.after["risk_engine", "mark"].body
    assert isinstance(later, Mark) and later.price_ticks == 101


def test_the_merged_log_around_it_is_near_it_and_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incident, "LINES_MAX", 20)
    story = Story(tmp_path)
    story.intent(REFUSED, "s-1-0", story.tick(1), "ORDER_SIZE")
    story.boot_ns += 3 * incident.AROUND_NS
    story.intent(FILLED, "s-1-1", story.tick(2))
    for number in range(100):
        story.approval(EXIT, f"s-2-{number}")
    story.boot_ns += 3 * incident.AROUND_NS
    story.intent(EXIT, "s-1-2", story.tick(3))
    found = gather(story.write(), FILLED)
    assert len(found.lines) == 20
    assert found.lines_left_out == 102 - 20
    times = [line["boot_ns"] for line in found.lines]
    assert times == sorted(times)  # type: ignore[type-var]
    ids = {line.get("correlation_id") for line in found.lines}
    assert "s-1-1" in ids and not {"s-1-0", "s-1-2"} & ids


def test_what_is_a_day_away_is_before_or_after_whatever_the_boot_clock_says() -> None:
    """After a reboot the boot clock begins anew, so its numbers come again."""
    subject = Subject("x", (1_000, 2_000), 5 * incident.DAY_NS, ())
    sides = []
    for stream_ns in (1, 5 * incident.DAY_NS, 9 * incident.DAY_NS):
        story_entry = entry_at(1_500, stream_ns)
        sides.append((subject.side(story_entry), subject.is_near(story_entry)))
    assert sides == [(-1, False), (0, True), (1, False)]
    assert [subject.distance_ns(at) for at in (900, 1_000, 1_400, 1_900, 3_000)] == [
        *(100, 0, 400, 100, 1_000)
    ]


def entry_at(boot_ns: int, stream_ns: int) -> incident.Entry:
    from proto_schemas.base import Envelope
    from shared.kernel.clock import Now

    envelope = Envelope("mark", 1, "market_data", 1, "mark", 1, boot_ns, stream_ns, None, None)
    return incident.Entry("risk_engine", envelope, Now(stream_ns, boot_ns), b"")


# --- legs ---------------------------------------------------------------------------------------

LEG = "9f3ac21b-77d0-0001-0001-00000000000a"


def test_a_leg_leads_to_its_whole_family_and_left_in_its_entry_s_message(tmp_path: Path) -> None:
    story = Story(tmp_path)
    seen = story.tick(1)
    leg = (Leg(LEG, OrderType.STOP, 90),)
    story.tell(
        "risk_engine",
        Intent(FILLED, "ema_cross", ES, Side.BUY, 2, OrderType.MARKET, False, 100, 9, None, leg),
        "strategy_engine",
        "s-1-1",
        seen,
    )
    order = NewOrder("order_router", FILLED, ES, Side.BUY, 2, OrderType.MARKET, False, None, leg)
    story.tell("venue", order, "order_router", "s-1-1")
    story.fill(LEG, "order_router", Side.SELL, "s-1-1")
    run = story.write()
    families = FamilyReader()
    walk_run(run, families)
    assert families.of(LEG) == families.of(FILLED) == (FILLED, LEG)
    assert families.of(EXIT) == (EXIT,)
    found = load_index(run).trace(LEG)
    assert found.outcome == "FILLED" and missing(found) == ()


# --- kills --------------------------------------------------------------------------------------


def control(kill_id: str | None, flat: bool) -> Control:
    return Control(1, Mode.HALT, SessionPhase.FLAT, "KILL", flat, flat, kill_id)


def killed(root: Path) -> RunFolder:
    story = whole_story(root)
    story.boot_ns += 3 * incident.AROUND_NS
    story.tell("watchdog", KillRequest("cli", "a drill"), "cli-1")
    story.tell("risk_engine", control(KILL, False), "watchdog")
    second = EXIT.replace("-0002-0001-", "-0002-0002-")
    story.sent(second, "watchdog", Side.BUY, None)
    story.fill(second, "watchdog", Side.BUY, None)
    story.tell("risk_engine", control(KILL, True), "watchdog")
    story.boot_ns += 3 * incident.AROUND_NS
    story.tell("risk_engine", control(None, False), "watchdog")
    return story.write()


def test_a_kill_is_its_wish_its_closing_orders_and_its_proof(tmp_path: Path) -> None:
    run = killed(tmp_path)
    finder = KillFinder(KILL)
    walk_run(run, finder)
    subject = finder.subject()
    assert subject.kill_id == KILL
    [closing] = subject.order_ids
    assert closing != EXIT, "an exit of another time is no part of it"
    found = read(run, subject)
    kinds = [e.envelope.kind for e in found.chain]
    assert kinds[0] == "kill_request" and "new_order" in kinds and "execution" in kinds


def test_an_unknown_kill_names_those_that_are_known(tmp_path: Path) -> None:
    finder = KillFinder("kill-9-9")
    walk_run(killed(tmp_path), finder)
    with pytest.raises(OperatorFault) as caught:
        finder.subject()
    assert caught.value.code == "INCIDENT_UNKNOWN_ID" and KILL in caught.value.fix
