"""The tables ``[panel]`` and ``[relay_board]`` of a rig file."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from rigs.ports.spec import PortError, PortKind, PortSpec, parse_port

Framing = Literal["8N1", "8N2", "8E1", "8O1"]
LINES = (PortKind.PTY, PortKind.SERIAL, PortKind.TCP_HDLC, PortKind.UNIX_HDLC, PortKind.RFC2217)
"""Kinds of ports that carry Modbus RTU: those that carry the octets of a line."""
BOARDS = (PortKind.TCP, PortKind.SERIAL)
LAST_UNIT = 247


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _port(text: str, kinds: tuple[PortKind, ...], advice: str) -> PortSpec:
    try:
        spec = parse_port(text)
    except PortError as error:
        raise ValueError(f"{error.problem}; {error.advice}") from None
    if spec.kind not in kinds:
        raise ValueError(f"not a port for this; {advice}")
    return spec


class PanelConfig(_Table):
    """Where the bench panel is served: Modbus TCP, Modbus RTU, or both."""

    tcp: str | None = Field(default=None, description="Modbus TCP, such as tcp:5020 or tcp:0.0.0.0:502")
    rtu: str | None = Field(
        default=None, description="Modbus RTU: a pty:, serial:, rfc2217: or (RTU over TCP) tcp+hdlc: port"
    )
    baud: int = Field(default=19_200, ge=300, le=4_000_000, description="Modbus RTU on a serial adaptor: bits a second")
    framing: Framing = Field(default="8N1", description="Modbus RTU on a serial adaptor: character format")

    @field_validator("tcp")
    @classmethod
    def _tcp(cls, tcp: str | None) -> str | None:
        if tcp is not None:
            _port(tcp, (PortKind.TCP,), "write tcp:PORT or tcp:HOST:PORT")
        return tcp

    @field_validator("rtu")
    @classmethod
    def _rtu(cls, rtu: str | None) -> str | None:
        if rtu is not None:
            _port(rtu, LINES, "write pty:./path, serial:/dev/..., serial:usb:NUMBER, rfc2217:PORT or tcp+hdlc:PORT")
        return rtu

    @model_validator(mode="after")
    def _served(self) -> Self:
        if self.tcp is None and self.rtu is None:
            raise ValueError("a panel needs tcp, rtu or both")
        return self

    def ports(self) -> dict[str, PortSpec]:
        """The ports by the name of the protocol that they carry: ``tcp`` and ``rtu``."""
        return {name: parse_port(text) for name, text in (("tcp", self.tcp), ("rtu", self.rtu)) if text is not None}


class RelayBoardConfig(_Table):
    """A Modbus relay board whose relays feed real devices: each follows the power of the device that it stands for."""

    port: str = Field(description="Where the board is: tcp:HOST:PORT, serial:/dev/... or serial:usb:NUMBER")
    unit: int = Field(default=1, ge=0, le=LAST_UNIT, description="The board's Modbus unit (slave) address")
    baud: int = Field(default=9600, ge=300, le=4_000_000, description="On a serial line: bits a second")
    framing: Framing = Field(default="8N1", description="On a serial line: character format")
    inverted: bool = Field(default=False, description="A relay that is energised takes the power away")
    coils: dict[str, int] = Field(min_length=1, description="Coil of the board by PREMISES/KIND")

    @field_validator("port")
    @classmethod
    def _reached(cls, port: str) -> str:
        _port(port, BOARDS, "write tcp:HOST:PORT, serial:/dev/... or serial:usb:NUMBER")
        return port

    @field_validator("coils")
    @classmethod
    def _apart(cls, coils: dict[str, int]) -> dict[str, int]:
        for device, coil in coils.items():
            if not 0 <= coil <= 0xFFFF:
                raise ValueError(f"{device}: coil {coil}: 0 to 65535")
        if len(set(coils.values())) < len(coils):
            raise ValueError("each device needs a coil of its own")
        return coils

    @property
    def spec(self) -> PortSpec:
        """Where the board is."""
        return parse_port(self.port)
