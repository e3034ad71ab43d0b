"""Pure: what the numbers of a picture mean where no profile says it, and the profile that says so.

A colour space is told by code points (PNG's cICP, HEIF's nclx; ITU-T H.273) or by a camera's EXIF. Nobody mirrors it.
"""

import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

Point = tuple[float, float]  # CIE 1931 x and y
Vector = tuple[float, float, float]
Matrix = tuple[Vector, Vector, Vector]


@dataclass(frozen=True)
class Primaries:
    red: Point
    green: Point
    blue: Point
    white: Point


@dataclass(frozen=True)
class ColourSpace:
    """`curve` is a key of _CURVES; of a narrow range, 16 of 255 is black and 235 white."""

    primaries: Primaries
    curve: str
    is_narrow: bool = False


_D65: Final = (0.3127, 0.3290)
_BT709: Final = Primaries((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65)
# ITU-T H.273, table 2.
_PRIMARIES: Final = {
    1: _BT709,
    5: Primaries((0.640, 0.330), (0.290, 0.600), (0.150, 0.060), _D65),
    6: Primaries((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    7: Primaries((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    9: Primaries((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    11: Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: Primaries((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
}
# Table 3. The four kinds of video's curve are shown as sRGB's in still pictures: so do browsers and telephones.
_TRANSFERS: Final = {
    1: "srgb", 6: "srgb", 13: "srgb", 14: "srgb", 15: "srgb", 4: "2.2", 5: "2.8", 8: "linear", 16: "pq", 18: "hlg",
}  # fmt: skip
_UNSPECIFIED: Final = 2

SRGB: Final = ColourSpace(_BT709, "srgb")
# Adobe RGB (1998), 4.3.1.
ADOBE_RGB: Final = ColourSpace(Primaries((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), _D65), "adobe")


def space_of(primaries: int, transfer: int, *, is_narrow: bool = False) -> ColourSpace | None:
    """None where they say nothing, or what nobody here knows. What only one of them says, the other is of sRGB."""
    if primaries == transfer == _UNSPECIFIED:
        return None
    colours = _BT709 if primaries == _UNSPECIFIED else _PRIMARIES.get(primaries)
    curve = "srgb" if transfer == _UNSPECIFIED else _TRANSFERS.get(transfer)
    return ColourSpace(colours, curve, is_narrow) if colours and curve else None


# ITU-R BT.2408, 2.1: what is white on paper has 203 cd/m2 of the 1000 that are common for what shines.
_WHITE_NITS: Final = 203.0
_PEAK_NITS: Final = 1000.0


def _srgb(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - IEC 61966-2-1


def _pq(value: float) -> float:
    """ITU-R BT.2100, table 4."""
    power = value ** (32 / 2523)
    nits = 10_000 * (max(power - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * power)) ** (8192 / 1305)
    return _within_paper(nits)


def _hlg(value: float) -> float:
    """ITU-R BT.2100, table 5, each colour by itself, on a display of 1000 cd/m2."""
    is_dark = value <= 0.5  # noqa: PLR2004
    scene = value * value / 3 if is_dark else (math.exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12
    return _within_paper(_PEAK_NITS * scene**1.2)


def _within_paper(nits: float) -> float:
    """Extended Reinhard: the peak becomes white, what is dark stays as it is."""
    light, peak = min(nits, _PEAK_NITS) / _WHITE_NITS, _PEAK_NITS / _WHITE_NITS
    return light * (1 + light / peak**2) / (1 + light)


_CURVES: Final[dict[str, Callable[[float], float]]] = {
    "srgb": _srgb,
    "adobe": lambda value: value ** (563 / 256),
    "2.2": lambda value: value**2.2,
    "2.8": lambda value: value**2.8,
    "linear": lambda value: value,
    "pq": _pq,
    "hlg": _hlg,
}
_CURVE_POINTS: Final = 4096


@cache
def profile_of(space: ColourSpace) -> bytes:
    """An ICC profile of three colours and one curve: ICC.1:2001-04, 6.3.1.2. There are a hundred at most."""
    columns = zip(*_to_paper(space.primaries), strict=True)
    curve = _curve_tag(space)
    tags = [
        (b"desc", b"desc" + bytes(4) + struct.pack(">I", 2) + b"x\0" + bytes(78)),
        (b"cprt", b"text" + bytes(4) + b"none\0" + bytes(3)),
        (b"wtpt", _xyz_tag(_PAPER_WHITE)),
        *(
            (name, _xyz_tag(column))
            for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)
        ),
        (b"rTRC", curve),
    ]
    start = 128 + 4 + 12 * (len(tags) + 2)
    entries, data = [], b""
    for name, value in tags:
        entries.append((name, start + len(data), len(value)))
        data += value
    _, curve_at, curve_bytes = entries[-1]
    entries += [(b"gTRC", curve_at, curve_bytes), (b"bTRC", curve_at, curve_bytes)]
    table = struct.pack(">I", len(entries)) + b"".join(struct.pack(">4sII", *entry) for entry in entries)
    head = (
        struct.pack(">I4sI", start + len(data), bytes(4), 0x02100000) + b"mntrRGB XYZ " + bytes(12) + b"acsp"
    )
    head = head.ljust(68, b"\0") + struct.pack(">iii", *_fixed(_PAPER_WHITE))
    return head.ljust(128, b"\0") + table + data


def _curve_tag(space: ColourSpace) -> bytes:
    values = (round(65535 * min(max(each, 0.0), 1.0)) for each in _lights(space))
    return b"curv" + bytes(4) + struct.pack(f">I{_CURVE_POINTS}H", _CURVE_POINTS, *values)


def _lights(space: ColourSpace) -> Iterator[float]:
    for index in range(_CURVE_POINTS):
        value = index / (_CURVE_POINTS - 1)
        if space.is_narrow:
            value = min(max((value * 255 - 16) / 219, 0.0), 1.0)
        yield _CURVES[space.curve](value)


def _xyz_tag(vector: Vector) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">iii", *_fixed(vector))


def _fixed(vector: Vector) -> Iterator[int]:
    return (round(each * 65536) for each in vector)


# Colours are told as they are seen beside D50, by Bradford's method: ICC.1:2010, annex E.
_PAPER_WHITE: Final = (0.9642, 1.0, 0.8249)
_CONES: Final = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))


def _to_paper(primaries: Primaries) -> Matrix:
    """Linear red, green and blue to XYZ; its columns are the three colours."""
    white = _xyz(primaries.white)
    colours = _transposed((_xyz(primaries.red), _xyz(primaries.green), _xyz(primaries.blue)))
    weights = _applied(_inverse(colours), white)
    native = _product(colours, _diagonal(weights))
    seen, wanted = _applied(_CONES, white), _applied(_CONES, _PAPER_WHITE)
    red, green, blue = (b / a for a, b in zip(seen, wanted, strict=True))
    return _product(_inverse(_CONES), _product(_diagonal((red, green, blue)), _product(_CONES, native)))


def _xyz(point: Point) -> Vector:
    x, y = point
    return x / y, 1.0, (1 - x - y) / y


def _applied(matrix: Matrix, vector: Vector) -> Vector:
    first, second, third = (sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix)
    return first, second, third


def _product(one: Matrix, two: Matrix) -> Matrix:
    first, second, third = (_applied(one, column) for column in _transposed(two))
    return _transposed((first, second, third))


def _transposed(matrix: Matrix) -> Matrix:
    first, second, third = zip(*matrix, strict=True)
    return first, second, third


def _diagonal(vector: Vector) -> Matrix:
    a, b, c = vector
    return (a, 0.0, 0.0), (0.0, b, 0.0), (0.0, 0.0, c)


def _inverse(matrix: Matrix) -> Matrix:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    one, two, three = e * i - f * h, f * g - d * i, d * h - e * g
    size = a * one + b * two + c * three
    return (
        (one / size, (c * h - b * i) / size, (b * f - c * e) / size),
        (two / size, (a * i - c * g) / size, (c * d - a * f) / size),
        (three / size, (b * g - a * h) / size, (a * e - b * d) / size),
    )
