"""Lease, control, snapshots, heartbeats: how processes keep each other honest.

The lease is pulled with a nonce and never pushed: a queued "you may trade" would be deadly.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import StrictBytes, StrictInt

from proto_schemas.base import (
    ClientOrderId,
    Code,
    Count,
    Flag,
    Message,
    MessageId,
    Name,
    Ns,
    Sequence,
    SourceText,
    Text,
)
from proto_schemas.broker import BrokerPosition
from proto_schemas.enums import Mode, ServiceState, SessionPhase


@dataclass(frozen=True, slots=True)
class LeaseRequest(Message):
    """May I send orders? The answer counts from the moment this request was sent."""

    nonce: Sequence


@dataclass(frozen=True, slots=True)
class Lease(Message):
    """Permission for `ttl_ns` from the send time of the request with this nonce."""

    nonce: Sequence
    lease_epoch: Sequence
    mode: Mode
    ttl_ns: Ns


@dataclass(frozen=True, slots=True)
class Control(Message):
    """The watchdog's standing order to all, repeated every second.

    While `kill_id` is there the box is latched: nothing opens until a person resumes that kill.
    """

    control_epoch: Sequence
    mode: Mode
    phase: SessionPhase
    reason: Text
    flat: Flag
    reconciled: Flag
    kill_id: Text | None


@dataclass(frozen=True, slots=True)
class KillRequest(Message):
    """Stop everything now: cancel, close all, stay stopped. Answered once it is on disk."""

    source: Name
    reason: Text


@dataclass(frozen=True, slots=True)
class KillSeen(Message):
    """Internal: the same wish, seen by the watchdog itself: a file named KILL, or a signal."""

    source: Name
    reason: Text


@dataclass(frozen=True, slots=True)
class ResumeRequest(Message):
    """A person at the box ends one kill, by its id, with a name and a reason."""

    kill_id: Text
    operator: Text
    reason: Text


@dataclass(frozen=True, slots=True)
class ReloadRequest(Message):
    """A person wants the strategy's file read again and run from here on, with a fresh memory.

    `keep_position` True: also while it has a position or open orders; the new code takes them over.
    """

    keep_position: Flag


@dataclass(frozen=True, slots=True)
class StrategyReloaded(Message):
    """The answer. `code` OK: the new code runs; UNCHANGED: it ran already; else why it does not.

    `source_hash` is the SHA-256 of the file that runs now. `field`, `value` and `fix` say what is
    wrong with the new one, and are empty if nothing is.
    """

    code: Code
    field: Text
    value: Text
    fix: Text
    source_hash: Text


@dataclass(frozen=True, slots=True)
class StrategyFile(Message):
    """Internal: the strategy's file as it was read, at the first start or for a reload.

    With `code` OK this source runs from here on, and a restart runs it too, whatever stands in the
    folder by then. Any other code says why it cannot run.
    """

    strategy: Name
    path: Text
    source_hash: Text
    source: SourceText
    code: Code
    field: Text
    value: Text
    fix: Text


@dataclass(frozen=True, slots=True)
class LatchSeen(Message):
    """Internal: what the latch files say at the start. `kill_id` None: not latched.

    `damaged` True: a copy is missing or broken; that reads as latched.
    """

    kill_id: Text | None
    reason: Text
    damaged: Flag


@dataclass(frozen=True, slots=True)
class GateClose(Message):
    """The watchdog to the router: send nothing any more until a lease that you ask for after this.

    The answer repeats `gate_id`, so that an old answer is never taken for a fresh one.
    """

    gate_id: Sequence


@dataclass(frozen=True, slots=True)
class GateClosed(Message):
    """Nothing leaves any more. `in_flight`: orders sent of which the broker has said nothing."""

    gate_id: Sequence
    in_flight: tuple[ClientOrderId, ...]


@dataclass(frozen=True, slots=True)
class Fenced(Message):
    """Internal: another process was ended by force, or why it was not."""

    peer: Name
    outcome: Code


@dataclass(frozen=True, slots=True)
class AccountView(Message):
    """The account as the watchdog's own session saw it last; `asked_ns` is its boot clock."""

    positions: tuple[BrokerPosition, ...]
    live_orders: Count
    asked_ns: Ns


@dataclass(frozen=True, slots=True)
class SnapshotRequest(Message):
    """A replica asks the owner of a stream for what it missed after (epoch, seq)."""

    stream: Text
    after_epoch: Sequence
    after_seq: Sequence


@dataclass(frozen=True, slots=True)
class Snapshot(Message):
    """The stream's state up to (epoch, seq) as messages of that stream, each in its wire form.

    `continues` True: these are exactly the missed messages. False: forget what you had, these are
    the whole current state.
    """

    stream: Text
    epoch: Sequence
    seq: Sequence
    continues: Flag
    frames: tuple[StrictBytes, ...]


@dataclass(frozen=True, slots=True)
class Heartbeat(Message):
    """I am alive and this far: `progress` counts what the main loop has handled."""

    service: Name
    pid: Count
    state: ServiceState
    progress: Count
    code_hash: Text
    metrics_port: Count


@dataclass(frozen=True, slots=True)
class StatusRequest(Message):
    """The command line asks the monitor what it sees."""


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """One service as the monitor sees it. `restarts` = starts since the run began, minus one."""

    service: Name
    pid: Count
    state: ServiceState
    restarts: Count
    age_ns: Ns
    alive: Flag


@dataclass(frozen=True, slots=True)
class StatusReport(Message):
    """Everything on one page: services, control, feed and money, each as plain fields."""

    services: tuple[ServiceStatus, ...]
    fields: dict[Text, Text | StrictInt | Flag | None]


@dataclass(frozen=True, slots=True)
class Started(Message):
    """Internal: this process starts a new epoch. The first input of every epoch."""

    install_id: MessageId
    config_hash: Text
    code_hash: Text


@dataclass(frozen=True, slots=True)
class TimerFired(Message):
    """Internal: a timer that the core set has come due."""

    name: Text


@dataclass(frozen=True, slots=True)
class HookCut(Message):
    """Internal: a strategy's hook for this input took too long; it counts as not called.

    `call_number`: which call of a hook it was that this input led to, from 1; None: the first one.
    """

    input_id: MessageId
    call_number: Count | None = None


@dataclass(frozen=True, slots=True)
class Garbled(Message):
    """Internal: the peer that executes our orders sent something that is no message."""

    peer: Name
    code: Code


@dataclass(frozen=True, slots=True)
class PeerStatus(Message):
    """Internal: another process came up, went silent or changed its epoch."""

    peer: Name
    up: Flag
    peer_epoch: Sequence


@dataclass(frozen=True, slots=True)
class Blind(Message):
    """Internal: a gap in a stream. Decide nothing that needs it until `Sighted`."""

    stream: Text
    producer: Name


@dataclass(frozen=True, slots=True)
class Replace(Message):
    """Internal: forget this stream's state; the messages up to `Sighted` are all of it."""

    stream: Text
    producer: Name


@dataclass(frozen=True, slots=True)
class Sighted(Message):
    """Internal: the stream is whole again."""

    stream: Text
    producer: Name


@dataclass(frozen=True, slots=True)
class RequestExpired(Message):
    """Internal: a command of ours got no answer within its time to live."""

    request_id: MessageId
    kind: Text


@dataclass(frozen=True, slots=True)
class Undelivered(Message):
    """Internal: a one-shot message never left this process: refused whole, or too late to go."""

    message_id: MessageId
    kind: Text
    subject: Text
