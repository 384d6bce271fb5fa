"""Faults of the application layer: what they make of answers, octet by octet, and that all is well after them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from emulator.device import Device
from emulator.faults.answers import Remembered
from emulator.faults.injection import Injection
from emulator.faults.parameters import ParameterError
from emulator.logical_device import LogicalDevice
from emulator.ports import Stack
from emulator.premises import Premises
from emulator.taps import associations_of
from emulator.time import MINUTE, Clock
from protocols import obis, wrapper
from protocols.dlms import axdr
from protocols.dlms.acse import Aare, Aarq
from protocols.dlms.association import Association
from protocols.dlms.client import Attribute, ExceptionAnswer, Refused
from protocols.dlms.enums import Conformance
from protocols.dlms.initiate import InitiateRequest
from protocols.dlms.requests import GetList, GetNext, GetNormal, SetBlock, SetFirst, SetNormal, Target
from protocols.dlms.services import CONFIRMED

from ..conftest import DeviceSpec, Talker, settings_of
from .conftest import Place

NAME = Attribute(1, obis.parse("0-0:42.0.0"), 2).encode()
IMPORT = Attribute(3, obis.parse("1-0:1.8.0"), 2).encode()
OBJECTS = Attribute(15, obis.parse("0-0:40.0.0"), 2).encode()
MESSAGE = Attribute(1, obis.parse("0-0:96.13.0"), 2).encode()
ANSWERED, IDLE = b"\xc4\x01", b"\xd8\x01\x01"
PUBLIC, LLS = 16, 21


class Wire:
    """Plain APDUs of a client SAP on a wrapper connection; ``said`` is what the device explains."""

    def __init__(
        self, device: Device, *, client: int = LLS, max_pdu: int = 0xFFFF, conformance: int = 0x7FFFFF
    ) -> None:
        self.stack: Stack = device.stacks["local-tcp"]()  # type: ignore[attr-defined]
        self.said: list[str] = []
        self.stack.explain = self.said.append
        self.client = client
        initiate, secret = InitiateRequest(conformance, max_pdu).encode(), settings_of(device, "lls").secret
        known = (1, secret) if client == LLS else (None, None)
        self.aarq = Aarq(1, initiate, *known).encode()
        self._invoke = 0

    def __call__(self, apdu: bytes) -> bytes:
        """The APDU that answers, none for silence."""
        return self.stack.receive(wrapper.encode(self.client, 1, apdu), self.stack.device.clock.now)[8:]

    def open(self) -> Wire:
        assert Aare.decode(self(self.aarq)).result == 0
        return self

    def invoke(self) -> int:
        self._invoke = self._invoke + 1 & 0x0F
        return 0x80 | CONFIRMED | self._invoke

    def get(self, descriptor: bytes = NAME) -> bytes:
        return self(GetNormal(self.invoke(), Target(descriptor)).encode())


@pytest.fixture
def place(home: Callable[..., Premises], clock: Clock) -> Place:
    return Place(home(electricity=DeviceSpec(profile="electricity-bench")), clock)


@pytest.fixture
def wire(place: Place) -> Wire:
    return Wire(place.device("electricity")).open()


def start(place: Place, name: str, **parameters: object) -> Injection:
    return place.start(name, "electricity", **parameters)


def test_an_object_that_refuses(place: Place, wire: Wire) -> None:
    fault = start(place, "object-refuses", object="1-0:1.8.0", result="hardware-fault", access="get")
    assert wire.get(IMPORT)[3:] == b"\x01\x01"
    assert wire.get(NAME)[3] == 0
    listed = wire(GetList(0xC1, (Target(NAME), Target(IMPORT))).encode())
    assert listed[:4] == b"\xc4\x03\xc1\x02" and listed[-2:] == b"\x01\x01"
    assert [line for line in wire.said if "F1" in line] == ["fault F1: the object answers hardware-fault"] * 2
    place.end(fault)
    assert wire.get(IMPORT)[3] == 0
    every = start(place, "object-refuses", result="temporary-failure", answers=2)
    assert [wire.get(NAME)[3:4] for _ in range(3)] == [b"\x01", b"\x01", b"\x00"]
    assert every.over
    assert place.device("electricity").taps is None


def test_only_accesses_that_are_meant_are_refused(place: Place) -> None:
    meter = place.device("electricity")
    settings = settings_of(meter, "lls")
    talker = Talker(meter.stacks["local-tcp"](), settings, sap=LLS).open()  # type: ignore[attr-defined]
    fault = start(place, "object-refuses", object="0-0:96.13.0", access="set", client=LLS)
    with pytest.raises(Refused, match="temporary failure"):
        talker.set(1, "0-0:96.13.0", 2, axdr.octets(b"no"))
    before = talker.get(1, "0-0:96.13.0")
    place.end(fault)
    talker.set(1, "0-0:96.13.0", 2, axdr.octets(b"yes"))
    assert before != talker.get(1, "0-0:96.13.0")
    start(place, "object-refuses", access="action", client=PUBLIC)
    talker.action(8, "0-0:1.0.0", 6, axdr.i16(1))


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("octet-string", lambda data: b"\x09" + bytes((len(data),)) + data),
        ("visible-string", lambda data: b"\x0a" + bytes((2 * len(data),)) + data.hex().encode()),
        ("null-data", lambda data: b"\x00"),
        ("structure", lambda data: b"\x02\x01" + data),
    ],
)
def test_a_value_of_another_type(place: Place, wire: Wire, kind: str, change: Callable[[bytes], bytes]) -> None:
    right = wire.get(IMPORT)[4:]
    fault = start(place, "wrong-value-type", object="1-0:1.8.0", type=kind)
    assert wire.get(IMPORT)[4:] == change(right)
    place.end(fault)
    assert wire.get(IMPORT)[4:] == right


def test_a_value_that_says_it_is_longer(place: Place, wire: Wire) -> None:
    name, number = wire.get(NAME)[4:], wire.get(IMPORT)[4:]
    fault = start(place, "wrong-value-length", more=3, answers=1)
    assert wire.get(IMPORT)[4:] == number
    assert wire.get(NAME)[4:] == bytes((name[0], name[1] + 3)) + name[2:]
    assert fault.over
    assert wire.get(NAME)[4:] == name


class Far:
    """The line's end of a stack; ``heard`` is what came of it unasked."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def rewired(self) -> None:
        """Octets go by the stack's way; the test does so anyway."""

    def say(self, data: bytes, baud: int, character: str) -> None:
        self.heard.append(data)

    def line_time(self) -> int:
        return 0


