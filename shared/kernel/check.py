"""`check` is an assertion that `python -O` cannot remove.

A trading process that finds its own state impossible must stop, not guess. Use it twice for every
fact that costs money: where the fact is made and where it is used.
"""

from __future__ import annotations

from shared.kernel.errors import OurFault


def check(condition: bool, rule: str, value: object = None) -> None:
    """Stop with `OurFault` unless `condition` holds. `rule` says what must always be true."""
    if not condition:
        raise OurFault("CHECK_FAILED", field=rule, value=value, fix="Report this with the journal.")
