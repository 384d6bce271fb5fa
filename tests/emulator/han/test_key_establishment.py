"""Key establishment after joining: the new key, and certificates that are not good enough."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emulator.han.key_establishment import authority, credentials
from emulator.han.member import Member
from emulator.han.network import Network, Refusal
from emulator.premises import Premises
from emulator.time import SECOND, Clock, stream
from protocols.zigbee import aps, mac, nwk
from protocols.zigbee.cbke import Authority, Credentials
from protocols.zigbee.zcl.clusters import decode_command
from protocols.zigbee.zcl.header import Frame

from ..conftest import SEED, DeviceSpec

Home = Callable[..., Premises]


@pytest.fixture
def member(home: Home) -> Member:
    """The electricity meter of a hub whose profile wants it, about to join anew."""
    premises = home(hub=DeviceSpec(profile="hub-lima"))
    assert premises.hub is not None and premises.electricity is not None
    han = premises.hub.han
    found = han.member(premises.electricity)
    han.unregister(found.node.eui64)
    assert han.admit_with(found.node.eui64, found.first_key, 0)
    han.permit(True)
    return found


def network_of(member: Member) -> Network:
    assert member.device.uplink is not None
    return member.device.uplink.han  # type: ignore[attr-defined]


def test_the_two_have_a_key_of_their_own(member: Member, clock: Clock) -> None:
    han = network_of(member)
    heard: list[bytes] = []
    han.air.listen(lambda _at, octets, _link: heard.append(octets))
    assert member.join() is None
    assert member.on
    key = han.log.entries[member.node.eui64].key
    assert key == member.link_key != member.first_key
    commands = list(said(han, heard))
    names = ["identity" if name == "certificate" else name for name in commands]
    assert names == ["identity", "identity", "ephemeral", "ephemeral", "mac", "mac"]
    clock.advance_to(clock.now + SECOND)
    assert member.on


def said(han: Network, heard: list[bytes]) -> list[str]:
    """What each message of the cluster carries, by its last field; long ones come in blocks."""
    found: list[str] = []
    parts = b""
    for octets in heard:
        frame = mac.decode(octets)
        if frame.type is not mac.FrameType.DATA:
            continue
        parsed = nwk.parse(frame.payload)
        opened = nwk.open_frame(parsed, han.network_key if parsed.auxiliary else None)
        inner = aps.parse(opened.payload) if opened.type is nwk.FrameType.DATA else None
        if inner is None or inner.header.cluster != 0x0800 or inner.header.type is not aps.FrameType.DATA:
            continue
        parts += inner.rest
        whole = Frame.decode(parts)
        found.append(list(decode_command(0x0800, whole.direction, whole.command, whole.payload))[-1])
        parts = b""
    return found


def of_another(_: Member) -> Credentials:
    return credentials(SEED, "somebody", b"\x02SM1\0\0\0\1")


def of_another_issuer(member: Member) -> Credentials:
    chance = stream(SEED, "mallory", "authority")
    return Authority.of_chance(b"MALLORYS", chance).issue(member.node.eui64, chance)


def forged(member: Member) -> Credentials:
    """Another's key under the name of the right issuer."""
    chance = stream(SEED, "mallory", "authority")
    return Authority.of_chance(authority(SEED).issuer, chance).issue(member.node.eui64, chance)


def without_its_key(member: Member) -> Credentials:
    own = credentials(SEED, member.device.identity.device_id, member.node.eui64)
    return own._replace(private=own.private ^ 2)


@pytest.mark.parametrize(
    ("certificate", "words"),
    [
        (of_another, "a certificate of"),
        (of_another_issuer, "a certificate issued by"),
        (forged, "does not prove"),
        (without_its_key, "does not prove"),
    ],
)
def test_who_has_no_certificate_of_his_own_is_sent_away(
    member: Member, certificate: Callable[[Member], Credentials], words: str
) -> None:
    han = network_of(member)
    events: dict[str, list[str]] = {"hub": [], "meter": []}
    han.hub.observers.append(events["hub"].append)
    member.device.observers.append(events["meter"].append)
    member.credentials = certificate(member)
    assert member.join() is Refusal.NO_KEY
    assert words in member.objection
    assert not member.on
    assert not han.log.entries[member.node.eui64].joined
    assert all("join_failed" in heard for heard in events.values())
    member.credentials = None
    assert member.join() is None
    assert member.on
