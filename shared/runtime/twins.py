"""Small records in two synced copies, in two folders: for what must survive a damaged file.

Each copy is written to a new file, synced, renamed over the old one, and its folder synced. A copy
says itself whether it is whole (a checksum in front). Reading tells apart: absent everywhere,
whole, and damaged, which is also what two copies that differ, or a missing one of two, are.
"""

from __future__ import annotations

import os
from hashlib import blake2b
from pathlib import Path

DIGEST_BYTES = 16


def write_twins(paths: tuple[Path, Path], data: bytes) -> None:
    """Write both copies; `OSError` passes through, and the process must not go on."""
    for path in paths:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(path, _digest(data) + data)


def read_twins(paths: tuple[Path, Path]) -> tuple[bytes | None, bool]:
    """Return (the record of the first whole copy or None, whether anything is damaged)."""
    copies = [_read(path) for path in paths]
    whole = [_content(copy) for copy in copies if copy is not None]
    if not whole:
        return None, False
    good = [content for content in whole if content is not None]
    same = len(good) == len(paths) and good[0] == good[1]
    return (good[0] if good else None), not same


def _write(path: Path, data: bytes) -> None:
    fresh = path.with_name(f"{path.name}.new")
    handle = os.open(fresh, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        os.write(handle, data)
        os.fsync(handle)
    finally:
        os.close(handle)
    os.replace(fresh, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _content(copy: bytes) -> bytes | None:
    digest, data = copy[:DIGEST_BYTES], copy[DIGEST_BYTES:]
    return data if digest == _digest(data) else None


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=DIGEST_BYTES).digest()
