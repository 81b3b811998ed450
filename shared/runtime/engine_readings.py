"""The numbers that every process shows about itself, read from its engine. Changes nothing."""

from __future__ import annotations

from proto_schemas.enums import ServiceState
from proto_schemas.registry import peers_of
from shared.bus.commands import OUTBOX_MAX, REPLY_CACHE_MAX
from shared.bus.replica import BUFFER_MAX
from shared.kernel.clock import Now
from shared.kernel.readings import Readable, Readings, one_of, queue
from shared.runtime.engine import Engine
from shared.runtime.metric_table import BY_NAME

PEER_UP = "bulkhead_peer_up"


def engine_readings(engine: Engine, build: tuple[str, str], now: Now) -> Readings:
    """Everything of one process: its engine's numbers and its core's. `build`: code, config."""
    replicas = engine.replicas.values()
    found: Readings = {
        ("bulkhead_build_info", *build): 1,
        ("bulkhead_starts",): engine.epoch,
        ("bulkhead_progress",): engine.progress,
        ("bulkhead_repeats_dropped",): engine.dropped,
        ("bulkhead_stream_gaps",): sum(replica.gaps for replica in replicas),
        ("bulkhead_stream_time_seconds",): now.stream_ns,
        **one_of("bulkhead_state", ServiceState, engine.core.state_word()),
        **queue("outbox", len(engine.outbox.pending), OUTBOX_MAX),
        **queue("commands_working", engine.replies.working, REPLY_CACHE_MAX),
        **queue("stream_buffer", max((len(r.waiting) for r in replicas), default=0), BUFFER_MAX),
    }
    if engine.service in BY_NAME[PEER_UP].services:
        table = engine.peers.table
        for name in peers_of(engine.service):
            found[PEER_UP, name] = int(name in table and table[name].up)
    if isinstance(engine.core, Readable):
        found |= engine.core.readings(now)
    return found
