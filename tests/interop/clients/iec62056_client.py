"""Drives the IEC 62056-21 client iec62056-21-dzg; run by the interpreter of the peer's own environment.

    python iec62056_client.py '{"port": "/dev/pts/3", "do": [["readout"]]}'

Steps: ``["readout"]``, ``["program", "1:PASSWORD", [["read", address], ["write", address, value], ...]]`` (1 for P1).
A pseudo terminal cannot carry 7E1 across a change of rate, so the peer's serial transport is opened at 8N1 there and
parity stripped. The last line written is a JSON object with ``results``, one a step, and ``errors``.
"""

from __future__ import annotations

import json
import sys
import traceback

import serial
from iec62056_21_dzg import constants, messages
from iec62056_21_dzg.client import Iec6205621Client
from iec62056_21_dzg.transports import SerialTransport


class Terminal(SerialTransport):
    """The peer's serial transport with the settings that a pseudo terminal takes."""

    def connect(self, baudrate: int = 300) -> None:
        self.port = serial.Serial(self.port_name, baudrate, timeout=self.timeout / 2)

    def switch_baudrate(self, baud: int) -> None:
        assert self.port is not None
        self.port.baudrate = baud

    def _recv(self, chars: int = 1) -> bytes:
        return bytes(octet & 0x7F for octet in super()._recv(chars))


def readout(client: Iec6205621Client) -> dict[str, list[str | None]]:
    """Value and unit by address of the data readout."""
    answer = client.standard_readout()
    return {item.address: [item.value, item.unit] for item in answer.data}


def programmed(client: Iec6205621Client, password: str, commands: list) -> list[object]:
    """Enter programming mode by P1 or P2 and run R1 and W1 commands."""
    client.access_programming_mode()
    level, _, secret = password.partition(":")
    data = messages.DataSet(value=secret)
    client.transport.send(messages.CommandMessage(command="P", command_type=level, data_set=data).to_bytes())
    taken = client._recv_ack()
    answers: list[object] = [{constants.ACK: "ACK", constants.NACK: "NAK"}.get(taken, repr(taken))]
    for command in commands:
        match command:
            case ["read", address]:
                client.transport.send(messages.CommandMessage.for_single_read(address).to_bytes())
                items = client.read_response().data
                answers.append([[item.value, item.unit] for item in items])
            case ["write", address, value]:
                client.write_single_value(address, value)
                answers.append(True)
            case _:
                raise ValueError(f"no command {command}")
    client.send_break()
    return answers


def main() -> None:
    spec = json.loads(sys.argv[1])
    results: list[object] = []
    errors: list[str] = []
    try:
        for what in spec["do"]:
            client = Iec6205621Client(Terminal(spec["port"], timeout=10), device_address=spec.get("address", ""))
            client.connect()
            match what:
                case ["readout"]:
                    results.append(readout(client))
                case ["program", password, commands]:
                    results.append(programmed(client, password, commands))
                case _:
                    raise ValueError(f"no step {what}")
            client.disconnect()
    except Exception as error:
        traceback.print_exc()
        errors.append(repr(error))
    print(json.dumps({"results": results, "errors": errors}))


if __name__ == "__main__":
    main()
