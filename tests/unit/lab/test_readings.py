"""What the cores show while the whole box trades in the lab: all of the table, and harmless."""

from __future__ import annotations

from random import Random

import pytest

from services.lab.checkers import Checkers
from services.lab.faults import Faults
from services.lab.fleet import make_feed, make_fleet
from services.lab.world import START_NS, World
from shared.kernel.clock import SECOND, Now
from shared.kernel.pack import pack
from shared.kernel.readings import Readings
from shared.runtime.engine_readings import engine_readings
from shared.runtime.metric_table import BY_NAME, TABLE

BUILD = ("code", "config")
COUNTED_BY_THE_HOST = {
    *("bulkhead_handled", "bulkhead_sent", "bulkhead_unsent", "bulkhead_resent"),
    *("bulkhead_frames_refused", "bulkhead_refusals", "bulkhead_alarms"),
    *("bulkhead_message_age_seconds", "bulkhead_loop_age_seconds", "bulkhead_journal_size_bytes"),
}
ONLY_WHEN_THERE_IS_ONE = {"bulkhead_intents_suppressed"}


@pytest.fixture(scope="module")
def world() -> World:
    """All eight processes after some seconds of trading without faults."""
    rng = Random(5)
    faults = Faults.draw(rng, ()).calm().without_kill_switch()
    made = World(5, make_fleet(every=3), faults, Checkers())
    made.source = make_feed(rng, 5_000)
    made.start()
    made.run_until(START_NS + 15 * SECOND)
    return made


def readings(world: World, name: str) -> Readings:
    node = world.nodes[name]
    return engine_readings(node.engine, BUILD, Now(node.stream_ns, world.boot_ns))


def test_every_reading_has_its_row_with_these_labels_for_this_service(world: World) -> None:
    for name in world.nodes:
        for metric, *labels in readings(world, name):
            row = BY_NAME[metric]
            assert name in row.services, (name, metric)
            assert len(labels) == len(row.labels), (name, metric, labels)


def test_every_row_is_shown_by_each_service_that_it_names(world: World) -> None:
    shown = {name: {key[0] for key in readings(world, name)} for name in world.nodes}
    for row in TABLE:
        if row.kind == "histogram" or row.name in COUNTED_BY_THE_HOST | ONLY_WHEN_THERE_IS_ONE:
            continue
        missing = [name for name in row.services if row.name not in shown[name]]
        assert not missing, (row.name, missing)


def test_reading_changes_nothing(world: World) -> None:
    for name, node in world.nodes.items():
        before = pack(node.engine.memory())
        readings(world, name)
        assert pack(node.engine.memory()) == before, name


def test_readings_are_whole_numbers(world: World) -> None:
    for name in world.nodes:
        assert all(type(number) is int for number in readings(world, name).values()), name


def test_the_numbers_tell_of_a_box_that_trades(world: World) -> None:
    ledger, watchdog = readings(world, "order_state"), readings(world, "watchdog")
    router, data = readings(world, "order_router"), readings(world, "market_data")
    assert ledger["bulkhead_executions",] > 10
    assert ledger["bulkhead_reconcile_differences",] == 0
    assert watchdog["bulkhead_mode", "NORMAL"] == 1 and watchdog["bulkhead_killed",] == 0
    assert watchdog["bulkhead_session_phase", "OPEN"] == 1
    assert watchdog["bulkhead_session_over",] == 0
    assert router["bulkhead_gate_open",] == 1 and router["bulkhead_lease_left_seconds",] > 0
    assert data["bulkhead_feed_stale",] == 0 and data["bulkhead_feed_rows",] > 100
    up = {key: number for key, number in watchdog.items() if key[0] == "bulkhead_peer_up"}
    assert len(up) == 7 and all(up.values())


def test_a_kill_and_a_dead_process_show(world: World) -> None:
    world.pull_kill_switch("test")
    world.run_until(world.boot_ns + 10 * SECOND)
    watchdog = readings(world, "watchdog")
    assert watchdog["bulkhead_killed",] == 1 and watchdog["bulkhead_exposed",] == 0
    assert watchdog["bulkhead_session_over",] == 1 and watchdog["bulkhead_state", "KILLED"] == 1
    assert readings(world, "order_router")["bulkhead_gate_open",] == 0
    world.nodes["risk_engine"].up = False
    world.run_until(world.boot_ns + 3 * SECOND)
    assert readings(world, "monitor")["bulkhead_peer_up", "risk_engine"] == 0
    assert readings(world, "watchdog")["bulkhead_peer_up", "risk_engine"] == 0
