"""Randomness that can be asked for by name: a splitmix64 hash of (seed, what, where).

Any figure is computed directly, in any order, and is the same on every machine and numpy version: only integer
operations, and + - x / floor rint sqrt of IEEE doubles, whose results are defined to the last bit.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Words = NDArray[np.uint64]
Floats = NDArray[np.float64]

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_MIX_1 = 0xBF58476D1CE4E5B9
_MIX_2 = 0x94D049BB133111EB
_NP_GOLDEN, _NP_MIX_1, _NP_MIX_2 = np.uint64(_GOLDEN), np.uint64(_MIX_1), np.uint64(_MIX_2)
_S27, _S30, _S31 = np.uint64(27), np.uint64(30), np.uint64(31)
_LOW_16, _S16, _S32, _S48 = np.uint64(0xFFFF), np.uint64(16), np.uint64(32), np.uint64(48)

# A sum of eight uniform 16-bit integers: mean 8 x 32767.5, deviation sqrt(8 x (2**32 - 1) / 12).
_SUM_MEAN = 262140
_SUM_DEVIATION = 53509.48


def named_stream(seed: int, *names: str) -> int:
    """The stream of this seed and name, a 64-bit number."""
    text = "\x1f".join((str(seed), *names))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def child_stream(stream: int, index: int) -> int:
    """The ``index``-th stream below ``stream``."""
    z = (stream + _GOLDEN * (index + 1)) & _MASK
    z = ((z ^ (z >> 30)) * _MIX_1) & _MASK
    z = ((z ^ (z >> 27)) * _MIX_2) & _MASK
    return z ^ (z >> 31)


def words_at(stream: int, index: Words) -> Words:
    """64 random bits for each index; overflow is meant (arithmetic modulo 2**64)."""
    z = np.uint64(stream) + _NP_GOLDEN * (index + np.uint64(1))
    z = (z ^ (z >> _S30)) * _NP_MIX_1
    z = (z ^ (z >> _S27)) * _NP_MIX_2
    return z ^ (z >> _S31)


def words(stream: int, count: int) -> Words:
    """The first ``count`` words of ``stream``."""
    return words_at(stream, np.arange(count, dtype=np.uint64))


def _sum_of_parts(word: Words) -> Words:
    total: Words = (word & _LOW_16) + ((word >> _S16) & _LOW_16) + ((word >> _S32) & _LOW_16) + (word >> _S48)
    return total


def normals_at(stream: int, index: Words) -> Floats:
    """Standard normal figures, bounded by 4.9, one for each index.

    A sum of uniforms, not ``Generator.normal``: numpy may change the stream of the latter between versions.
    """
    first = index * np.uint64(2)
    total = _sum_of_parts(words_at(stream, first)) + _sum_of_parts(words_at(stream, first + np.uint64(1)))
    return (total.astype(np.int64) - _SUM_MEAN).astype(np.float64) / _SUM_DEVIATION


def normals(stream: int, count: int) -> Floats:
    return normals_at(stream, np.arange(count, dtype=np.uint64))


def below(word: Words, bound: int) -> Ints:
    """Integers in ``[0, bound)`` out of random words."""
    return (word % np.uint64(bound)).astype(np.int64)


def stretched(x: Floats) -> Floats:
    """About ``exp(x)`` for small ``x``, without exp, whose last bit differs between machines."""
    y = 1.0 + x * 0.125
    y = y * y
    y = y * y
    return y * y


def split(total: int, weights: Ints, least: Ints) -> Ints:
    """``total`` as integers in proportion to ``weights``, none below ``least``; the sum is exact.

    Needs ``total >= sum(least)``. Exact because shares are differences of floors of one cumulative figure.
    """
    spare = total - int(least.sum())
    whole = int(weights.sum())
    shift = max(0, (spare * whole).bit_length() - 62)
    if shift:  # keep the products within 63 bits
        weights = np.maximum(weights >> shift, 1)
        whole = int(weights.sum())
    shares = np.cumsum(weights) * spare // whole
    return least + np.diff(shares, prepend=0)
