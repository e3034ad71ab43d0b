"""Pure: joins the CRC-32 of two neighbouring byte ranges. The browser's twin is static/src/domain/crc32.ts.

A CRC is linear over GF(2): appending n zero bytes multiplies it by a fixed 32 x 32 bit matrix, and matrices of
2^k zero bytes are made by squaring. Source: M. Adler's description of crc32_combine in zlib.
"""

from collections.abc import Iterable
from functools import cache

POLYNOMIAL = 0xEDB88320
Matrix = tuple[int, ...]


def times(matrix: Matrix, vector: int) -> int:
    total = 0
    for row in matrix:
        if vector & 1:
            total ^= row
        vector >>= 1
    return total


@cache
def zero_bytes_matrix(power: int) -> Matrix:
    """What 2^power zero bytes do to a CRC."""
    if power == 0:
        one_bit: Matrix = (POLYNOMIAL, *(1 << bit for bit in range(31)))
        two = tuple(times(one_bit, row) for row in one_bit)
        four = tuple(times(two, row) for row in two)
        return tuple(times(four, row) for row in four)
    half = zero_bytes_matrix(power - 1)
    return tuple(times(half, row) for row in half)


def combine(first: int, second: int, second_bytes: int) -> int:
    """The CRC of the two ranges in a row, given the length of the second in bytes."""
    power = 0
    while second_bytes:
        if second_bytes & 1:
            first = times(zero_bytes_matrix(power), first)
        second_bytes >>= 1
        power += 1
    return first ^ second


def combine_parts(parts: Iterable[tuple[str, int]]) -> str:
    """Eight hex digits of the whole, from (crc32, bytes) of each part in order."""
    total = 0
    for crc32, part_bytes in parts:
        total = combine(total, int(crc32, 16), part_bytes)
    return f"{total:08x}"
