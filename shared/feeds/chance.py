"""Chance as arithmetic: the same numbers give the same bits, on every machine, with no memory.

A generator with a state would have to be wound forward to be taken up again in the middle; these
bits follow from (seed, number, purpose) alone.
"""

from __future__ import annotations

from typing import NamedTuple

PARTS = 1_024
"""A share of `Chance` is one of so many parts."""

_MASK = 2**64 - 1
_PART = PARTS - 1


class Chance(NamedTuple):
    """Six independent shares, each 0 to 1023, all of one row."""

    kind: int
    wait: int
    side: int
    size: int
    move: int
    other: int


def draw(seed: int, number: int, purpose: int) -> int:
    """64 random-looking bits of (seed, number, purpose): splitmix64 by Steele, Lea and Flood."""
    z = (seed * 0xD1342543DE82EF95 + number * 0x9E3779B97F4A7C15 + purpose) & _MASK
    for _ in range(2):
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & _MASK
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB & _MASK
        z ^= z >> 31
    return z


def chance(seed: int, number: int, purpose: int) -> Chance:
    """One draw, cut into shares."""
    bits = draw(seed, number, purpose)
    return Chance(
        bits & _PART, bits >> 10 & _PART, bits >> 20 & _PART, bits >> 30 & _PART,
        bits >> 40 & _PART, bits >> 50 & _PART,
    )  # fmt: skip
