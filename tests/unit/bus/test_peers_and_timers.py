"""Who is alive, and what is due."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from proto_schemas.control import Heartbeat, PeerStatus
from proto_schemas.enums import ServiceState
from shared.bus.peers import SILENT_NS, Peers
from shared.bus.timers import Timers
from shared.kernel.clock import Now
from shared.kernel.outputs import SetTimer


def beat(service: str = "venue", progress: int = 1) -> Heartbeat:
    return Heartbeat(service, 7, ServiceState.READY, progress, "code", 0)


def test_the_first_heartbeat_is_news_and_the_next_is_not() -> None:
    peers = Peers()
    assert peers.hear(beat(), 1, 0) == PeerStatus("venue", True, 1)
    assert peers.hear(beat(progress=2), 1, 10) is None
    assert peers.table["venue"].heartbeat.progress == 2


def test_silence_is_told_once_and_only_after_the_limit() -> None:
    peers = Peers()
    peers.hear(beat(), 1, 0)
    peers.hear(beat("monitor"), 1, 1)
    assert peers.silent(SILENT_NS) == []
    assert peers.silent(SILENT_NS + 1) == [PeerStatus("venue", False, 1)]
    assert peers.silent(SILENT_NS + 1) == []
    assert peers.silent(SILENT_NS + 2) == [PeerStatus("monitor", False, 1)]


def test_a_heartbeat_after_silence_is_news() -> None:
    peers = Peers()
    peers.hear(beat(), 1, 0)
    peers.silent(SILENT_NS + 1)
    assert peers.hear(beat(), 1, SILENT_NS + 2) == PeerStatus("venue", True, 1)


def test_a_restart_is_news_though_no_silence_was_seen() -> None:
    peers = Peers()
    peers.hear(beat(), 1, 0)
    assert peers.hear(beat(), 2, 1) == PeerStatus("venue", True, 2)


def test_a_heartbeat_of_an_earlier_life_keeps_nobody_alive() -> None:
    peers = Peers()
    peers.hear(beat(), 2, 0)
    assert peers.hear(beat(), 1, SILENT_NS) is None
    assert peers.silent(SILENT_NS + 1) == [PeerStatus("venue", False, 2)]
    assert peers.hear(beat(), 1, SILENT_NS + 2) is None
    assert not peers.table["venue"].up


def test_a_timer_is_due_at_its_time_and_stays_due_until_cancelled() -> None:
    timers = Timers()
    timers.set(SetTimer("a", 100))
    assert timers.due(Now(10**9, 99)) is None
    assert timers.due(Now(0, 100)) == timers.due(Now(0, 100)) == "a"
    assert timers.cancel("a") and not timers.cancel("a")
    assert timers.due(Now(0, 100)) is None


def test_stream_timers_come_before_boot_timers_then_the_earlier_then_by_name() -> None:
    timers = Timers()
    for timer in (
        SetTimer("boot late", 20),
        SetTimer("boot early", 10),
        SetTimer("stream late", 90, "stream"),
        SetTimer("stream b", 50, "stream"),
        SetTimer("stream a", 50, "stream"),
    ):
        timers.set(timer)
    fired = []
    while (name := timers.due(Now(100, 100))) is not None:
        timers.cancel(name)
        fired.append(name)
    assert fired == ["stream a", "stream b", "stream late", "boot early", "boot late"]


def test_setting_a_timer_again_moves_it_also_to_the_other_clock() -> None:
    timers = Timers()
    timers.set(SetTimer("a", 10))
    timers.set(SetTimer("a", 30))
    assert timers.due(Now(0, 20)) is None and timers.next_boot_ns() == 30
    timers.set(SetTimer("a", 5, "stream"))
    assert timers.next_boot_ns() is None
    assert timers.due(Now(4, 10**9)) is None and timers.due(Now(5, 0)) == "a"


def test_clearing_forgets_all() -> None:
    timers = Timers()
    timers.set(SetTimer("a", 0))
    timers.clear()
    assert timers.due(Now(10, 10)) is None and timers.next_boot_ns() is None


TIMERS = st.builds(
    SetTimer, st.sampled_from("abc"), st.integers(0, 9), st.sampled_from(("boot", "stream"))
)


@given(st.lists(TIMERS), st.integers(0, 9), st.integers(0, 9))
def test_what_is_due_does_not_depend_on_the_order_of_setting(
    chosen: list[SetTimer], stream_ns: int, boot_ns: int
) -> None:
    last = {timer.name: timer for timer in chosen}
    one, other = Timers(), Timers()
    for timer in chosen:
        one.set(timer)
    for timer in reversed(last.values()):
        other.set(timer)
    assert one.due(Now(stream_ns, boot_ns)) == other.due(Now(stream_ns, boot_ns))
