"""The host's two promises: nothing leaves before the journal, nothing behind its deadline."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.order_router.config import RouterConfig
from services.order_router.core import NAME, RouterCore
from shared.kernel.clock import MS, SECOND
from shared.kernel.errors import OurFault
from shared.kernel.outputs import Fence, Store
from shared.runtime import host as host_module
from shared.runtime.effects import Stop, Sync, Transmit
from shared.runtime.host import Host, Service
from shared.runtime.run_folder import RunFolder, RunSettings


class Told:
    """Stands for journal and sockets: keeps the order in which the host used them."""

    def __init__(self, kept: list[str], journal: Any) -> None:
        self._kept, self._journal = kept, journal

    def append_many(self, records: list[bytes]) -> None:
        self._kept.append("append")
        self._journal.append_many(records)

    def sync(self) -> None:
        self._kept.append("sync")

    @property
    def size_bytes(self) -> int:
        return int(self._journal.size_bytes)

    def send(self, parcel: list[Transmit]) -> bool:
        self._kept.append("send " + "+".join(out.kind for out in parcel))
        return True


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[tuple[Host, list[str]]]:
    """A router's host that has not started, and what it does from now on."""
    with tempfile.TemporaryDirectory(prefix="bh-") as sock_dir:
        settings = RunSettings("demo", "r", "0" * 12, "ESM30", "ema_cross", sock_dir)
        (tmp_path / "config.toml").write_text("")
        host = Host(RunFolder(tmp_path, settings), Service(NAME, RouterCore(RouterConfig())))
        kept: list[str] = []
        wires, journal = host.wires, host.journal
        told: Any = Told(kept, journal)
        host.wires = host.journal = told
        yield host, kept
        wires.close()
        journal.close()


def order(not_after_ns: int | None) -> Transmit:
    return Transmit("dealer", "venue", b"", "id", "new_order", True, "an-order", not_after_ns)


def test_a_start_is_on_disk_before_anything_of_it_leaves(opened: tuple[Host, list[str]]) -> None:
    host, kept = opened
    host._start_epoch()
    assert kept[:2] == ["append", "sync"]
    assert len(kept) > 2 and all(each.startswith("send ") for each in kept[2:])


def test_one_sync_serves_the_turn_and_what_goes_one_way_leaves_behind_it_in_one_message(
    opened: tuple[Host, list[str]],
) -> None:
    host, kept = opened
    question = Transmit("dealer", "watchdog", b"", "id", "lease_request", True)
    host._records = [b"record"]
    host._effects = [order(None), Sync(), question, order(None), Sync(), order(None)]
    host._flush()
    assert kept == ["append", "sync", "send new_order+new_order+new_order", "send lease_request"]
    assert host.counts.sent == {"new_order": 3, "lease_request": 1}


def test_what_may_wait_leaves_when_its_time_is_over_or_the_process_ends(
    opened: tuple[Host, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    host, kept = opened
    patient = Transmit("router", "risk_engine", b"", "id", "ack", may_wait_ns=5 * MS)
    monkeypatch.setattr(host_module, "boot_ns", lambda: 100 * SECOND)
    host._effects = [patient]
    host._flush()
    assert kept == []
    assert host._timeout_ms() == 5, "the loop does not sleep through it"
    monkeypatch.setattr(host_module, "boot_ns", lambda: 100 * SECOND + 5 * MS)
    host._flush()
    assert kept == ["send ack"]
    host._effects = [patient]
    host._flush()
    assert kept == ["send ack"]
    monkeypatch.setattr(host.journal, "close", lambda: None, raising=False)
    monkeypatch.setattr(host._recovery, "save", lambda _stream_ns: None)
    host._close()
    assert kept == ["send ack", "send ack", "sync"]


def test_what_was_said_before_an_order_to_the_host_leaves_before_it_is_done(
    opened: tuple[Host, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    host, kept = opened
    monkeypatch.setattr(Host, "_fence", lambda _host, peer: kept.append(f"fence {peer}"))
    monkeypatch.setattr(
        host_module, "write_twins", lambda path, data: kept.append(f"store {data.decode()}")
    )
    host._effects = [order(None), Store("latch", b"x"), order(None), Fence("venue"), Stop("end")]
    with pytest.raises(OurFault, match="CORE_STOPPED"):
        host._flush()
    assert kept == ["send new_order", "store x", "send new_order", "fence venue"]


def test_of_a_parcel_only_what_is_late_stays_behind(
    opened: tuple[Host, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    host, kept = opened
    host._start_epoch()
    kept.clear()
    monkeypatch.setattr(host_module, "boot_ns", lambda: 100 * SECOND)
    host._effects = [order(None), order(99 * SECOND), order(101 * SECOND)]
    host._flush()
    assert kept[0] == "send new_order+new_order"
    assert (host.counts.sent["new_order"], host.counts.unsent["new_order"]) == (2, 1)


@pytest.mark.parametrize(("late_ns", "leaves"), [(0, True), (1, False)])
def test_an_order_leaves_up_to_its_deadline_and_never_behind_it(
    opened: tuple[Host, list[str]], monkeypatch: pytest.MonkeyPatch, late_ns: int, leaves: bool
) -> None:
    host, kept = opened
    host._start_epoch()
    kept.clear()
    monkeypatch.setattr(host_module, "boot_ns", lambda: 100 * SECOND + late_ns)
    host._effects = [order(100 * SECOND)]
    host._flush()
    assert ("send new_order" in kept) is leaves
    assert host.counts.handled["undelivered"] == (0 if leaves else 1)
    assert kept.count("append") == (0 if leaves else 1), "what it led to is on record at once"


def test_a_question_without_a_deadline_is_never_late(opened: tuple[Host, list[str]]) -> None:
    host, kept = opened
    host._effects = [Transmit("dealer", "watchdog", b"", "id", "lease_request", True)]
    host._flush()
    assert kept == ["send lease_request"]
