"""ACSE and Initiate: the published vectors, both ways, and what does not follow them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.dlms.acse import Aare, Aarq, DiagnosticSource, Release
from protocols.dlms.enums import InitiateErrorCode
from protocols.dlms.initiate import InitiateRequest, InitiateResponse, decode_initiate_error, initiate_error
from protocols.errors import DecodeError

INITIATE = "01000000065F1F0400001E1DFFFF"
ANSWER = "0800065F1F040000501F01F40007"


@pytest.mark.parametrize(
    ("octets", "aarq"),
    [
        (f"601DA109060760857405080101BE10040E{INITIATE}", Aarq(1, bytes.fromhex(INITIATE))),
        (
            "6036A1090607608574050801018A0207808B0760857405080202AC0A80083132333435363738"
            "BE10040E01000000065F1F0400007E1FFFFF",
            Aarq(1, bytes.fromhex("01000000065F1F0400007E1FFFFF"), 2, b"12345678"),
        ),
        (
            "6066A109060760857405080103A60A04084D4D4D0000BC614E8A0207808B0760857405080201AC0A80083132333435363738"
            "BE34043221303001234567801302FF8A7874133D414CED25B42534D28DB0047720606B175BD52211BE6841DB204D39EE6FDB8E"
            "356855",
            Aarq(
                3,
                bytes.fromhex(
                    "21303001234567801302FF8A7874133D414CED25B42534D28DB0047720606B175BD52211BE6841DB204D39EE6FDB8E356855"
                ),
                1,
                b"12345678",
                bytes.fromhex("4D4D4D0000BC614E"),
            ),
        ),
    ],
)
def test_aarq_vectors(octets: str, aarq: Aarq) -> None:
    assert Aarq.decode(bytes.fromhex(octets)) == aarq
    assert aarq.encode().hex().upper() == octets


@pytest.mark.parametrize(
    ("octets", "aare"),
    [
        (
            f"6129A109060760857405080101A203020100A305A103020100BE10040E{ANSWER}",
            Aare(1, 0, DiagnosticSource.USER, 0, bytes.fromhex(ANSWER)),
        ),
        (
            "611FA109060760857405080101A203020101A305A103020101BE0604040E010601",
            Aare(1, 1, DiagnosticSource.USER, 1, bytes.fromhex("0E010601")),
        ),
        (
            "6142A109060760857405080101A203020100A305A10302010E88020780890760857405080205AA0A8008503677524A323146"
            f"BE10040E{ANSWER}",
            Aare(1, 0, DiagnosticSource.USER, 14, bytes.fromhex(ANSWER), None, 5, bytes.fromhex("503677524A323146")),
        ),
    ],
)
def test_aare_vectors(octets: str, aare: Aare) -> None:
    assert Aare.decode(bytes.fromhex(octets)) == aare
    assert aare.encode().hex().upper() == octets


@pytest.mark.parametrize(
    ("octets", "release"),
    [
        ("6203800100", Release(False)),
        ("6303800100", Release(True)),
        ("6200", Release(False, None)),
        ("6303800101", Release(True, 1)),
        ("620780011EBE020400", Release(False, 30, b"")),
    ],
)
def test_release(octets: str, release: Release) -> None:
    raw = bytes.fromhex(octets)
    assert Release.decode(raw) == release
    assert release.encode() == raw


@pytest.mark.parametrize(
    ("octets", "initiate"),
    [
        (INITIATE, InitiateRequest(0x001E1D, 0xFFFF)),
        (
            "01011000112233445566778899AABBCCDDEEFF0000065F1F0400007E1F04B0",
            InitiateRequest(0x007E1F, 1200, bytes.fromhex("00112233445566778899AABBCCDDEEFF")),
        ),
        ("0100010001FF065F1F0400001E1D0040", InitiateRequest(
            0x001E1D, 64, None, False, 255
        )),
    ],
)  # fmt: skip
def test_initiate_request(octets: str, initiate: InitiateRequest) -> None:
    assert InitiateRequest.decode(bytes.fromhex(octets)) == initiate
    assert initiate.encode().hex().upper() == octets


@pytest.mark.parametrize(
    ("octets", "response"),
    [
        (ANSWER, InitiateResponse(0x00501F, 500)),
        ("0800065F1F0400007C1F04000007", InitiateResponse(0x007C1F, 1024)),
        ("080101065F1F0400007C1F04000007", InitiateResponse(0x007C1F, 1024, 1)),
    ],
)
def test_initiate_response(octets: str, response: InitiateResponse) -> None:
    assert InitiateResponse.decode(bytes.fromhex(octets)) == response
    assert response.encode().hex().upper() == octets


def test_conformance_with_its_short_tag() -> None:
    assert InitiateRequest.decode(bytes.fromhex("01000000065F0400001E1DFFFF")) == InitiateRequest(0x001E1D, 0xFFFF)


@pytest.mark.parametrize("code", InitiateErrorCode)
def test_initiate_errors(code: InitiateErrorCode) -> None:
    assert decode_initiate_error(initiate_error(code)) is code


arcs = st.integers(0, 255)
octets = st.binary(max_size=200)


@given(arcs.filter(bool), octets, st.none() | arcs, st.none() | octets, st.none() | octets, st.none() | arcs)
def test_aarq_round_trip(
    context: int,
    information: bytes,
    mechanism: int | None,
    authentication: bytes | None,
    title: bytes | None,
    user: int | None,
) -> None:
    aarq = Aarq(context, information, mechanism, authentication, title, user)
    assert Aarq.decode(aarq.encode()) == aarq


@given(
    arcs,
    st.integers(0, 2),
    st.sampled_from(DiagnosticSource),
    st.integers(0, 14),
    st.none() | octets,
    st.none() | octets,
)
def test_aare_round_trip(
    context: int,
    result: int,
    source: DiagnosticSource,
    diagnostic: int,
    information: bytes | None,
    challenge: bytes | None,
) -> None:
    aare = Aare(context, result, source, diagnostic, information, b"ABCDEFGH", 5, challenge)
    assert Aare.decode(aare.encode()) == aare


@given(st.integers(0, 0xFFFFFF), st.integers(0, 0xFFFF), st.none() | octets, st.booleans(), st.none() | arcs, arcs)
def test_initiate_round_trip(
    conformance: int, size: int, key: bytes | None, allowed: bool, quality: int | None, version: int
) -> None:
    request = InitiateRequest(conformance, size, key, allowed, quality, version)
    assert InitiateRequest.decode(request.encode()) == request
    response = InitiateResponse(conformance, size, quality, version)
    assert InitiateResponse.decode(response.encode()) == response


DECODERS = (Aarq.decode, Aare.decode, Release.decode, InitiateRequest.decode, InitiateResponse.decode)


@given(st.sampled_from((0x60, 0x61, 0x62, 0x63, 0x01, 0x08)), st.binary(max_size=80))
def test_any_octets(tag: int, rest: bytes) -> None:
    for decode in DECODERS:
        try:
            decode(bytes((tag,)) + rest)
        except DecodeError:
            continue


@given(st.integers(0, 61), st.integers(0, 255))
def test_one_octet_wrong(at: int, octet: int) -> None:
    vector = bytearray.fromhex(
        "6036A1090607608574050801018A0207808B0760857405080202AC0A80083132333435363738BE10040E01000000065F1F0400007E1FFFFF"
    )
    vector[at % len(vector)] = octet
    for cut in (bytes(vector), bytes(vector[:at])):
        try:
            InitiateRequest.decode(Aarq.decode(cut).user_information)
        except DecodeError:
            continue


@pytest.mark.parametrize(
    "apdu",
    [
        b"",
        b"\x60",
        b"\x60\x00",
        b"\x60\x84\x00\x00\x00\x00",
        bytes.fromhex("600BA109060760857405080101"),  # no user-information
        bytes.fromhex("6012BE10040E01000000065F1F0400001E1DFFFF"),  # no application-context-name
        bytes.fromhex("601DA109060760857405080101BE10040E01000000065F1F0400001E1DFFFF00"),  # an octet too many
        bytes.fromhex("601CA109060760857405080101BE10040E01000000065F1F0400001E1DFF"),
    ],
)
def test_aarq_malformed(apdu: bytes) -> None:
    with pytest.raises(DecodeError):
        Aarq.decode(apdu)
