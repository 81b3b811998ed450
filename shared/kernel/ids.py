"""Ids without a random number or a clock in them: same inputs, same ids, and unique for ever.

A client order id has the shape of a UUID and can be read:

    9f3ac21b-77d0-0002-0003-00000000002a
    install id     origin epoch counter

The install id is 48 random bits, drawn once when a run's folder is made; so even if a disk is lost
and counters start again, ids do not repeat. Origins keep processes apart.
"""

from __future__ import annotations

import re

from shared.kernel.check import check

ORIGIN_STRATEGY = 1
ORIGIN_WATCHDOG = 2


def client_order_id(install_id: str, origin: int, epoch: int, counter: int) -> str:
    """Return the 36-character id. `install_id`: 12 lower-case hex digits."""
    check(
        re.fullmatch("[0-9a-f]{12}", install_id) is not None,
        "install id has 12 hex digits",
        install_id,
    )
    check(0 < origin < 2**16 and 0 <= epoch < 2**16 and 0 <= counter < 2**48, "id fields fit")
    return f"{install_id[:8]}-{install_id[8:]}-{origin:04x}-{epoch:04x}-{counter:012x}"


def signal_id(strategy: str, epoch: int, counter: int) -> str:
    """Correlation id of everything that follows one signal: `ema_cross-3-17`."""
    return f"{strategy}-{epoch}-{counter}"
