"""The scheduler: one thread, one seed, virtual time, all cores, hostile links and kills.

It takes the place of the hosts: it carries frames between engines, fires timers, sends heartbeats,
repeats commands, and kills processes between any two outputs of a step. Cores and engines are the
very ones of the real processes. Everything random comes from one `Random(seed)`; so a seed is a
story that can be told again, line by line.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable
from functools import cache, lru_cache
from random import Random
from typing import Any, Protocol

from proto_schemas.base import Envelope, Message
from proto_schemas.control import Fenced, Heartbeat, KillRequest
from proto_schemas.registry import BY_MODEL, peers_of, streams_consumed
from services.lab.faults import Faults
from services.lab.links import LINK_MIN_NS, Carrier, Links
from services.lab.node import Node
from shared.bus.codec import decode, encode
from shared.kernel.check import check
from shared.kernel.clock import MS, Now
from shared.kernel.errors import OurFault
from shared.kernel.outputs import Event, Fence, Store
from shared.runtime.effects import Effect, LogLine, Stop, Sync, Transmit

BEAT_NS = 250 * MS
START_NS = 1_000_000_000
ASK_AGAIN_NS = 200 * MS
CHECKPOINT_BEATS = 12
PROVE_BOOTS = 8
PERSON = "cli-1"


class Watcher(Protocol):
    """Who judges what happens."""

    def watch(self, what: str, event: Event, effects: list[Effect], node: Node) -> None:
        """Told of every step and every frame that leaves."""


Item = tuple[int, int, str, tuple[Any, ...]]
"""Something that happens: when, a tie-breaker (equal times go in order of making), what, to whom.

