"""Files that are whole or absent: written beside their place, synced, renamed; and a lock.

Why: a catalogue must be as it was before after a full disk, Ctrl-C, kill -9 or a power cut.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from shared.kernel.errors import OperatorFault

UNFINISHED = ".unfinished"
LOCK = ".lock"


@contextmanager
def whole_file(path: Path) -> Iterator[BinaryIO]:
    """Yield a file to write; it takes its place only if the block ends well.

    Raises `OperatorFault` where the disk is full or may not be written; then nothing is left.
    """
    fresh = path.with_name(path.name + UNFINISHED)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        fresh.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        fresh.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable: a synced file without its name is lost."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold a folder for one writer; makes it if it is not there. `OperatorFault` if it is held."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        handle = os.open(root / LOCK, os.O_CREAT | os.O_RDWR, 0o644)
    except OSError as error:
        raise cannot_write(root, error) from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError as error:
        raise OperatorFault(
            "CATALOGUE_BUSY",
            field=f"catalogue {root}",
            value="another import writes to it",
            fix="Wait until it has ended, or use another --catalogue.",
        ) from error
    finally:
        os.close(handle)


def cannot_write(path: Path, error: OSError) -> OperatorFault:
    """Make the fault for a disk that takes no more."""
    return OperatorFault(
        "CATALOGUE_CANNOT_WRITE",
        field=f"file {path}",
        value=error.strerror or str(error),
        fix="Make room or mend the permissions, then run the same command again. Nothing of this"
        " file was added; the catalogue is as it was.",
    )