def test_an_object_that_is_slow(place: Place, wire: Wire) -> None:
    stack, far, now = wire.stack, Far(), place.clock.now
    stack.line = far
    fault = start(place, "slow-object", object="1-0:1.8.0", delay=1500)

    def ask(descriptor: bytes) -> bytes:
        request = GetNormal(wire.invoke(), Target(descriptor)).encode()
        return stack.way.receive(wrapper.encode(wire.client, 1, request), now)[8:]

    assert ask(NAME)[:2] == ANSWERED
    assert ask(IMPORT) == b""
    assert stack.way.next_timeout() == now + 1_500_000_000
    assert ask(NAME) == b""  # what is late is not overtaken
    place.end(fault)
    assert far.heard == []
    stack.way.timeout(now + 1_500_000_000)
    assert [answer[8:10] for answer in far.heard] == [ANSWERED, ANSWERED]
    assert stack.gate is None
    assert ask(IMPORT)[:2] == ANSWERED
    late = [line for line in wire.said if line.endswith("octets: 1500 ms late: an object is slow")]
    assert len(late) == 1 and late[0].startswith("fault F1: an answer of")


@pytest.mark.parametrize("diagnostic", ["no-reason", "authentication-failure"])
@pytest.mark.parametrize(("result", "number"), [("permanent", 1), ("transient", 2)])
def test_an_association_that_is_refused(place: Place, wire: Wire, result: str, number: int, diagnostic: str) -> None:
    fault = start(place, "association-refused", result=result, diagnostic=diagnostic, answers=1)
    assert wire.get()[:2] == ANSWERED
    aare = Aare.decode(wire(wire.aarq))
    assert (aare.result, aare.diagnostic) == (number, {"no-reason": 1, "authentication-failure": 13}[diagnostic])
    assert wire.get() == IDLE
    assert fault.over
    assert wire.open().get()[:2] == ANSWERED


