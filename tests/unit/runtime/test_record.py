"""Journal records: the input as it came, the moment, the digest of what it led to."""

from __future__ import annotations

import msgpack
import pytest

from proto_schemas.market_data import Mark
from services.lab.samples import SAMPLES, sample_envelope
from shared.bus.codec import BadFrame, encode
from shared.kernel.clock import Now
from shared.kernel.errors import OurFault
from shared.kernel.outputs import Event
from shared.runtime.record import pack_record, peek_record, unpack_record

BODY = SAMPLES[Mark]
ENVELOPE = sample_envelope(BODY)
FRAME = encode(ENVELOPE, BODY)
DIGEST = b"12345678"


def test_a_record_comes_back_as_it_was_written() -> None:
    record = pack_record(FRAME, Now(3, 4), DIGEST)
    assert unpack_record(record) == (Event(ENVELOPE, BODY), Now(3, 4), DIGEST)
    assert peek_record(record) == (ENVELOPE, Now(3, 4))


def test_a_peek_reads_past_a_body_that_would_be_refused() -> None:
    record = pack_record(FRAME.replace(b"ESZ24", b"XXXXX"), Now(3, 4), DIGEST)
    assert peek_record(record)[0] == ENVELOPE
    with pytest.raises(BadFrame):
        unpack_record(record)


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xc1", b"\xff" * 9, msgpack.packb([1, 2, 3]), msgpack.packb(5), msgpack.packb(None)],
)
def test_bytes_that_are_no_record_are_our_fault(payload: bytes) -> None:
    for read in (unpack_record, peek_record):
        with pytest.raises(OurFault, match="RECORD_SHAPE"):
            read(payload)


def test_a_record_cut_anywhere_is_our_fault() -> None:
    record = pack_record(FRAME, Now(3, 4), DIGEST)
    for length in range(len(record)):
        with pytest.raises(OurFault):
            unpack_record(record[:length])
