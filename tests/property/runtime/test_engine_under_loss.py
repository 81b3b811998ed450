"""Commands between two engines over a link that loses, doubles and delays, with kills in between.

Promise: the serving core handles every command once, the asking core sees every answer once, and a
process that was killed comes back with what it had.
"""

from __future__ import annotations

from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.kernel.clock import MS
from tests.unit.runtime.small_world import (
    ASKER,
    DECIDER,
    AskingCore,
    DecidingCore,
    Node,
    fingerprint,
    intent,
)

TURN_NS = 20 * MS
WANTED = 6
ROUGH_TURNS, CALM_TURNS = 60, 200


class World:
    """One clock, two nodes, one bad link."""

    def __init__(self, random: Random, loss: float, kills: float) -> None:
        self.random, self.loss, self.kills = random, loss, kills
        self.boot_ns = 10**9
        self.nodes = {
            ASKER: Node(ASKER, lambda: AskingCore(WANTED)),
            DECIDER: Node(DECIDER, DecidingCore),
        }
        self.link: list[tuple[int, str, bytes]] = []
        for node in self.nodes.values():
            node.pass_time(self.boot_ns)
            node.start()

    def turn(self) -> None:
        self.boot_ns += TURN_NS
        for node in self.nodes.values():
            node.pass_time(self.boot_ns)
            self.post(node)
        due = [item for item in self.link if item[0] <= self.boot_ns]
        self.link = [item for item in self.link if item[0] > self.boot_ns]
        for _, to, frame in due:
            self.nodes[to].take(frame)
            self.post(self.nodes[to])
        if self.random.random() < self.kills:
            self.kill(self.random.choice(list(self.nodes.values())))

    def post(self, node: Node) -> None:
        """Each copy of a frame is late for a time of its own, so frames overtake each other."""
        for out in node.drain():
            chance = self.random.random()
            copies = 0 if chance < self.loss else 2 if chance < 2 * self.loss else 1
            for _ in range(copies):
                late_ns = int(self.random.random() * self.loss * 10 * TURN_NS)
                self.link.append((self.boot_ns + late_ns, out.peer, out.frame))

    def kill(self, node: Node) -> None:
        """kill -9 between two turns, and a restart: the journal is all that is left."""
        node.drain()
        before = node.fingerprint()
        assert fingerprint(node.replayed()) == before
        node.start()
        self.post(node)

    def run(self) -> None:
        for _ in range(ROUGH_TURNS):
            self.turn()
        self.loss = self.kills = 0.0
        for _ in range(CALM_TURNS):
            self.turn()


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.sampled_from((0.0, 0.2, 0.4)), st.sampled_from((0.0, 0.1, 0.3)))
def test_every_command_is_handled_once_and_every_answer_arrives_once(
    seed: int, loss: float, kills: float
) -> None:
    world = World(Random(seed), loss, kills)
    world.run()
    asker, decider = (world.nodes[name].engine for name in (ASKER, DECIDER))
    orders = [intent(number).client_order_id for number in range(1, WANTED + 1)]
    assert isinstance(asker.core, AskingCore) and isinstance(decider.core, DecidingCore)
    assert sorted(decider.core.handled) == orders
    assert asker.core.answers == dict.fromkeys(orders, 1)
    assert not asker.outbox.pending and not decider.core.waiting
