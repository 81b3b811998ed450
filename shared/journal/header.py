"""The first bytes of a journal: which format, which service and which run wrote it.

Without them a service could recover the records of another service or of another run and act on
them. The header has its own CRC, and its hash starts the chain that ties the records together.

Promises: pure functions; a header that is not whole is never taken for a good one.
Limits: service and run id take at most 255 bytes of UTF-8 each.
"""

from __future__ import annotations

import struct
from hashlib import blake2b
from typing import NamedTuple
from zlib import crc32

from shared.kernel.errors import OperatorFault, OurFault

FILE_MAGIC = b"BULKJRNL"
FORMAT_VERSION = 1
CHAIN_BYTES = 8
MAX_NAME_BYTES = 255
HEADER_WINDOW_BYTES = 1024
"""Read this much from the start of a file: longer than any header can be."""

_FIXED = struct.Struct("<8sHBB")
_CRC = struct.Struct("<I")


class Header(NamedTuple):
    """A whole header: who wrote the file, how long the header is, and where the chain starts."""

    service: str
    run_id: str
    size_bytes: int
    seed: bytes


def encode_header(service: str, run_id: str) -> bytes:
    """Bytes of the header. OurFault `JOURNAL_BAD_NAME` for an empty or too long name."""
    names = [_name_bytes("service", service), _name_bytes("run_id", run_id)]
    fixed = _FIXED.pack(FILE_MAGIC, FORMAT_VERSION, len(names[0]), len(names[1]))
    body = fixed + names[0] + names[1]
    return body + _CRC.pack(crc32(body))


def decode_header(data: bytes, file: str) -> Header | None:
    """The header at the start of `data`, or None when its bytes are not all there yet.

    `data` must be the first `HEADER_WINDOW_BYTES` of the file (or all of it); `file` is only named.

    Raises:
        OperatorFault: `JOURNAL_FOREIGN`, the file is no journal or has another format version.
        OurFault: `JOURNAL_DAMAGED`, the header is whole but its CRC is wrong.
    """
    # A crash can leave the size of the first write without its bytes: zeros, not another file.
    if not data.strip(b"\0"):
        return None
    _check_magic(data, file)
    if len(data) < _FIXED.size:
        return None
    _, version, service_bytes, run_bytes = _FIXED.unpack_from(data)
    _check_version(version, file)
    body_bytes = _FIXED.size + service_bytes + run_bytes
    size_bytes = body_bytes + _CRC.size
    if len(data) < size_bytes:
        return None
    if data[body_bytes:size_bytes] != _CRC.pack(crc32(data[:body_bytes])):
        raise damaged_header(file, "the CRC of the header is wrong")
    middle = _FIXED.size + service_bytes
    service, run_id = data[_FIXED.size : middle].decode(), data[middle:body_bytes].decode()
    return Header(service, run_id, size_bytes, chain_seed(data[:size_bytes]))


def expect_header(data: bytes, file: str, service: str, run_id: str) -> Header | None:
    """The header when it is of this service and run; None when it is torn and nothing follows.

    Raises:
        OperatorFault: `JOURNAL_FOREIGN`, the file belongs to another service, run or program.
        OurFault: `JOURNAL_DAMAGED`, the header is broken and is not just our own header cut short.
    """
    expected = encode_header(service, run_id)
    if _is_torn(data, expected):
        return None
    header = decode_header(data, file)
    if header is None:
        raise damaged_header(file, "the header is not whole")
    if (header.service, header.run_id) != (service, run_id):
        found = f"service {header.service} run {header.run_id}"
        raise _foreign(file, found, f"service {service} run {run_id}")
    return header


def chain_seed(header_bytes: bytes) -> bytes:
    """The chain value before the first record (8 bytes)."""
    return blake2b(header_bytes, digest_size=CHAIN_BYTES).digest()


def damaged_header(file: str, what: str) -> OurFault:
    """The fault for a header that cannot be trusted."""
    return OurFault("JOURNAL_DAMAGED", field=f"{file} header at byte 0", value=what, fix=DAMAGE_FIX)


DAMAGE_FIX = (
    "Do not start the service on this file: move it away unchanged for study and put back the "
    "last good copy, or start a new run after comparing positions and orders with the broker."
)


def _is_torn(data: bytes, expected: bytes) -> bool:
    """True when the first write of our header did not reach the disk whole."""
    if len(data) > len(expected) or data == expected:
        return False
    return expected.startswith(data) or not data.strip(b"\0")


def _name_bytes(field: str, name: str) -> bytes:
    raw = name.encode()
    if 0 < len(raw) <= MAX_NAME_BYTES:
        return raw
    fix = f"Pass 1 to {MAX_NAME_BYTES} bytes of UTF-8."
    raise OurFault("JOURNAL_BAD_NAME", field=field, value=name, fix=fix)


def _check_magic(data: bytes, file: str) -> None:
    if not FILE_MAGIC.startswith(data[: len(FILE_MAGIC)]):
        raise _foreign(file, f"first bytes {data[: len(FILE_MAGIC)]!r}", f"{FILE_MAGIC!r}")


def _check_version(version: int, file: str) -> None:
    if version != FORMAT_VERSION:
        raise _foreign(file, f"journal format {version}", f"format {FORMAT_VERSION}")


def _foreign(file: str, found: str, expected: str) -> OperatorFault:
    fix = f"Expected {expected}. Point this service at its own journal; the file was not changed."
    return OperatorFault("JOURNAL_FOREIGN", field=file, value=found, fix=fix)
