"""The elliptic curve sect163k1 (SEC 2; NIST K-163), which certificates of Smart Energy suite 1 are made with.

``cryptography`` no longer has the curve, so this is plain Python. It is not constant time: how long it takes tells
something of the scalar. That is fine for an emulator, whose keys are test keys and open to whoever runs it; keys of
real devices must not be used with it.

Field elements, polynomials over GF(2) modulo z^163 + z^7 + z^6 + z^3 + 1, are integers with one *octet* for each
coefficient, 0 or 1. A product has at most 163 summands to a coefficient, so the integer product never carries from one
octet to the next, and its lowest bits are the product over GF(2): one multiplication of Python's does all the work.

The curve is y^2 + xy = x^3 + x^2 + 1. Points are kept as (x, l) with l = x + y/x, and sums as (X, L, Z) with x = X/Z,
l = L/Z (lambda coordinates; Oliveira, Lopez, Aranha, Rodriguez-Henriquez, CHES 2013). Squaring both coordinates is
multiplication by tau = (1 + sqrt(-7))/2, so scalars are written to the base tau with digits 0, 1, -1, and points need
no doubling on the way (Solinas, "Efficient arithmetic on Koblitz curves", 2000).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

from protocols.errors import DecodeError

DEGREE: Final = 163
ORDER: Final = 0x4000000000000000000020108A2E0CC0D99F8A5EF
"""The prime order n of the group; the curve has twice as many points."""
COFACTOR: Final = 2
SCALAR_OCTETS: Final = 21
"""Octets of a private key, and of a coordinate."""
POINT_OCTETS: Final = 22
"""Octets of a compressed point: 02 or 03, and x."""

_SPAN: Final = 8 * DEGREE
_ONE: Final = 1
_ELEMENT: Final = int.from_bytes(b"\1" * DEGREE, "big")
_PRODUCT: Final = int.from_bytes(b"\1" * (2 * DEGREE), "big")
_CARRY: Final = int.from_bytes(b"\1" * 8, "big")
_REST: Final = 1 << 56 | 1 << 48 | 1 << 24 | 1
"""z^163 in the field: z^7 + z^6 + z^3 + 1."""
_MODULUS: Final = 1 << _SPAN | _REST
_TRACE: Final = 1 | 1 << 8 * 157
"""The powers of z, 1 and z^157, that have trace 1; the trace of a sum is the sum of traces."""
_TO_TEXT: Final = bytes.maketrans(b"\0\1", b"01")
_FROM_TEXT: Final = bytes.maketrans(b"01", b"\0\1")

_Sum = tuple[int, int, int]


class Point(NamedTuple):
    """A point of the group of prime order, other than infinity: ``x`` and ``slope`` = x + y/x, as elements here.

    Equal points are equal tuples.
    """

    x: int
    slope: int

    def __neg__(self) -> Point:
        return Point(self.x, self.slope ^ _ONE)


@lru_cache(maxsize=1024)
def decode_point(octets: bytes) -> Point:
    """The point of 22 octets, fully validated: on the curve, and in the group of prime order.

    DecodeError for anything else, uncompressed points and infinity among it (SEC 1, 2.3.4 and 3.2.2.1).
    """
    if len(octets) != POINT_OCTETS:
        raise DecodeError(f"a point of {len(octets)} octets", expected=f"{POINT_OCTETS}, compressed")
    if octets[0] not in (2, 3):
        raise DecodeError(f"a point that starts with {octets[0]:02X}", 0, "02 or 03, compressed")
    number = int.from_bytes(octets[1:], "big")
    if number >> DEGREE:
        raise DecodeError("an x coordinate of more than 163 bits", 1, "163 bits")
    x = _spread(number)
    # Doubles are the points whose x has the trace of the curve's a, 1; with cofactor 2 they are the prime group.
    if not _trace(x):
        raise DecodeError("a point outside the group of prime order", 1, "an x coordinate of trace 1")
    quotient = _solve(x ^ _ONE ^ _square(_inverse(x)))
    if quotient is None:
        raise DecodeError("a point that is not on the curve", 1, "an x coordinate of sect163k1")
    if quotient & 1 != octets[0] & 1:
        quotient ^= _ONE
    return Point(x, x ^ quotient)


def encode_point(point: Point) -> bytes:
    """The 22 octets of a point, compressed (SEC 1, 2.3.3)."""
    return bytes((2 | (point.x ^ point.slope) & 1,)) + x_octets(point)


def x_octets(point: Point) -> bytes:
    """The x coordinate, 21 octets, most significant first."""
    return x_number(point).to_bytes(SCALAR_OCTETS, "big")


def x_number(point: Point) -> int:
    """The x coordinate as a number of 163 bits."""
    return int(point.x.to_bytes(DEGREE, "big").translate(_TO_TEXT), 2)


def multiply(scalar: int, point: Point) -> Point | None:
    """``scalar`` times ``point``; None for the point at infinity. The scalar is any integer."""
    return combine(((scalar, point),))


def combine(terms: Iterable[tuple[int, Point]]) -> Point | None:
    """The sum of scalars times points; None for the point at infinity."""
    total: _Sum | None = None
    for scalar, point in terms:
        conjugates = _generator_conjugates() if point == GENERATOR else _conjugates(point)
        for place, digit in enumerate(_digits(scalar)):
            if digit:
                x, slope = conjugates[place % DEGREE]
                total = _add(total, x, slope if digit > 0 else slope ^ _ONE)
    if total is None:
        return None
    x, slope, depth = total
    scale = _inverse(depth)
    return Point(_times(x, scale), _times(slope, scale))


def _add(total: _Sum | None, x: int, slope: int) -> _Sum | None:
    """A sum and an affine point; None is infinity. 8 multiplications and 2 squarings."""
    if total is None:
        return x, slope, _ONE
    total_x, total_slope, depth = total
    a = total_slope ^ _times(slope, depth)
    x_deep = _times(x, depth)
    apart = total_x ^ x_deep
    if not apart:
        # The same x: the same point, or its negative.
        return None if a else _double(total)
    b = _square(apart)
    a_x = _times(a, x_deep)
    ab = _times(a, b)
    # Squares and products are summed before they are reduced.
    return (
        _times(_times(a, total_x), a_x),
        _reduced((a_x ^ b) ** 2 ^ ab * (total_slope ^ depth)),
        _times(ab, depth),
    )


def _double(total: _Sum) -> _Sum:
    """Twice a sum."""
    x, slope, depth = total
    product = _times(slope, depth)
    depth_squared = _square(depth)
    t = _square(slope) ^ product ^ depth_squared
    doubled, deep = _square(t), _times(t, depth_squared)
    return doubled, _reduced(_times(x, depth) ** 2 ^ t * product) ^ doubled ^ deep, deep


def _digits(scalar: int) -> list[int]:
    """A scalar to the base tau, lowest digit first, each 0, 1 or -1 and of two neighbours at least one 0.

    The scalar is first reduced by delta = (tau^163 - 1)/(tau - 1), which takes all points of the group to infinity.
    """
    a, b = _DELTA
    scalar %= ORDER
    first, second = _nearest(scalar * (a + b)), _nearest(-scalar * b)
    low = scalar - first * a + 2 * second * b
    high = -(first * b + second * a + second * b)
    digits: list[int] = []
    while low or high:
        digit = 0
        if low & 1:
            digit = 2 - (low - 2 * high & 3)
            low -= digit
        digits.append(digit)
        half = low >> 1
        low, high = high + half, -half
    return digits


def _nearest(numerator: int) -> int:
    """A number divided by the norm of delta, which is the order, rounded."""
    return (2 * numerator + ORDER) // (2 * ORDER)


def _delta() -> tuple[int, int]:
    """a and b of delta = a + b tau, the sum of the powers of tau from 0 to 162; tau^2 = tau - 2."""
    a = b = 0
    for _ in range(DEGREE):
        a, b = 1 - 2 * b, a + b
    return a, b


def _conjugates(point: Point) -> list[tuple[int, int]]:
    """The point times the powers of tau from 0 to 162; the 163rd is the point again."""
    x, slope = point
    found: list[tuple[int, int]] = []
    for _ in range(DEGREE):
        found.append((x, slope))
        x, slope = _square(x), _square(slope)
    return found


@lru_cache(maxsize=1)
def _generator_conjugates() -> list[tuple[int, int]]:
    return _conjugates(GENERATOR)


def _spread(number: int) -> int:
    return int.from_bytes(f"{number:b}".encode().translate(_FROM_TEXT), "big")


def _reduced(product: int) -> int:
    """The element of a product or a xor of products, whose octets may hold more than their lowest bits."""
    folded = ((product & _PRODUCT) >> _SPAN) * _REST
    return (product ^ folded ^ (folded >> _SPAN & _CARRY) * _REST) & _ELEMENT


def _times(a: int, b: int) -> int:
    product = a * b
    # As _reduced does: a call would be a tenth of the time.
    folded = ((product & _PRODUCT) >> _SPAN) * _REST
    return (product ^ folded ^ (folded >> _SPAN & _CARRY) * _REST) & _ELEMENT


def _square(a: int) -> int:
    return _reduced(a * a)


def _inverse(a: int) -> int:
    """1/a by Euclid's algorithm over polynomials; ``a`` is not 0."""
    u, v = a, _MODULUS
    of_u, of_v = _ONE, 0
    while u != _ONE:
        shift = u.bit_length() - v.bit_length()
        if shift < 0:
            u, v, of_u, of_v = v, u, of_v, of_u
            shift = -shift
        u ^= v << shift
        of_u ^= of_v << shift
    return _reduced(of_u)


def _trace(a: int) -> int:
    return (a & _TRACE).bit_count() & 1


def _solve(c: int) -> int | None:
    """A z with z^2 + z = c, which is the half-trace of c; None when there is none (c has trace 1)."""
    if _trace(c):
        return None
    power = total = c
    for _ in range(DEGREE // 2):
        power = _square(_square(power))
        total ^= power
    return total


_DELTA: Final = _delta()
GENERATOR: Final = decode_point(bytes.fromhex("0302FE13C0537BBC11ACAA07D793DE4E6D5E5C94EEE8"))
"""The base point G of SEC 2."""
