"""sect163k1 against the published points, a second way of computing, the laws of a group, and openssl."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import DecodeError
from protocols.zigbee import curve
from protocols.zigbee.curve import GENERATOR, ORDER, Point

PUBLISHED = [
    ("00B8A900FCADEBABBFA383B540FCE9ED438395EAA7", "030290A1F5C08DAD5F2945E335620C7A98FAC46666A1"),
    ("01E9DDB5580CF72ECE7F215F0AE594E48DF3E7FEE8", "03025BBA38D0C7B5436B68DF728F093E7A1D6C437E6D"),
    ("03D48C7210DDBCC4FB2E5E7A0AA16A0DB89540820B", "0306AB52062201D995B8B8591F3F086A3A2E214D845E"),
    ("0013D36DE4B1EA8E22739C381370823F404BFF8862", "0300E117C86D0E7CD128B2F34E9076CFF24AF46D7288"),
]
"""Private keys and their public keys of the Smart Energy profile, annex C.5."""

scalars = st.integers(1, ORDER - 1)
few = settings(max_examples=20, deadline=None)


def times(scalar: int, point: Point = GENERATOR) -> Point:
    product = curve.multiply(scalar, point)
    assert product is not None
    return product


# --- a second way: school arithmetic on plain polynomials, affine coordinates, double and add

MODULUS = 1 << 163 | 1 << 7 | 1 << 6 | 1 << 3 | 1
Affine = tuple[int, int] | None
BASE = 0x02FE13C0537BBC11ACAA07D793DE4E6D5E5C94EEE8, 0x0289070FB05D38FF58321F2E800536D538CCDAA3D9


def product(a: int, b: int) -> int:
    total = 0
    while b:
        if b & 1:
            total ^= a
        b >>= 1
        a <<= 1
        if a >> 163:
            a ^= MODULUS
    return total


def quotient(a: int, b: int) -> int:
    """a/b by Euclid's algorithm, held against what a quotient is."""
    u, v, of_u, of_v = b, MODULUS, 1, 0
    while u != 1:
        if u < v:
            u, v, of_u, of_v = v, u, of_v, of_u
        shift = u.bit_length() - v.bit_length()
        u ^= v << shift
        of_u ^= of_v << shift
    found = product(a, of_u)
    assert product(found, b) == a
    return found


def added(left: Affine, right: Affine) -> Affine:
    if left is None or right is None:
        return left or right
    (x1, y1), (x2, y2) = left, right
    if x1 == x2 and y1 != y2:
        return None
    slope = quotient(y1 ^ y2, x1 ^ x2) if x1 != x2 else x1 ^ quotient(y1, x1)
    x3 = product(slope, slope) ^ slope ^ x1 ^ x2 ^ 1
    return x3, product(slope, x1 ^ x3) ^ x3 ^ y1


def plainly(scalar: int) -> Affine:
    total: Affine = None
    for bit in f"{scalar:b}":
        total = added(total, total)
        if bit == "1":
            total = added(total, BASE)
    return total


def compressed(point: Affine) -> bytes:
    assert point is not None
    x, y = point
    return bytes((2 | quotient(y, x) & 1,)) + x.to_bytes(21, "big")


@pytest.mark.parametrize("scalar", [1, 2, 3, 5, 0x7FFF, 0x123456789, ORDER - 1])
def test_same_as_plain_arithmetic(scalar: int) -> None:
    assert curve.encode_point(times(scalar)) == compressed(plainly(scalar))


@pytest.mark.parametrize(("private", "public"), PUBLISHED)
def test_published(private: str, public: str) -> None:
    point = times(int(private, 16))
    assert curve.encode_point(point).hex().upper() == public
    assert curve.decode_point(bytes.fromhex(public)) == point


def test_order_of_the_generator() -> None:
    assert curve.multiply(0, GENERATOR) is None
    assert curve.multiply(ORDER, GENERATOR) is None
    assert curve.multiply(ORDER - 1, GENERATOR) == -GENERATOR
    assert curve.multiply(ORDER + 1, GENERATOR) == GENERATOR
    assert curve.multiply(-2, GENERATOR) == -times(2)


