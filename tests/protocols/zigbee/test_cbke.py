"""Key establishment against annex C.5 of the Smart Energy profile, and between two sides that may be wrong."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocols.errors import DecodeError, LocalProtocolError
from protocols.zigbee import cbke, curve
from protocols.zigbee.cbke import (
    Authority,
    Certificate,
    ConfirmKey,
    EphemeralData,
    Exchange,
    Initiate,
    Message,
    Role,
    State,
    Status,
    Terminate,
)

CA = bytes.fromhex("0200FDE8A7F3D1084224962A4E7C54E69AC3F04DA6B8")
CERTIFICATES = [
    Certificate.decode(bytes.fromhex(text))
    for text in (
        "03045FDFC8D85FFB8B3993CB72DDCAA55F00B3E87D6D0000000000000001544553545345434101090006000000000000",
        "020615E07D30ECA2DAD58002E667D94BC1B4223983070000000000000002544553545345434101090006000000000000",
    )
]
PRIVATE = [0x00B8A900FCADEBABBFA383B540FCE9ED438395EAA7, 0x01E9DDB5580CF72ECE7F215F0AE594E48DF3E7FEE8]
PUBLIC = ["030290A1F5C08DAD5F2945E335620C7A98FAC46666A1", "03025BBA38D0C7B5436B68DF728F093E7A1D6C437E6D"]
EPHEMERAL = [0x03D48C7210DDBCC4FB2E5E7A0AA16A0DB89540820B, 0x0013D36DE4B1EA8E22739C381370823F404BFF8862]
POINTS = [
    bytes.fromhex("0306AB52062201D995B8B8591F3F086A3A2E214D845E"),
    bytes.fromhex("0300E117C86D0E7CD128B2F34E9076CFF24AF46D7288"),
]
SECRET = "00E0D2C3CCD5C106A89C4F6CC26A5F7EC9DF78A7BE"
ID1, ID2 = (certificate.subject for certificate in CERTIFICATES)

ISSUER = b"TESTSECA"
AUTHORITY = Authority(ISSUER, 0x1234567890ABCDEF)
OTHER = Authority(b"OTHERSCA", 0xFEDCBA)
SAME_NAME = Authority(ISSUER, 0xFEDCBA)
DEVICE, HUB = bytes.fromhex("02534D3100000001"), bytes.fromhex("02534D3100000002")
NOT_A_POINT = b"\x02" + bytes(21)


@pytest.mark.parametrize("device", [0, 1])
def test_public_keys_of_the_annex_follow_from_the_certificates(device: int) -> None:
    assert cbke.public_key(CERTIFICATES[device], CA).hex().upper() == PUBLIC[device]
    assert cbke.ephemeral_public(PRIVATE[device]).hex().upper() == PUBLIC[device]
    assert cbke.ephemeral_public(EPHEMERAL[device]) == POINTS[device]


@pytest.mark.parametrize(("mine", "theirs"), [(0, 1), (1, 0)])
def test_secret_of_the_annex(mine: int, theirs: int) -> None:
    secret = cbke.shared_secret(PRIVATE[mine], EPHEMERAL[mine], CERTIFICATES[theirs], POINTS[theirs], CA)
    assert secret.hex().upper() == SECRET


def test_keys_and_confirmations_of_the_annex() -> None:
    mac_key, link_key = cbke.keys(bytes.fromhex(SECRET))
    assert mac_key.hex().upper() == "90F967B22C8357C10C1C04788DE9E848"
    assert link_key.hex().upper() == "86D58AAA998E2FAEFAF9FEF49606543A"
    parties = ID2, ID1, POINTS[1], POINTS[0]
    assert cbke.confirm_initiator(mac_key, *parties).hex().upper() == "B82F1F9774740C32F80FCFC3921B6420"
    assert cbke.confirm_responder(mac_key, *parties).hex().upper() == "79D5F2AD1C31D4D1EE7CB719AC683C3C"


def test_certificates_come_back_to_the_same_octets() -> None:
    for certificate in CERTIFICATES:
        assert Certificate.decode(certificate.encode()) == certificate
        assert certificate.issuer == b"TESTSECA"
    with pytest.raises(DecodeError, match="47 octets"):
        Certificate.decode(bytes(47))


def test_issued_keys_belong_together_and_to_the_seed() -> None:
    credentials = AUTHORITY.issue(DEVICE, Random(5))
    assert cbke.public_key(credentials.certificate, AUTHORITY.public) == cbke.ephemeral_public(credentials.private)
    assert AUTHORITY.issue(DEVICE, Random(5)) == credentials
    assert AUTHORITY.issue(DEVICE, Random(6)) != credentials
    assert Authority.of_chance(ISSUER, Random(1)).public == Authority.of_chance(ISSUER, Random(1)).public


def test_what_no_authority_takes() -> None:
    for wrong in (0, curve.ORDER):
        with pytest.raises(LocalProtocolError, match="out of range"):
            Authority(ISSUER, wrong)
    with pytest.raises(LocalProtocolError, match="issuer of 7"):
        Authority(ISSUER[1:], 1)
    with pytest.raises(LocalProtocolError, match="EUI-64 of 8"):
        AUTHORITY.issue(DEVICE[1:], Random(1))


def sides(seed: int = 1, device: bytes = DEVICE, authority: Authority = AUTHORITY) -> tuple[Exchange, Exchange]:
    """Initiator DEVICE, with a certificate as asked for, and responder HUB."""
    chance = Random(seed)
    trust = {"authority_public": AUTHORITY.public, "issuer": ISSUER}
    mine, theirs = authority.issue(device, chance), AUTHORITY.issue(HUB, chance)
    return (
        Exchange(Role.INITIATOR, mine, peer=HUB, chance=chance, ephemeral_time=3, confirm_time=4, **trust),
        Exchange(Role.RESPONDER, theirs, peer=DEVICE, chance=chance, ephemeral_time=5, confirm_time=6, **trust),
    )


def talk(initiator: Exchange, responder: Exchange, change: dict[int, Message] | None = None) -> list[Message]:
    """Messages until nobody answers; those whose number is in ``change`` are replaced on their way."""
    said: list[Message] = []
    message: Message | None = initiator.start()
    listener, speaker = responder, initiator
    while message is not None:
        message = (change or {}).get(len(said), message)
        said.append(message)
        message = listener.receive(message)
        listener, speaker = speaker, listener
    return said


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 1 << 30))
def test_two_sides_agree(seed: int) -> None:
    initiator, responder = sides(seed)
    said = talk(initiator, responder)
    assert [type(message) for message in said] == [
        *(Initiate, Initiate),
        *(EphemeralData, EphemeralData),
        *(ConfirmKey, ConfirmKey),
    ]
    assert initiator.state is responder.state is State.ESTABLISHED
    assert initiator.link_key == responder.link_key
    assert initiator.link_key is not None
    assert len(initiator.link_key) == 16
    assert initiator.failure is responder.failure is None


def test_each_exchange_makes_another_key() -> None:
    chance = Random(7)
    mine, theirs = AUTHORITY.issue(DEVICE, chance), AUTHORITY.issue(HUB, chance)
    found: set[bytes | None] = set()
    for _ in range(2):
        trust = {"authority_public": AUTHORITY.public, "issuer": ISSUER, "chance": chance}
        initiator = Exchange(Role.INITIATOR, mine, peer=HUB, **trust)
        talk(initiator, Exchange(Role.RESPONDER, theirs, peer=DEVICE, **trust))
        found.add(initiator.link_key)
    assert len(found) == 2
    assert None not in found


def test_each_waits_as_long_as_the_other_says() -> None:
    initiator, responder = sides()
    message: Message | None = initiator.start()
    assert message is not None
    answer = responder.receive(message)
    assert responder.patience == 3
    assert answer is not None
    data = initiator.receive(answer)
    assert initiator.patience == 5
    assert data is not None
    answer = responder.receive(data)
    assert responder.patience == 4
    assert answer is not None
    initiator.receive(answer)
    assert initiator.patience == 6


HUBS = AUTHORITY.issue(HUB, Random(3)).certificate
FORGED = HUBS._replace(subject=DEVICE, point=NOT_A_POINT).encode()


@pytest.mark.parametrize(
    ("given", "change", "status"),
    [
        ({"authority": OTHER}, {}, Status.UNKNOWN_ISSUER),
        ({"device": bytes(8)}, {}, Status.INVALID_CERTIFICATE),
        ({"authority": SAME_NAME}, {}, Status.BAD_KEY_CONFIRM),
        ({}, {0: Initiate(1, 1, 1, FORGED)}, Status.INVALID_CERTIFICATE),
        ({}, {0: Initiate(2, 1, 1, bytes(48))}, Status.UNSUPPORTED_SUITE),
        ({}, {0: Initiate(1, 1, 1, bytes(40))}, Status.BAD_MESSAGE),
        ({}, {0: ConfirmKey(bytes(16))}, Status.BAD_MESSAGE),
        ({}, {2: EphemeralData(NOT_A_POINT)}, Status.BAD_MESSAGE),
        ({}, {3: EphemeralData(bytes(3))}, Status.BAD_MESSAGE),
        ({}, {2: EphemeralData(curve.encode_point(curve.GENERATOR))}, Status.BAD_KEY_CONFIRM),
        ({}, {3: ConfirmKey(bytes(16))}, Status.BAD_MESSAGE),
        ({}, {4: ConfirmKey(bytes(16))}, Status.BAD_KEY_CONFIRM),
        ({}, {4: ConfirmKey(b"")}, Status.BAD_KEY_CONFIRM),
        ({}, {5: ConfirmKey(bytes(16))}, Status.BAD_KEY_CONFIRM),
        ({}, {2: Terminate(Status.NO_RESOURCES, 9, 1)}, Status.NO_RESOURCES),
    ],
    ids=[
        "another issuer",
        "a certificate of another device",
        "another authority of the same name",
        "a certificate whose point is none",
        "another suite",
        "a short certificate",
        "a confirmation first",
        "ephemeral data that is no point",
        "short ephemeral data",
        "ephemeral data changed",
        "a confirmation too soon",
        "wrong MAC(U)",
        "no MAC(U)",
        "wrong MAC(V)",
        "the other side gives up",
    ],
)
def test_what_ends_it_early(given: dict[str, Authority | bytes], change: dict[int, Message], status: Status) -> None:
    pair = sides(**given)
    said = talk(*pair, change)
    failed = [side for side in pair if side.state is State.FAILED]
    assert failed
    assert {side.failure for side in failed} == {status}
    assert all(side.reason and side.link_key is None for side in failed)
    assert any(isinstance(message, Terminate) and message.status == status for message in said)


def test_a_wrong_proof_of_the_responder_voids_its_key() -> None:
    initiator, responder = sides()
    said = talk(initiator, responder, {5: ConfirmKey(bytes(16))})
    assert said[-1] == Terminate(Status.BAD_KEY_CONFIRM, 10, 1)
    assert responder.state is State.FAILED
    assert responder.link_key is None


def test_after_the_end() -> None:
    """An initiator's key stands whatever comes; each stray message is told so."""
    initiator, responder = sides()
    talk(initiator, responder)
    key = initiator.link_key
    for side in (initiator, responder):
        assert side.receive(ConfirmKey(bytes(16))) == Terminate(Status.BAD_MESSAGE, 10, 1)
        assert side.give_up() is None
        assert side.link_key == key
    assert initiator.receive(Terminate(Status.BAD_MESSAGE, 0, 1)) is None
    assert initiator.link_key == key
    with pytest.raises(LocalProtocolError, match="cannot start"):
        initiator.start()


def test_giving_up() -> None:
    initiator, responder = sides()
    initiator.start()
    assert initiator.give_up() == Terminate(Status.NO_RESOURCES, 10, 1)
    assert initiator.reason == "time has run out"
    assert initiator.give_up() is None
    with pytest.raises(LocalProtocolError, match="cannot start"):
        responder.start()


messages = st.one_of(
    st.builds(Initiate, st.sampled_from((1, 2)), st.just(1), st.just(1), st.binary(max_size=50) | st.just(FORGED)),
    st.builds(EphemeralData, st.binary(max_size=24)),
    st.builds(ConfirmKey, st.binary(max_size=17)),
    st.builds(Terminate, st.integers(0, 255), st.integers(0, 255), st.integers(0, 65535)),
)


@settings(max_examples=25, deadline=None)
@given(st.lists(messages, min_size=1, max_size=4), st.booleans())
def test_nothing_said_raises_or_makes_a_key(said: list[Message], begin: bool) -> None:
    initiator, responder = sides()
    if begin:
        responder.receive(initiator.start())
    for message in said:
        for side in (initiator, responder):
            answer = side.receive(message)
            assert answer is None or isinstance(answer, Terminate)
            assert side.state is State.FAILED
            assert side.link_key is None
