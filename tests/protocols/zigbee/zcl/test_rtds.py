"""ZCL frames of GB's official test data decode with our definitions and are encoded again to the same octets."""

from __future__ import annotations

from pathlib import Path

from protocols.zigbee.zcl import foundation
from protocols.zigbee.zcl.clusters import decode_command, encode_command
from protocols.zigbee.zcl.foundation import Command
from protocols.zigbee.zcl.header import Frame, FrameType

FILE = Path(__file__).parents[3] / "data" / "rtds-zcl-frames.txt"
LINES = [line.split() for line in FILE.read_text(encoding="ascii").splitlines() if not line.startswith("#")]
CLEAR = [(name, int(cluster, 16), bytes.fromhex(octets)) for name, cluster, octets in LINES if name[-1] != "*"]
ENCIPHERED = [(name, bytes.fromhex(octets)) for name, _, octets in LINES if name[-1] == "*"]


def again(cluster: int, frame: Frame) -> bytes:
    """The payload decoded and encoded."""
    if frame.type is FrameType.CLUSTER:
        values = decode_command(cluster, frame.direction, frame.command, frame.payload)
        assert values or not frame.payload
        return encode_command(cluster, frame.direction, frame.command, values)
    match frame.command:
        case Command.READ:
            return foundation.encode_read(foundation.decode_read(frame.payload))
        case Command.READ_RESPONSE:
            return foundation.encode_read_response(foundation.decode_read_response(frame.payload))
        case Command.DEFAULT_RESPONSE:
            return foundation.encode_default_response(*foundation.decode_default_response(frame.payload))
        case _:
            raise AssertionError(f"foundation command {frame.command:#x} was not expected in the data")


def test_all_of_them_are_here() -> None:
    assert (len(CLEAR), len(ENCIPHERED)) == (822, 31)


def test_same_octets_after_decoding() -> None:
    for name, cluster, octets in CLEAR:
        frame = Frame.decode(octets)
        assert frame.encode() == octets, name
        assert again(cluster, frame) == frame.payload, name


def test_enciphered_parts_stay_opaque() -> None:
    for name, octets in ENCIPHERED:
        frame = Frame.decode(octets)
        assert frame.encode() == octets, name


def test_tariff_as_published() -> None:
    octets = bytes.fromhex("09050400000000804a371c010000009088813810000003003a03500ad60000ff010000e80300")
    frame = Frame.decode(octets)
    values = decode_command(0x0700, frame.direction, frame.command, frame.payload)
    assert (values["tariff"], values["thresholds"], values["currency"], values["standing_charge"]) == (1, 3, 826, 54794)
    assert (values["multiplier"], values["divisor"]) == (1, 1000)


def test_top_up_as_answered() -> None:
    frame = Frame.decode(bytes.fromhex("0900030028e61e0002c80b4500"))
    values = decode_command(0x0705, frame.direction, frame.command, frame.payload)
    assert values == {"result": 0, "value": 2025000, "source": 2, "credit": 4525000}