def test_equal_and_opposite_points_are_added_too() -> None:
    assert curve.combine(((1, GENERATOR), (1, GENERATOR))) == times(2)
    assert curve.combine(((1, GENERATOR), (1, -GENERATOR))) is None
    assert curve.combine(((5, GENERATOR), (-5, GENERATOR), (1, times(3)))) == times(3)


@few
@given(scalars, scalars, scalars)
def test_combination_is_multiplication_distributed(left: int, right: int, other: int) -> None:
    point = times(other)
    assert curve.combine(((left, GENERATOR), (right, point))) == curve.multiply(left + right * other, GENERATOR)


@few
@given(scalars, scalars)
def test_multiplication_commutes(left: int, right: int) -> None:
    assert times(left, times(right)) == times(right, times(left))


@few
@given(scalars)
def test_compression(scalar: int) -> None:
    point = times(scalar)
    assert curve.decode_point(curve.encode_point(point)) == point
    assert curve.encode_point(-point)[0] ^ curve.encode_point(point)[0] == 1
    assert curve.x_octets(-point) == curve.x_octets(point)


@few
@given(st.sampled_from((2, 3)), st.integers(0, (1 << 163) - 1))
def test_octets_are_a_point_of_the_group_or_refused(sign: int, x: int) -> None:
    octets = bytes((sign,)) + x.to_bytes(21, "big")
    try:
        point = curve.decode_point(octets)
    except DecodeError as error:
        assert "prime order" in str(error) or "on the curve" in str(error)
        return
    assert curve.encode_point(point) == octets
    # Of order n: reduction by delta is only right for the group, so this goes by plain arithmetic.
    y = _y(octets)
    total: Affine = None
    for bit in f"{ORDER:b}":
        total = added(total, total)
        if bit == "1":
            total = added(total, (x, y))
    assert total is None


def _y(octets: bytes) -> int:
    """y of a compressed point: x times the solution of z^2 + z = x + 1 + 1/x^2 that has the right lowest bit."""
    x = int.from_bytes(octets[1:], "big")
    wanted = x ^ 1 ^ quotient(1, product(x, x))
    power = root = wanted
    for _ in range(81):
        power = product(power, power)
        power = product(power, power)
        root ^= power
    assert product(root, root) ^ root == wanted
    return product(x, root ^ (root ^ octets[0]) & 1)


@pytest.mark.parametrize(
    ("octets", "problem"),
    [
        (bytes(22), "starts with 00"),
        (b"\x02" * 21, "21 octets"),
        (b"\x02" + b"\xff" * 21, "163 bits"),
        (b"\x02" + bytes(21), "prime order"),
    ],
    ids=["infinity", "short", "not an element", "the point of order two"],
)
def test_refusals_say_why(octets: bytes, problem: str) -> None:
    with pytest.raises(DecodeError, match=problem):
        curve.decode_point(octets)


def test_both_reasons_for_an_x_that_is_none_occur() -> None:
    reasons: set[str] = set()
    for x in range(1, 200):
        try:
            curve.decode_point(b"\x02" + x.to_bytes(21, "big"))
        except DecodeError as error:
            reasons.add(error.message)
    assert reasons == {"a point outside the group of prime order", "a point that is not on the curve"}


@pytest.mark.interop
def test_openssl_makes_the_same_public_key() -> None:
    assert shutil.which("openssl"), "openssl is not installed"
    pem = subprocess.run(
        ["openssl", "ecparam", "-name", "sect163k1", "-genkey", "-noout"], check=True, capture_output=True
    ).stdout
    private = subprocess.run(["openssl", "ec", "-text", "-noout"], input=pem, check=True, capture_output=True).stdout
    public = subprocess.run(
        ["openssl", "ec", "-pubout", "-conv_form", "compressed", "-outform", "DER"],
        input=pem,
        check=True,
        capture_output=True,
    ).stdout
    digits = private.split(b"priv:")[1].split(b"pub:")[0].translate(None, b" :\n").decode()
    assert curve.encode_point(times(int(digits, 16))) == public[-22:]
