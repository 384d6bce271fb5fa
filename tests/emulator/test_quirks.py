"""Where makes depart from the standard, as clients meet it; and that the others keep to it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emulator.firmware import Quirks
from emulator.ports import Stack
from emulator.premises import Premises
from firmware_profiles.loader import load
from protocols import obis, wrapper
from protocols.dlms.acse import Aare
from protocols.dlms.client import Attribute

from .conftest import START, DeviceSpec, Talker, settings_of

Home = Callable[..., Premises]
PUBLIC_AARQ = bytes.fromhex("601DA109060760857405080101BE10040E01000000065F1F0400001E1DFFFF")
GET_NAME = bytes.fromhex("C001C1000100002A0000FF0200")
RLRQ = bytes.fromhex("6203800100")
BEFORE, BAD_COUNTER = b"\xd8\x01\x01", b"\xd8\x01\x06"


def stack_of(home: Home, profile: str, port: str = "local-tcp") -> Stack:
    device = home(electricity=DeviceSpec(profile=profile)).electricity
    assert device is not None
    return device.stacks[port]()


def asked(stack: Stack, apdu: bytes, client: int = 16) -> bytes:
    """The APDU that answers, without its wrapper."""
    return stack.receive(wrapper.encode(client, 1, apdu), START)[8:]


@pytest.mark.parametrize(("profile", "answer"), [("electricity-lima-2", BEFORE), ("electricity-lima-1", b"")])
def test_a_service_before_an_association(home: Home, profile: str, answer: bytes) -> None:
    stack = stack_of(home, profile)
    assert asked(stack, GET_NAME) == answer
    assert asked(stack, PUBLIC_AARQ)[:1] == b"\x61"
    assert asked(stack, GET_NAME)[:4] == b"\xc4\x01\xc1\x00"
    assert asked(stack, RLRQ)[:1] == b"\x63"
    assert asked(stack, GET_NAME) == answer


@pytest.mark.parametrize(("profile", "title"), [("electricity-lima-2", None), ("electricity-lima-1", b"")])
def test_the_title_in_a_plain_aare(home: Home, profile: str, title: bytes | None) -> None:
    stack = stack_of(home, profile)
    assert Aare.decode(asked(stack, PUBLIC_AARQ)).title == title
    meter = stack.device
    ciphered = Talker(stack, settings_of(meter, "management"), sap=64).open()
    assert ciphered.client.negotiated is not None
    assert ciphered.client.negotiated.server_title == meter.identity.system_title


@pytest.mark.parametrize("port", ["local-tcp", "optical"])
@pytest.mark.parametrize("profile", ["electricity-base", "electricity-lima-1"])
def test_a_replayed_counter(home: Home, profile: str, port: str) -> None:
    stack = stack_of(home, profile, port)
    manager = Talker(stack, settings_of(stack.device, "management"), sap=64).open()
    manager.client.get(Attribute(1, obis.parse("0-0:42.0.0"), 2))
    (request,) = manager.client.to_send()
    heard: list[bytes] = []
    manager._got = heard.append  # type: ignore[method-assign]
    manager.send(request)
    manager.send(request)
    if profile == "electricity-base":
        assert heard[0][:1] == b"\xcc" and heard[1][:3] == BAD_COUNTER
        assert not stack.drop
        return
    assert [answer[:1] for answer in heard] == [b"\xcc"]
    assert stack.drop
    stack.closed()
    again = Talker(stack, settings_of(stack.device, "management"), sap=64).open()
    assert again.value(1, "0-0:96.1.0") == stack.device.identity.serial.encode()
    assert not stack.drop


def test_a_release_that_is_not_answered_still_ends_the_association(home: Home) -> None:
    hub = home(hub=DeviceSpec(profile="hub-lima")).hub
    assert hub is not None
    stack = hub.stacks["wan-tcp"]()
    assert asked(stack, PUBLIC_AARQ)[:1] == b"\x61"
    assert asked(stack, RLRQ) == b""
    assert asked(stack, GET_NAME) == BEFORE


def test_the_bases_keep_to_the_standard() -> None:
    for name in ("electricity-base", "gas-base", "hub-base", "electricity-bench"):
        assert load(name).quirks == Quirks()
