"""Taps at a device's APDUs, services, offers and objects: what they see, in which order, and that they go."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from emulator.device import Device
from emulator.logical_device import AssociationOffer
from emulator.ports import Stack
from emulator.premises import Premises
from emulator.quirks import Handler
from emulator.taps import Attempt, Serve, associations_of, tap
from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.association import Association
from protocols.dlms.client import AssociationRejected, Attribute, Method, act_item, read_item, write_item
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused
from protocols.dlms.opening import RejectedError

from .conftest import DeviceSpec, Talker, settings_of

NAME = Attribute(1, obis.parse("0-0:42.0.0"), 2)
MESSAGE = Attribute(1, obis.parse("0-0:96.13.0"), 2)
CLOCK = Method(8, obis.parse("0-0:1.0.0"), 6)
SAP = 25


@pytest.fixture
def meter(home: Callable[..., Premises]) -> Device:
    found = home(electricity=DeviceSpec(profile="electricity-bench"), gas=None, hub=None).electricity
    assert found is not None
    return found


def talker(meter: Device, association: str = "ciphered_gmac", sap: int = SAP) -> Talker:
    return Talker(meter.stacks["local-tcp"](), settings_of(meter, association), sap=sap)  # type: ignore[attr-defined]


class Order:
    """Notes what its taps see; each as it goes in and as it comes out."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def apdus(self, name: str) -> Callable[[Stack, Association, bytes, Handler], Sequence[bytes]]:
        def tapped(stack: Stack, association: Association, apdu: bytes, handle: Handler) -> Sequence[bytes]:
            assert association in list(stack.associations)
            self.seen.append(f"{name} {apdu[0]:02x}")
            answers = handle(apdu)
            self.seen.append(f"{name} {answers[0][0]:02x}")
            return answers

        return tapped

    def services(self, name: str) -> Callable[[Association, bytes, Serve], bytes | None]:
        def tapped(association: Association, request: bytes, serve: Serve) -> bytes | None:
            self.seen.append(f"{name} {request[0]:02x}")
            answer = serve(request)
            assert answer is not None
            self.seen.append(f"{name} {answer[0]:02x}")
            return answer

        return tapped

    def objects(self, name: str) -> Callable[[Attempt, Callable[[], bytes | None]], bytes | None]:
        def tapped(attempt: Attempt, go: Callable[[], bytes | None]) -> bytes | None:
            self.seen.append(f"{name} {attempt.access.value} {obis.text(attempt.logical_name)} {attempt.descriptor[8]}")
            return go()

        return tapped


def test_from_the_outside_in_and_the_last_one_outermost(meter: Device) -> None:
    order, client = Order(), talker(meter).open()
    ends = [
        tap(
            meter,
            apdus=order.apdus(f"line {n}"),
            services=order.services(f"inside {n}"),
            objects=order.objects(f"object {n}"),
        )
        for n in (1, 2)
    ]
    client.run(client.client.get(NAME))
    asked = ["line 2 c8", "line 1 c8", "inside 2 c0", "inside 1 c0"]
    read = ["object 2 get 0-0:42.0.0.255 2", "object 1 get 0-0:42.0.0.255 2"]
    assert order.seen == [*asked, *read, "inside 1 c4", "inside 2 c4", "line 1 cc", "line 2 cc"]
    ends[1]()
    order.seen.clear()
    client.run(client.client.get(NAME))
    assert {line.split()[1] for line in order.seen} == {"1"}
    for end in (*ends, *ends):
        end()
    order.seen.clear()
    client.run(client.client.get(NAME))
    assert order.seen == [] and meter.taps is None


def test_pass_3_is_a_service(meter: Device) -> None:
    order = Order()
    end = tap(meter, apdus=order.apdus("line"), services=order.services("inside"))
    talker(meter).open()
    assert order.seen == ["line 60", "line 61", "line cb", "inside c3", "inside c7", "line cf"]
    end()


def test_every_access_to_an_object(meter: Device) -> None:
    attempts: list[Attempt] = []

    def tapped(attempt: Attempt, go: Callable[[], bytes | None]) -> bytes | None:
        attempts.append(attempt)
        return go()

    client = talker(meter).open()
    end = tap(meter, objects=tapped)
    value, shift = axdr.octets(b"words"), axdr.i16(0)
    client.run(client.client.set(MESSAGE, value))
    client.run(client.client.action(CLOCK, shift))
    client.run(client.client.get_list([(NAME, None), (MESSAGE, None)]))
    client.run(client.client.access([read_item(NAME), write_item(MESSAGE, value), act_item(CLOCK, shift)]))
    assert [(attempt.access.value, attempt.descriptor, attempt.data) for attempt in attempts] == [
        ("set", MESSAGE.encode(), value),
        ("action", CLOCK.encode(), shift),
        ("get", NAME.encode(), None),
        ("get", MESSAGE.encode(), None),
        ("get", NAME.encode(), None),
        ("set", MESSAGE.encode(), value),
        ("action", CLOCK.encode(), shift),
    ]
    assert {attempt.association.client for attempt in attempts} == {SAP}
    end()
    client.run(client.client.get(NAME))
    assert len(attempts) == 7


def test_what_a_tap_refuses_and_changes(meter: Device) -> None:
    client = talker(meter).open()

    def refused(attempt: Attempt, go: Callable[[], bytes | None]) -> bytes | None:
        raise AccessRefused(DataAccessResult.OBJECT_UNAVAILABLE)

    end = tap(meter, objects=refused)
    outcomes = client.run(client.client.get_list([(NAME, None), (MESSAGE, None)]))
    assert {outcome.result for outcome in outcomes} == {DataAccessResult.OBJECT_UNAVAILABLE}
    end()
    end = tap(meter, objects=lambda attempt, go: None)
    assert client.value(1, "0-0:42.0.0") is None
    end()
    assert client.value(1, "0-0:42.0.0")


def test_an_offer_that_is_changed_or_refused(meter: Device) -> None:
    seen: list[int] = []

    def tapped(offer: AssociationOffer) -> None:
        seen.append(offer.client)
        if offer.client == SAP:
            raise RejectedError("not today")

    end = tap(meter, offers=tapped)
    with pytest.raises(AssociationRejected):
        talker(meter).open()
    assert talker(meter, "lls", 21).open().value(1, "0-0:42.0.0")
    assert seen == [SAP, 21]
    end()
    talker(meter).open()
    assert seen == [SAP, 21]


def test_associations_of_a_device_and_not_of_its_hub(home: Callable[..., Premises]) -> None:
    premises = home()
    assert premises.hub is not None and premises.electricity is not None
    through = Talker(premises.hub.stacks["wan-tcp"](), server=16).open()
    Talker(premises.hub.stacks["wan-tcp"]()).open()
    (association,) = associations_of(premises.electricity)
    assert association.server == 16
    assert [each.server for each in associations_of(premises.hub)] == [1]
    answers: list[bytes] = []

    def tapped(stack: Stack, association: Association, apdu: bytes, handle: Handler) -> Sequence[bytes]:
        assert stack.device is premises.hub
        answers.extend(found := handle(apdu))
        return found

    end = tap(premises.electricity, apdus=tapped)
    assert through.value(1, "0-0:42.0.0")
    assert [answer[:1] for answer in answers] == [b"\xc4"]
    end()
