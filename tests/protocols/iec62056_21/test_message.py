"""Messages of IEC 62056-21 against strings of the standard and of meter documentation, and both ways."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.errors import FrameError, LocalProtocolError, ProtocolError
from protocols.iec62056_21 import Command, DataSet, Identification, OptionSelect, Readout, bcc
from protocols.iec62056_21.message import block, data_sets, printable

ADDRESS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="()/!"), max_size=16)
VALUE = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="()/!*"), max_size=32)
DATA_SET = st.builds(DataSet, ADDRESS.filter(bool), VALUE, VALUE)


@pytest.mark.parametrize(
    ("name", "data", "octets"),
    [
        ("B0", None, "01 42 30 03 71"),
        ("P0", "()", "01 50 30 02 28 29 03 60"),
        ("P1", "(00000000)", "01 50 31 02 28 30 30 30 30 30 30 30 30 29 03 61"),
        ("R1", "1.8.0(1)", None),
        ("W1", "0.9.1(120000)", None),
    ],
)
def test_commands(name: str, data: str | None, octets: str | None) -> None:
    command = Command(name, data)
    encoded = command.encode()
    if octets is not None:
        assert encoded == bytes.fromhex(octets)
    assert Command.decode(encoded) == command


def test_command_operand() -> None:
    assert Command("W1", "C.1.0(12345678)").operand() == DataSet("C.1.0", "12345678")
    assert Command("P1", "(secret)").operand() == DataSet("", "secret")
    for data in (None, "", "1.8.0", "1.8.0(", "a(1)(2)", "a(1)b"):
        with pytest.raises(FrameError):
            Command("R1", data).operand()


@pytest.mark.parametrize(
    ("name", "data"), [("R", "x"), ("R11", "x"), ("R1", "a\r"), ("R1", "\u20ac()"), ("\u00e9x", None)]
)
def test_command_that_cannot_be_sent(name: str, data: str | None) -> None:
    with pytest.raises(LocalProtocolError):
        Command(name, data).encode()


@pytest.mark.parametrize("place", range(1, 12))
def test_a_damaged_command_is_found(place: int) -> None:
    octets = bytearray(Command("R1", "1.8.0()").encode())
    octets[place] ^= 0x04
    with pytest.raises(FrameError):
        Command.decode(bytes(octets))


def test_identification() -> None:
    assert Identification.decode(b"/GRX512345678\r\n") == Identification("GRX", "5", "12345678")
    assert Identification.decode(b"/ABc6\\2AS300P\r\n") == Identification("ABc", "6", "AS300P", mode_e=True)
    assert Identification("ABc", "6", "AS300P", mode_e=True).encode() == b"/ABc6\\2AS300P\r\n"
    assert Identification("ABc", "6", "").fast_reaction
    assert not Identification("ABC", "6", "").fast_reaction


@pytest.mark.parametrize(
    "octets", [b"", b"/\r\n", b"/AB5x\r\n", b"/ABC5x\n", b"/A1C5x\r\n", b"/ABC5/\r\n", b"/ABC5x\xff\r\n"]
)
def test_what_is_no_identification(octets: bytes) -> None:
    with pytest.raises(FrameError):
        Identification.decode(octets)


def test_option_select() -> None:
    assert OptionSelect("2", "5", "2").encode() == bytes.fromhex("06 32 35 32 0D 0A")
    assert OptionSelect.decode(b"\x06051\r\n") == OptionSelect("0", "5", "1")
    for octets in (b"", b"\x06050\r", b"\x150500\r\n", b"\x06a50\r\n"):
        with pytest.raises(FrameError):
            OptionSelect.decode(octets)


def test_readout() -> None:
    readout = Readout((DataSet("1-0:1.8.0", "000123.456", "kWh"), DataSet("0-0:96.1.0", "12345678")))
    octets = readout.encode()
    assert octets[:-1] == b"\x021-0:1.8.0(000123.456*kWh)\r\n0-0:96.1.0(12345678)\r\n!\r\n\x03"
    assert octets[-1] == bcc(octets[1:-1])
    assert Readout.decode(octets) == readout
    assert readout.encode_plain() == octets[1:-2]
    assert Readout.decode(Readout(()).encode()) == Readout(())


def test_readout_forms_of_real_meters() -> None:
    """Several data sets on a line, and several values behind one address."""
    assert data_sets("0.0.0(1)1.8.0(2*kWh)\r\n1.6.0(3*kW)(2026-01-01)") == [
        DataSet("0.0.0", "1"),
        DataSet("1.8.0", "2", "kWh"),
        DataSet("1.6.0", "3", "kW"),
        DataSet("1.6.0", "2026-01-01"),
    ]


@pytest.mark.parametrize("body", [b"1.8.0", b"1.8.0(1)x!\r\n", b"1.8.0(1)\r\n", b"(1(2))!\r\n", b"\xff(1)\r\n!\r\n"])
def test_what_is_no_readout(body: bytes) -> None:
    with pytest.raises(FrameError):
        Readout.decode(block(b"\x02" + body + b"\x03"))


@given(st.lists(DATA_SET, max_size=6).map(tuple))
def test_readout_both_ways(content: tuple[DataSet, ...]) -> None:
    readout = Readout(content)
    assert Readout.decode(readout.encode()) == readout


@given(st.binary(max_size=64))
def test_decoders_raise_nothing_else(octets: bytes) -> None:
    for decode in (Identification.decode, OptionSelect.decode, Readout.decode, Command.decode, Readout.decode_plain):
        for given_octets in (octets, block(b"\x02" + octets + b"\x03"), block(b"\x01" + octets + b"\x03")):
            try:
                decode(given_octets)
            except ProtocolError as error:
                assert str(error)


def test_printable() -> None:
    assert printable("a(b)/!\n\u20ac*c") == "a?b?????*c"
