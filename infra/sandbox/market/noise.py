"""Chance without a generator: whole numbers that follow from a seed, a name and a place alone.

Any number of a series can be had on its own, so a window of history costs what it shows and
nothing for what lies before it.
"""

import hashlib
from functools import lru_cache

MILLION = 1_000_000
_MASK = (1 << 64) - 1
_STEP = 0x9E3779B97F4A7C15


@lru_cache(maxsize=65_536)
def stream(seed: int, name: str) -> int:
    """Return the number from which all numbers of a name follow."""
    digest = hashlib.blake2b(f"{seed}:{name}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def number_at(base: int, *places: int) -> int:
    """Return the number (64 bits) at a place of a stream.

    Source: the finalizer of the public-domain generator splitmix64.
    """
    mixed = base
    for place in places:
        mixed = (mixed + (place + 1) * _STEP) & _MASK
        mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _MASK
        mixed ^= mixed >> 31
    return mixed


def between(base: int, low: int, high: int, *places: int) -> int:
    """Return a number from `low` to `high`, both inclusive."""
    return low + number_at(base, *places) % (high - low + 1)


def wave(base: int, at: int, *, length: int, amplitude: int) -> int:
    """Return a smooth-walking number from `-amplitude` to `amplitude` at a place.

    Every `length` places there is a number of its own; between them the line is straight.
    """
    node, offset = divmod(at, length)
    left = between(base, -amplitude, amplitude, length, node)
    if offset == 0:
        return left
    right = between(base, -amplitude, amplitude, length, node + 1)
    return left + (right - left) * offset // length


def share(amount: int, ppm: int) -> int:
    """Return an amount changed by a share (unit: millionths), rounded down."""
    return amount * (MILLION + ppm) // MILLION
