"""EZSP commands: octets written out by hand, and any octets. `tests/interop/test_ezsp_codec.py` asks a real host."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import DecodeError, LocalProtocolError
from protocols.zigbee.ezsp import configuration, keys, messaging, networking
from protocols.zigbee.ezsp.commands import COMMANDS
from protocols.zigbee.ezsp.enums import TOKEN_SIZES, Token

EUI = bytes.fromhex("00124B0001020304")
ANSWERED = sorted(id for id, command in COMMANDS.items() if command.answer is not None)


def test_a_trust_centre_join_reverses_the_eui() -> None:
    values = {"address": 0x1234, "eui": EUI, "status": 1, "decision": 2, "parent": 0xABCD}
    octets = networking.TRUST_CENTRE_JOIN.ask(values)
    assert octets == bytes.fromhex("3412 0403020100 4B1200 01 02 CDAB")


def test_an_endpoint_has_two_lists_behind_their_counts() -> None:
    octets = bytes.fromhex("01 0901 0005 00 02 01 0000 0207 0A00")
    values = configuration.ADD_ENDPOINT.read(octets)
    assert (values["profile"], values["inputs"], values["outputs"]) == (0x0109, [0, 0x0702], [0x000A])
    assert configuration.ADD_ENDPOINT.ask(values) == octets


def test_parameters_of_a_network() -> None:
    octets = bytes.fromhex("0807060504030201 621A 08 0F 00 0000 00 00F8FF07")
    values = networking.FORM_NETWORK.read(octets)["parameters"]
    assert (values["extended_pan"].hex(), values["pan"], values["channel"]) == ("0102030405060708", 0x1A62, 15)
    assert values["channels"] == 0x07FFF800


def test_a_context_of_the_security_manager_has_18_octets() -> None:
    octets = bytes.fromhex("01 00 0000 0000000000000000 00 00 00000000")
    assert keys.EXPORT_KEY.read(octets)["context"]["kind"] == 1
    with pytest.raises(DecodeError, match="exportKey"):
        keys.EXPORT_KEY.read(octets[:-1])
    answer = keys.EXPORT_KEY.tell({"key": bytes(range(16)), "status": 0x2D})
    assert answer == bytes(range(16)) + bytes.fromhex("2D000000")


def test_a_callback_has_no_answer() -> None:
    with pytest.raises(LocalProtocolError, match="has none"):
        networking.STACK_STATUS.tell({"status": 0x90})
    with pytest.raises(LocalProtocolError, match="stackStatusHandler"):
        networking.STACK_STATUS.ask({"status": 256})


def test_octets_behind_a_command_are_left_out_of_account() -> None:
    assert networking.PERMIT_JOINING.read(b"\x3c\x00\x00") == {"duration": 60}


def test_each_command_is_declared_once_and_each_token_has_a_size() -> None:
    declared = [
        value.id for group in (configuration, networking, messaging, keys) for name, value in vars(group).items()
        if name.isupper() and hasattr(value, "answer")
    ]  # fmt: skip
    assert sorted(declared) == sorted(COMMANDS)
    assert set(TOKEN_SIZES) == set(Token)


@given(st.sampled_from(sorted(COMMANDS)), st.binary(max_size=130))
def test_any_octets_are_read_or_refused(id: int, octets: bytes) -> None:
    command = COMMANDS[id]
    try:
        values = command.read(octets)
    except DecodeError:
        return
    again = command.ask(values)
    assert octets[: len(again)] == again or command.read(again) == values  # flags may have any value but 0


@given(st.sampled_from(ANSWERED), st.binary(max_size=130))
def test_any_answer_is_read_or_refused(id: int, octets: bytes) -> None:
    command = COMMANDS[id]
    try:
        values = command.told(octets)
    except DecodeError:
        return
    assert command.told(command.tell(values)) == values


# --- the code beside the declarations

APS = st.builds(
    messaging.ApsFrame,
    *(st.integers(0, 0xFFFF) for _ in range(2)),
    *(st.integers(0, 0xFF) for _ in range(2)),
    *(st.integers(0, 0xFFFF) for _ in range(2)),
    st.integers(0, 0xFF),
)
OCTET, SHORT, CONTENTS = st.integers(0, 0xFF), st.integers(0, 0xFFFF), st.binary(max_size=messaging.MAX_CONTENTS)


@given(OCTET, SHORT, APS, OCTET, CONTENTS)
def test_a_unicast_is_read_as_declared(
    kind: int, destination: int, aps: messaging.ApsFrame, tag: int, contents: bytes
) -> None:
    values = {"kind": kind, "destination": destination, "aps": aps._asdict(), "tag": tag, "contents": contents}
    octets = messaging.SEND_UNICAST.ask(values)
    assert messaging.read_unicast(octets) == messaging.Unicast(kind, destination, aps, tag, contents)
    for end in (len(octets) - 1, 14, 0):
        if end < len(octets):
            with pytest.raises(DecodeError):
                messaging.read_unicast(octets[:end])


@given(OCTET, SHORT, APS, OCTET, OCTET, CONTENTS)
def test_a_confirmation_is_written_as_declared(
    kind: int, destination: int, aps: messaging.ApsFrame, tag: int, status: int, contents: bytes
) -> None:
    values = {"kind": kind, "destination": destination, "aps": aps._asdict(), "tag": tag, "status": status}
    declared = messaging.MESSAGE_SENT.ask({**values, "contents": contents})
    assert messaging.message_sent(kind, destination, aps, tag, status, contents) == declared


@given(OCTET, APS, OCTET, st.integers(-128, 127), SHORT, CONTENTS)
def test_what_arrives_is_written_as_declared(
    kind: int, aps: messaging.ApsFrame, lqi: int, rssi: int, sender: int, contents: bytes
) -> None:
    values = {"kind": kind, "aps": aps._asdict(), "lqi": lqi, "rssi": rssi, "sender": sender}
    nothing = {"binding": messaging.NOTHING, "address": messaging.NOTHING}
    declared = messaging.INCOMING_MESSAGE.ask({**values, **nothing, "contents": contents})
    assert messaging.incoming_message(kind, aps, lqi, rssi, sender, contents) == declared