A plain tuple: the heap compares millions of them.
"""


class World:
    """All processes and everything between them."""

    def __init__(
        self, seed: int, nodes: dict[str, Node], faults: Faults, checkers: Watcher
    ) -> None:
        self.random = Random(seed)
        self._checkpoints = Random(f"checkpoints {seed}")  # apart: they must change nothing
        self.nodes = nodes
        self.faults = faults
        self.watch = checkers.watch
        self.boot_ns = START_NS
        self.counts: Counter[str] = Counter()
        self._links: Carrier = Links(self.random, Random(f"cuts {seed}"), self.counts)
        self.story: Callable[[str], None] | None = None
        self.source: Callable[[Node, int], tuple[Message, int] | None] = lambda _node, _ns: None
        self._heap: list[Item] = []
        self._tie = 0
        self._doomed: dict[str, int] = {}
        self._wake_at: dict[str, int] = {}
        self._wishes = 0
        self.answers: dict[str, Message] = {}

    # --- running --------------------------------------------------------------------------------

    def start(self) -> None:
        """Boot all processes and the nemesis."""
        for name in self.nodes:
            self._at(0, "boot", name)
            self._at(self.random.randrange(BEAT_NS), "beat", name)
        self._at(self.faults.kill_every_ns, "nemesis")
        if self.faults.kill_switch_ns is not None:
            self._at(self.faults.kill_switch_ns, "kill_switch")

    def run_until(self, boot_ns: int, done: Callable[[], bool] = lambda: False) -> bool:
        """Let things happen until that time, or until `done` says so (looked at every beat)."""
        while self._heap and self._heap[0][0] <= boot_ns:
            at_ns, _, what, args = heapq.heappop(self._heap)
            self.boot_ns = max(self.boot_ns, at_ns)
            self.counts["events"] += 1
            getattr(self, f"_on_{what}")(*args)
            if what == "beat" and done():
                return True
        self.boot_ns = boot_ns
        return done()

    def _at(self, delay_ns: int, what: str, *args: Any) -> None:
        self._tie += 1
        heapq.heappush(self._heap, (self.boot_ns + delay_ns, self._tie, what, args))

    def _tell(self, line: str) -> None:
        if self.story is not None:
            self.story(f"{(self.boot_ns - START_NS) / 1e9:10.6f}  {line}")

    # --- what happens ---------------------------------------------------------------------------

    def _on_boot(self, name: str) -> None:
        node = self.nodes[name]
        event, now = node.boot(self.boot_ns)
        self._prove(node)
        self._tell(f"{name} starts, epoch {event.envelope.epoch}, {len(node.records)} records")
        self._step(node, event, now)

    def _prove(self, node: Node) -> None:
        """Now and then: checkpoint and rest must come to the same as the whole journal (I-39)."""
        if node.checkpoint is None or self._checkpoints.randrange(PROVE_BOOTS):
            return
        same = node.image(use_checkpoint=True) == node.image(use_checkpoint=False)
        check(same, "a checkpoint and the rest equal the whole journal", node.name)
        self.counts["checkpoints_proven"] += 1

    def _on_frame(self, name: str, life: int, frame: bytes) -> None:
        node = self.nodes[name]
        if not node.up or node.life != life:
            self.counts["lost_with_process"] += 1
            return
        if node.paused_until_ns > self.boot_ns:
            self._at(node.paused_until_ns - self.boot_ns, "frame", name, life, frame)
            return
        event = _decoded(frame)
        node.engine.refuse_foreign(event)
        if isinstance(event.body, Heartbeat):
            self._internal(node, node.engine.hear(event, Now(node.stream_ns, self.boot_ns)))
            return
        now = node.advance(event.envelope.stream_ns, self.boot_ns)
        self._timers(node, now)
        if node.up:
            self._step(node, event, now)

    def _on_beat(self, name: str) -> None:
        node = self.nodes[name]
        self._at(BEAT_NS, "beat", name)
        if not node.up or node.paused_until_ns > self.boot_ns:
            return
        for change in node.engine.peers.silent(self.boot_ns):
            self._internal(node, change)
        self._beat(node)
        self._wake(node)
        self._save_sometimes(node)

    def _save_sometimes(self, node: Node) -> None:
        """The present of a process that lives: a dead one may know what was never journaled."""
        if node.up and self._checkpoints.randrange(CHECKPOINT_BEATS) == 0:
            node.save()
            self.counts["checkpoints"] += 1

    def _beat(self, node: Node) -> None:
        if node.up:
            now = Now(node.stream_ns, self.boot_ns)
            self._transmit(node, node.engine.heartbeat(1, "lab", 0, now))

    def _on_wake(self, name: str, life: int) -> None:
        node = self.nodes[name]
        if not node.up or node.life != life:
            return
        self._wake_at.pop(name, None)
        if node.paused_until_ns > self.boot_ns:
            self._at(node.paused_until_ns - self.boot_ns, "wake", name, life)
            return
        self._timers(node, Now(node.stream_ns, self.boot_ns))
        self._repeat(node)
        self._drain_source(node)
        self._wake(node)

    def _repeat(self, node: Node) -> None:
        for out in node.engine.resends(Now(node.stream_ns, self.boot_ns)) if node.up else ():
            self.counts["resent"] += 1
            if not self._transmit(node, out):
                node.engine.outbox.peer_away(out.message_id, self.boot_ns)

    def _drain_source(self, node: Node) -> None:
        while node.up and (found := self.source(node, self.boot_ns)) is not None:
            body, stream_ns = found
            now = node.advance(stream_ns, self.boot_ns)
            self._timers(node, now)
            self._step(node, node.internal(body, now), now)

    def _on_nemesis(self) -> None:
        faults = self.faults
        self._at(self.random.randrange(1, 2 * faults.kill_every_ns), "nemesis")
        if not faults.kills:
            return
        victim = self.random.choice(faults.kills)
        if self.random.randrange(10_000) < faults.pause_rate:
            self._pause(self.nodes[victim])
        elif faults.kill_in_step and self.random.random() < 0.7:
            self._doomed[victim] = self.random.randrange(0, 4)
        else:
            self._kill(self.nodes[victim])

    def _on_kill_switch(self) -> None:
        self.pull_kill_switch("the lab")

    def pull_kill_switch(self, reason: str) -> None:
        """A person's kill, now."""
        self._tell("somebody pulls the kill switch")
        self.wish(KillRequest("cli", reason))

    def wish(self, body: Message) -> None:
        """A person's command to the watchdog, repeated with the same id until it is answered."""
        self._wishes += 1
        row = BY_MODEL[type(body)]
        envelope = Envelope(
            row.kind, 1, PERSON, 1, "to.watchdog", self._wishes, self.boot_ns, 0, None, None
        )
        self._at(0, "wish", envelope.id, encode(envelope, body))

    def _on_wish(self, request_id: str, frame: bytes) -> None:
        if request_id in self.answers:
            return
        watchdog = self.nodes["watchdog"]
        if watchdog.up:
            self._at(LINK_MIN_NS, "frame", "watchdog", watchdog.life, frame)
        self._at(ASK_AGAIN_NS, "wish", request_id, frame)

    def _pause(self, node: Node) -> None:
        if node.up and node.paused_until_ns <= self.boot_ns:  # stopped twice is stopped once
            pause_ns = self.random.randrange(MS, self.faults.pause_max_ns)
            node.paused_until_ns = self.boot_ns + pause_ns
            self.counts["pauses"] += 1
            self._tell(f"{node.name} is paused for {pause_ns // MS} ms")

    def _kill(self, node: Node) -> None:
        if not node.up:
            return
        node.up = False
        node.paused_until_ns = 0
        self.counts["kills"] += 1
        self.counts[f"kills_{node.name}"] += 1
        down_ns = self.random.randrange(10 * MS, 10 * MS + self.faults.down_max_ns)
        self._tell(f"{node.name} is killed, back in {down_ns // MS} ms")
        self._at(down_ns, "boot", node.name)

    # --- stepping -------------------------------------------------------------------------------

    def _internal(self, node: Node, body: Message | None) -> None:
        if body is not None and node.up:
            now = Now(node.stream_ns, self.boot_ns)
            self._step(node, node.internal(body, now), now)

    def _timers(self, node: Node, now: Now) -> None:
        while node.up and (due := node.engine.due(now)) is not None:
            self._step(node, node.internal(due, now), now)

    def _step(self, node: Node, event: Event, now: Now) -> None:
        budget = self._doomed.pop(node.name, None)
        forget = budget == 0
        step = node.step(event, now, forget)
        if forget:
            self._kill(node)
            return
        self.watch("step", event, step.effects, node)
        for count, effect in enumerate(step.effects):
            if budget is not None and count >= budget:
                break
            self._do(node, effect, now)
            if self._dies_after(node, effect):
                budget = 0
        if budget is not None:
            self._kill(node)
        else:
            self._wake(node)

    def _dies_after(self, node: Node, effect: Effect) -> bool:
        """The most dangerous moment: an order has just left, and nobody knows it yet."""
        sent = isinstance(effect, Transmit) and effect.kind == "new_order"
        rate = self.faults.kill_after_order_rate if node.name in self.faults.kills else 0
        return sent and self.random.randrange(10_000) < rate

    def _do(self, node: Node, effect: Effect, now: Now) -> None:
        match effect:
            case Sync():
                node.synced = len(node.records)
            case Transmit():
                self.watch("send", _NO_EVENT, [effect], node)
                if not self._transmit(node, effect):
                    self._not_sent(node, effect, now)
            case Store(name, data):
                node.stored[name] = data
            case Fence(peer):
                self._tell(f"{node.name} fences {peer}")
                self._kill(self.nodes[peer])
                self._step(node, node.internal(Fenced(peer, "ENDED"), now), now)
            case LogLine(log, correlation):
                if self.story is not None:
                    said = " ".join(f"{name}={value}" for name, value in log.fields.items())
                    self._tell(f"{node.name}: {log.event} {correlation or ''} {said}")
            case Stop(reason):
                raise OurFault("CORE_STOPPED", field=node.name, value=reason, fix="See the story.")

    def _not_sent(self, node: Node, out: Transmit, now: Now) -> None:
        if not out.one_shot:
            node.engine.outbox.peer_away(out.message_id, self.boot_ns)
        elif out.route == "dealer":
            self._step(node, node.engine.undelivered(out, now), now)

    def _wake(self, node: Node) -> None:
        """Make sure that the node runs again when something in it comes due."""
        if not node.up:
            return
        times = [node.engine.next_due_ns(), self._source_due(node)]
        due = min((t for t in times if t is not None), default=None)
        if due is None:
            return
        due = max(due, self.boot_ns + 1)
        if self._wake_at.get(node.name, 1 << 62) > due or self._wake_at[node.name] <= self.boot_ns:
            self._wake_at[node.name] = due
            self._at(due - self.boot_ns, "wake", node.name, node.life)

    def _source_due(self, node: Node) -> int | None:
        due = getattr(self.source, "due_ns", None)
        return due(node, self.boot_ns) if due is not None else None

    # --- links ----------------------------------------------------------------------------------

    def _transmit(self, node: Node, out: Transmit) -> bool:
        """Put a frame on its way; False if the peer is away and the socket would say so."""
        if out.peer == PERSON:
            answer = decode(out.frame)
            self.answers[answer.envelope.cause or ""] = answer.body
            return True
        if out.route != "pub":
            if not self.nodes[out.peer].up:
                return False
            self._carry(node.name, out.peer, out)
            return True
        stream = out.frame.partition(b"\0")[0].decode()
        for name, peer in self.nodes.items():
            if peer.up and name != node.name and _listens(name, node.name, stream):
                self._carry(node.name, name, out)
        return True

    def _carry(self, source: str, target: str, out: Transmit) -> None:
        arrivals = self._links.carry((source, target, out.route), out, self.faults, self.boot_ns)
        if not arrivals:
            self._tell(f"lost: {out.kind} from {source} to {target}")
        life = self.nodes[target].life
        for at_ns, frame in arrivals:
            self._at(at_ns - self.boot_ns, "frame", target, life, frame)


_NO_EVENT: Any = None


@lru_cache(maxsize=4_096)
def _decoded(frame: bytes) -> Event:
    """A published frame has several readers; messages are frozen, so they may share it."""
    return decode(frame)


@cache
def _listens(name: str, publisher: str, stream: str) -> bool:
    if stream == "heartbeat":
        return publisher in peers_of(name)
    head = stream.partition(".")[0]
    return any(
        template.partition(".")[0] == head and publisher in producers
        for template, producers in streams_consumed(name).items()
    )