def test_an_association_that_is_dropped(place: Place, wire: Wire) -> None:
    fault = start(place, "association-dropped", requests=2)
    assert [wire.get()[:2] for _ in range(3)] == [ANSWERED, ANSWERED, IDLE[:2]]
    assert wire.get() == IDLE
    assert [wire.open().get()[:2] for _ in range(3)] == [ANSWERED] * 3
    assert wire.get()[:2] == ANSWERED
    place.end(fault)
    assert [wire.get()[:2] for _ in range(5)] == [ANSWERED] * 5


def test_a_release_that_is_not_answered(place: Place, wire: Wire) -> None:
    fault = start(place, "release-unanswered")
    assert wire(bytes.fromhex("6200")) == b""
    assert wire.get() == IDLE
    place.end(fault)
    assert wire.open()(bytes.fromhex("6200"))[:1] == b"\x63"


def test_a_conformance_that_shrinks(place: Place) -> None:
    meter = place.device("electricity")
    wire = Wire(meter).open()
    both = GetList(0xC1, (Target(NAME), Target(IMPORT))).encode()
    fault = start(place, "conformance-shrinks", without="multiple-references")
    assert wire(both)[:2] == b"\xc4\x03"
    assert wire.open()(both) == b"\xd8\x01\x02"
    (association,) = associations_of(meter)
    assert not association.conformance & Conformance.MULTIPLE_REFERENCES
    assert association.conformance & Conformance.BLOCK_GET
    place.end(fault)
    assert wire(both) == b"\xd8\x01\x02"
    assert wire.open()(both)[:2] == b"\xc4\x03"


def test_a_fault_outlasts_a_start_of_the_device(place: Place, wire: Wire) -> None:
    fault = start(place, "wrong-invoke-id")
    meter = place.device("electricity")
    meter.power_off()
    assert wire.get() == b""
    meter.power_on()
    place.after(MINUTE)
    assert wire.get() == IDLE
    assert wire.open()(GetNormal(0xC0, Target(NAME)).encode())[2] == 0xC1
    place.end(fault)
    assert wire(GetNormal(0xC0, Target(NAME)).encode())[2] == 0xC0


def test_requests_that_are_ignored(place: Place, wire: Wire) -> None:
    fault = start(place, "request-ignored", answers=2)
    assert [bool(wire.get()) for _ in range(3)] == [False, False, True]
    assert fault.over


def test_an_exception_response(place: Place, wire: Wire) -> None:
    fault = start(place, "exception-response", state="service-unknown", error="pdu-too-long")
    assert wire.get() == b"\xd8\x02\x04"
    assert Aare.decode(wire(wire.aarq)).result == 0
    place.end(fault)
    assert wire.get()[:2] == ANSWERED


def test_another_tag(place: Place, wire: Wire) -> None:
    fault = start(place, "wrong-answer-tag")
    assert wire.get()[:2] == b"\xc5\x01"
    assert wire(SetNormal(0xC1, Target(NAME), axdr.u8(1)).encode())[:2] == b"\xc7\x01"
    assert wire(b"\xc0") == b"\xd8\x01\x03"
    place.end(fault)
    assert wire.get()[:2] == ANSWERED


def test_another_invoke_id(place: Place, wire: Wire) -> None:
    fault = start(place, "wrong-invoke-id", more=15)
    assert wire(GetNormal(0xC0, Target(NAME)).encode())[2] == 0xCF
    assert wire(GetNormal(0xCF, Target(NAME)).encode())[2] == 0xCE
    place.end(fault)
    assert wire(GetNormal(0xC0, Target(NAME)).encode())[2] == 0xC0


def test_an_answer_that_is_cut_off(place: Place, wire: Wire) -> None:
    whole = wire.get()
    fault = start(place, "truncated-answer", octets=4)
    assert len(wire.get()) == len(whole) - 4
    place.end(fault)
    fault = start(place, "truncated-answer", octets=1000)
    assert wire.get() == b"\xc4"
    place.end(fault)
    assert len(wire.get()) == len(whole)


