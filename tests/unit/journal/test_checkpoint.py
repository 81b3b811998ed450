"""A checkpoint: whole or none, and only for the journal that it was made behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shared.journal import Checkpoint, Cursor, JournalWriter, load_checkpoint, save_checkpoint
from shared.journal.writer import Resume
from shared.kernel.errors import OurFault

SERVICE, RUN = "order_state", "run-1"


def written(folder: Path, batches: list[list[bytes]]) -> tuple[Path, Checkpoint]:
    """A journal, and the checkpoint behind its last batch."""
    path = folder / "j"
    with JournalWriter.open(path, SERVICE, RUN) as journal:
        for batch in batches:
            journal.append_many(batch)
        made = Checkpoint(SERVICE, RUN, "hash", 77, journal.last, journal.place, b"memory")
    return path, made


def resumed(path: Path, made: Checkpoint, after: list[bytes]) -> list[bytes]:
    """What recovery steps when it may go on from the checkpoint."""
    stepped: list[bytes] = []

    def resume(stands_at: object) -> Cursor | None:
        assert callable(stands_at)
        return made.place if stands_at(made.last, made.place) else None

    choose: Resume = resume
    with JournalWriter.open(path, SERVICE, RUN, stepped.append, choose) as journal:
        journal.append_many(after)
    return stepped


def test_it_comes_back_as_it_was_saved_and_replaces_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "c"
    _, made = written(tmp_path, [[b"a"]])
    save_checkpoint(path, made)
    later = Checkpoint(SERVICE, RUN, "hash2", 78, made.last, made.place, b"more")
    save_checkpoint(path, later)
    assert load_checkpoint(path, SERVICE, RUN) == (later, "")
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert list(tmp_path.glob("*.new")) == []


def test_no_file_is_no_checkpoint_and_no_complaint(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path / "c", SERVICE, RUN) == (None, "")


def test_damage_at_any_byte_and_any_cut_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "c"
    save_checkpoint(path, written(tmp_path, [[b"a"]])[1])
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        assert load_checkpoint(path, SERVICE, RUN)[0] is None, at
        path.write_bytes(whole[:at])
        found, why = load_checkpoint(path, SERVICE, RUN)
        assert found is None and "damaged" in why, at


@pytest.mark.parametrize(("service", "run"), [("order_router", RUN), (SERVICE, "run-2")])
def test_one_of_another_service_or_run_is_not_taken(tmp_path: Path, service: str, run: str) -> None:
    path = tmp_path / "c"
    save_checkpoint(path, written(tmp_path, [[b"a"]])[1])
    found, why = load_checkpoint(path, service, run)
    assert found is None and SERVICE in why and RUN in why


def test_recovery_goes_on_behind_it_and_the_chain_holds(tmp_path: Path) -> None:
    path, made = written(tmp_path, [[b"a", b"b"], [b"c"], [b"d", b"e"]])
    assert resumed(path, made, [b"f", b"g"]) == []
    assert resumed(path, made, [b"h"]) == [b"f", b"g"]
    everything: list[bytes] = []
    with JournalWriter.open(path, SERVICE, RUN, everything.append) as journal:
        assert journal.count == 8
    assert b"".join(everything) == b"abcdefgh"


def test_a_torn_tail_behind_it_is_still_cut(tmp_path: Path) -> None:
    path, made = written(tmp_path, [[b"a"], [b"b"]])
    resumed(path, made, [b"c", b"d"])
    os.truncate(path, path.stat().st_size - 3)
    assert resumed(path, made, []) == [b"c"]


def test_damage_behind_it_is_still_refused(tmp_path: Path) -> None:
    path, made = written(tmp_path, [[b"a"], [b"b"]])
    resumed(path, made, [b"record c", b"record d"])
    data = bytearray(path.read_bytes())
    data[made.place.offset_bytes + 20] ^= 1
    path.write_bytes(data)
    with pytest.raises(OurFault, match="JOURNAL_DAMAGED"):
        resumed(path, made, [])


@pytest.mark.parametrize("what", ["shorter", "other bytes", "other chain", "empty last"])
def test_one_that_does_not_fit_its_journal_is_passed_over(tmp_path: Path, what: str) -> None:
    path, made = written(tmp_path, [[b"a"], [b"b"]])
    match what:
        case "shorter":
            os.truncate(path, made.place.offset_bytes - 1)
            assert resumed(path, made, []) == [b"a"]
            return
        case "other bytes":
            path.unlink()
            path, _ = written(tmp_path, [[b"a"], [b"x"]])
        case "other chain":
            place = made.place._replace(chain=b"12345678")
            made = Checkpoint(SERVICE, RUN, "hash", 77, made.last, place, b"memory")
        case "empty last":
            made = Checkpoint(SERVICE, RUN, "hash", 77, made.place, made.place, b"memory")
    assert len(resumed(path, made, [])) == 2


def test_a_disk_that_refuses_is_a_fault_of_its_own_and_the_old_one_stays(tmp_path: Path) -> None:
    path = tmp_path / "c"
    _, made = written(tmp_path, [[b"a"]])
    save_checkpoint(path, made)
    (tmp_path / "c.new").mkdir()
    with pytest.raises(OurFault, match="CHECKPOINT_FAILED"):
        save_checkpoint(path, made)
    assert load_checkpoint(path, SERVICE, RUN) == (made, "")
