"""Errors say whose fault they are, because the first question at 3 a.m. is "whom do I call?".

A fault names the field, the value that was seen and the fix. `code` is fixed text that metrics and
tests can count; the sentence is for people. Exit codes follow the fault (see the README's table).
"""

from __future__ import annotations


class Fault(Exception):
    """Base of every error that Bulkhead raises on purpose.

    Args:
        code: fixed upper-case word, such as `CONFIG_UNKNOWN_KEY`.
        field: what was wrong: a config key, a message field, a file with its line.
        value: what was seen there. Never pass a secret.
        fix: one sentence that tells the reader what to do.
    """

    side = "unknown"
    exit_code = 70

    def __init__(self, code: str, *, field: str, value: object, fix: str) -> None:
        self.code = code
        self.field = field
        self.value = value
        self.fix = fix
        super().__init__(f"[{self.side}] {code}: {field} = {value!r}. {fix}")


class OurFault(Fault):
    """Bulkhead broke its own rule: a bug, or damage to its own files."""

    side = "bulkhead"
    exit_code = 70


class BrokerFault(Fault):
    """The broker or the feed sent something that breaks its promise."""

    side = "broker"
    exit_code = 76


class OperatorFault(Fault):
    """Input from a person: config, command line, data file, missing permission."""

    side = "operator"
    exit_code = 64