@pytest.mark.parametrize("whose", ["previous", "current"])
def test_the_answer_of_the_request_before(place: Place, wire: Wire, whose: str) -> None:
    name, energy = wire.get(NAME)[3:], wire.get(IMPORT)[3:]
    fault = start(place, "stale-answer", **{"invoke-id": whose})
    answers = [wire.get(descriptor) for descriptor in (NAME, IMPORT, NAME)]
    assert [answer[3:] for answer in answers] == [name, name, energy]
    steps = [after[2] - before[2] for before, after in pairwise(answers)]
    assert steps == ([0, 1] if whose == "previous" else [1, 1])
    other = Wire(place.device("electricity")).open()
    assert other.get(IMPORT)[3:] == energy
    place.end(fault)
    assert wire.get(IMPORT)[3:] == energy


def test_what_a_fault_remembers_is_bounded(place: Place) -> None:
    device = LogicalDevice(place.device("electricity"))
    associations = [Association(device, client, 1) for client in range(100)]
    remembered: Remembered[int] = Remembered()
    assert [remembered.swap(each, number) for number, each in enumerate(associations)] == [None] * 100
    assert [remembered.swap(associations[number], 0) for number in (99, 40, 0)] == [99, 40, None]


def test_a_wrong_number_of_a_block(place: Place) -> None:
    wire = Wire(place.device("electricity"), max_pdu=200).open()
    fault = start(place, "wrong-block-number", more=7)
    assert wire.get(OBJECTS)[:8] == b"\xc4\x02" + bytes((0xC1, 0, 0, 0, 0, 8))
    assert wire(GetNext(0xC1, 1).encode())[4:8] == b"\x00\x00\x00\x09"
    place.end(fault)
    assert wire(GetNext(0xC1, 2).encode())[4:8] == b"\x00\x00\x00\x03"


def test_a_wrong_number_of_a_general_block(place: Place) -> None:
    meter = place.device("electricity")
    wire = Wire(meter, max_pdu=200, conformance=0x7FFFFF & ~int(Conformance.BLOCK_GET)).open()
    assert int.from_bytes(wire.get(OBJECTS)[2:4], "big") == 1
    fault = start(place, "wrong-block-number", more=2, answers=1)
    assert int.from_bytes(wire.open().get(OBJECTS)[2:4], "big") == 3
    assert fault.over


def test_a_long_get_that_is_aborted(place: Place) -> None:
    wire = Wire(place.device("electricity"), max_pdu=200).open()
    fault = start(place, "block-transfer-aborted", blocks=2)
    assert wire.get(OBJECTS)[1] == 2
    assert wire(GetNext(0xC1, 1).encode())[3] == 0
    assert wire(GetNext(0xC1, 2).encode()) == bytes.fromhex("C402C1010000000201") + b"\x0f"
    assert wire.get(NAME)[:2] == ANSWERED
    place.end(fault)
    assert wire(GetNext(0xC1, 2).encode())[-1] == 16  # no-long-get-in-progress: it was given up
    wire.get(OBJECTS)
    assert [wire(GetNext(0xC3, number).encode())[3] for number in range(1, 4)] == [0] * 3


def test_a_long_set_that_is_aborted(place: Place) -> None:
    meter = place.device("electricity")
    wire = Wire(meter).open()
    before = wire.get(MESSAGE)[4:]
    value = axdr.octets(b"a message in three blocks")

    def blocks() -> list[bytes]:
        first = wire(SetFirst(0xC1, (Target(MESSAGE),), False, False, 1, value[:9]).encode())
        return [
            first,
            *(
                wire(SetBlock(0xC1, last, 2 + last, value[9:18] if not last else value[18:]).encode())
                for last in (False, True)
            ),
        ]

    fault = start(place, "block-transfer-aborted", blocks=2)
    first, second, third = blocks()
    assert first == second[:6] + b"\x01" == bytes.fromhex("C502C100000001")
    assert third == bytes.fromhex("C503C11100000003")
    assert wire.get(MESSAGE)[4:] == before
    place.end(fault)
    assert blocks()[2] == bytes.fromhex("C503C10000000003")
    assert wire.get(MESSAGE)[4:] == value


