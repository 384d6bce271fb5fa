"""A rig with a bench panel, and clients of it by name instead of address."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pymodbus.client import ModbusSerialClient, ModbusTcpClient
from pymodbus.client.mixin import ModbusClientMixin

from rigs.panel.forms import Table
from rigs.panel.layout import Entry, entries
from rigs.running import RunningRig

PREMISES: dict[str, object] = {
    "name": "home",
    "hub": {"ports": {"wan-tcp": "tcp:0"}},
    "electricity": {
        "ports": {"optical": "pty:electricity", "local-tcp": "tcp:0"},
        "load": {"kind": "constant", "value": 900},
    },
    "gas": {"load": {"kind": "constant", "value": 0.5}},
    "display": {},
}


class Registers:
    """The panel of a rig by names, ``home/electricity load``, through a Modbus client."""

    def __init__(self, client: ModbusClientMixin[Any], published: dict[tuple[str, str], Entry]) -> None:
        self.client = client
        self.published = published

    def raw(self, device: str, name: str) -> list[int]:
        """The registers or the bit of a point."""
        entry = self.published[device, name]
        read = {
            Table.COIL.value: self.client.read_coils,
            Table.DISCRETE.value: self.client.read_discrete_inputs,
            Table.HOLDING.value: self.client.read_holding_registers,
            Table.INPUT.value: self.client.read_input_registers,
        }[entry.table]
        answer = read(entry.address, count=entry.registers, device_id=entry.unit)
        assert not answer.isError(), answer
        return [int(bit) for bit in answer.bits[:1]] if entry.type == "bit" else answer.registers

    def __getitem__(self, key: tuple[str, str]) -> Any:
        types = self.client.DATATYPE
        words, kind = self.raw(*key), self.published[key].type
        match kind:
            case "bit":
                return words[0]
            case "text":
                octets = b"".join(word.to_bytes(2, "big") for word in words)
                return octets.rstrip(b"\0").decode("latin-1")
            case _:
                return self.client.convert_from_registers(words, types[kind.upper()])

    def __setitem__(self, key: tuple[str, str], value: int) -> None:
        entry = self.published[key]
        if entry.type == "bit":
            answer = self.client.write_coil(entry.address, bool(value), device_id=entry.unit)
        else:
            words = self.client.convert_to_registers(value, self.client.DATATYPE[entry.type.upper()])
            answer = self.client.write_registers(entry.address, words, device_id=entry.unit)
        assert not answer.isError(), answer


def published(running: RunningRig) -> dict[tuple[str, str], Entry]:
    """The register map of a rig by device and name."""
    specs = running.rig.file.specs
    return {(entry.device, entry.name): entry for number, spec in enumerate(specs) for entry in entries(number, spec)}


@pytest.fixture
def bench(smets1_rig: Callable[..., RunningRig]) -> RunningRig:
    """A rig with everything, its panel on TCP and on a pseudo terminal."""
    return smets1_rig({"premises": [PREMISES], "panel": {"tcp": "tcp:0", "rtu": "pty:panel"}})


@pytest.fixture
def connect() -> Iterator[Callable[..., Registers]]:
    """Connects clients to panels: ``connect(running, "rtu")``."""
    with ExitStack() as open_clients:

        def connected(running: RunningRig, protocol: str = "tcp") -> Registers:
            address = running.panel[protocol]
            client: Any
            if protocol == "tcp":
                host, _, port = address.rpartition(":")
                client = ModbusTcpClient(host, port=int(port), timeout=5, retries=0)
            else:
                client = ModbusSerialClient(str(Path(address).resolve()), baudrate=19_200, timeout=5, retries=0)
            assert client.connect()
            open_clients.callback(client.close)
            return Registers(client, published(running))

        yield connected


BY_BOTH = pytest.mark.parametrize("panel", ["tcp", "rtu"], indirect=True)


@pytest.fixture
def panel(request: pytest.FixtureRequest, bench: RunningRig, connect: Callable[..., Registers]) -> Registers:
    """The panel of ``bench`` by Modbus TCP, with ``BY_BOTH`` by RTU as well."""
    return connect(bench, getattr(request, "param", "tcp"))