def test_faults_hold_in_ciphered_associations_and_their_answers_are_protected(place: Place) -> None:
    meter = place.device("electricity")
    settings = settings_of(meter, "ciphered_gmac")
    talker = Talker(meter.stacks["local-tcp"](), settings, sap=25).open()  # type: ignore[attr-defined]
    fault = start(place, "wrong-value-type", object="0-0:42.0.0", type="null-data")
    assert talker.value(1, "0-0:42.0.0") is None
    place.end(fault)
    fault = start(place, "exception-response")
    with pytest.raises(ExceptionAnswer):
        talker.value(1, "0-0:42.0.0")
    place.end(fault)
    assert talker.value(1, "0-0:42.0.0")


def test_it_holds_on_all_lines_and_behind_the_hub(place: Place) -> None:
    assert place.premises.electricity is not None
    own = Wire(place.device("electricity")).open()
    hub = Wire(place.device("electricity"), client=PUBLIC)
    hub.stack = place.hub.stacks["wan-tcp"]()
    hub.stack.explain = hub.said.append

    def through(apdu: bytes) -> bytes:
        return hub.stack.receive(wrapper.encode(PUBLIC, 16, apdu), place.clock.now)[8:]

    assert through(hub.aarq)[:1] == b"\x61"
    get = GetNormal(0xC1, Target(NAME)).encode()
    fault = start(place, "exception-response")
    assert [own.get()[:1], through(get)[:1]] == [b"\xd8", b"\xd8"]
    late = Wire(place.device("electricity")).open()
    assert late.get()[:1] == b"\xd8"
    assert hub(hub.aarq)[:1] == b"\x61" and hub.get()[:2] == ANSWERED  # the hub's own objects
    place.end(fault)
    assert [own.get()[:2], through(get)[:2], late.get()[:2]] == [ANSWERED] * 3


def test_over_hdlc_handlers_are_renewed(place: Place) -> None:
    meter = place.device("electricity")
    talker = Talker(meter.stacks["optical"](), sap=PUBLIC).open()  # type: ignore[attr-defined]
    assert talker.value(1, "0-0:42.0.0")
    fault = start(place, "object-refuses")
    with pytest.raises(Refused):
        talker.value(1, "0-0:42.0.0")
    place.end(fault)
    assert talker.value(1, "0-0:42.0.0")


def test_a_device_without_faults_has_nothing_on_its_way(place: Place, wire: Wire) -> None:
    (association,) = associations_of(place.device("electricity"))
    wire.get()
    fault = start(place, "wrong-invoke-id")
    wire.get()
    assert association._get is None  # type: ignore[reportPrivateUsage]
    place.end(fault)
    wire.get()
    assert association._get is not None  # type: ignore[reportPrivateUsage]


def test_faults_together_and_one_of_a_kind(place: Place, wire: Wire) -> None:
    energy = wire.get(IMPORT)[4:]
    faults = [start(place, "wrong-invoke-id"), start(place, "wrong-value-type", object="1-0:1.8.0", type="structure")]
    answer = wire(GetNormal(0xC1, Target(IMPORT)).encode())
    assert answer == b"\xc4\x01\xc2\x00\x02\x01" + energy
    for fault in faults:
        place.end(fault)
    assert wire(GetNormal(0xC1, Target(IMPORT)).encode()) == b"\xc4\x01\xc1\x00" + energy


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"object": "1.8.0"}, "object-refuses: object: 1.8.0: must be any, or a logical name such as 1-0:1.8.0"),
        ({"object": 180}, "object-refuses: object: 180: must be any, or a logical name"),
        ({"result": "success"}, "object-refuses: result: success: must be temporary-failure, hardware-fault"),
        ({"client": 70000}, "object-refuses: client: 70000: must be 0 to 65535"),
    ],
)
def test_parameters_that_make_no_sense(place: Place, parameters: dict[str, object], words: str) -> None:
    with pytest.raises(ParameterError, match=words):
        start(place, "object-refuses", **parameters)


def test_how_parameters_are_shown(place: Place) -> None:
    start(place, "object-refuses", object="1.0.1.8.0.255")
    assert "object=1-0:1.8.0.255 result=temporary-failure access=any client=0 answers=0" in place.told[0]
