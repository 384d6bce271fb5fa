"""The tables of a rig file, and what may be in them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from rigs.config.fault_tables import FaultConfig, PremisesFaultConfig
from rigs.config.table import Table
from rigs.driver import ClockMode
from rigs.panel.settings import PanelConfig, RelayBoardConfig
from rigs.ports.line import LineOptions
from rigs.ports.port import AdaptorOptions

DEVICE_KINDS = ("hub", "electricity", "gas", "display")
MAX_COUNT = 100_000
_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,40}$"


class ClockConfig(Table):
    """How the rig's clock runs."""

    mode: Literal["real", "accelerated", "stepped"] | None = Field(
        default=None,
        description="real, accelerated (see rate) or stepped; by default real, or accelerated when a rate is given",
    )
    rate: Annotated[float, Field(gt=0, le=1_000_000)] = Field(
        default=1.0, description="Seconds of the rig's clock for each second of the world, when accelerated"
    )
    start: datetime | None = Field(
        default=None, description="First instant of the rig's clock, with a zone; by default now"
    )

    @field_validator("start")
    @classmethod
    def _zoned(cls, start: datetime | None) -> datetime | None:
        if start is not None and start.tzinfo is None:
            raise ValueError("a date and time with its zone, such as 2026-01-01T00:00:00Z")
        return start

    @property
    def runs(self) -> ClockMode:
        """The mode, with what is left out filled in."""
        if self.mode is not None:
            return ClockMode(self.mode)
        return ClockMode.REAL if self.rate == 1 else ClockMode.ACCELERATED

    @property
    def start_ns(self) -> int | None:
        """The first instant in ns since the Unix epoch; None: now."""
        if self.start is None:
            return None
        since = self.start - datetime(1970, 1, 1, tzinfo=UTC)
        return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000


class LineConfig(Table):
    """What of a real line is modelled on serial ports."""

    baud: bool = Field(default=True, description="A client set to another rate (or framing, where seen) hears garbage")
    pacing: bool = Field(default=False, description="Octets take the time they take at the true rate")
    turnaround: bool = Field(default=False, description="The device waits its turnaround time before it answers")
    echo: bool = Field(default=False, description="The client hears its own octets, as through many optical heads")
    software_parity: bool = Field(
        default=False, description="Even parity in bit 7 during sign-on, where parity cannot be carried"
    )

    def options(self) -> LineOptions:
        """The same for the line model."""
        return LineOptions(self.baud, self.pacing, self.turnaround, self.echo, self.software_parity)


class AdaptorConfig(Table):
    """What a serial adaptor is set to beside rate and framing."""

    rs485: bool = Field(
        default=False,
        description="Two-wire line: its driver is on while the device speaks, by the system's RS-485 mode or by RTS",
    )
    rts: bool | None = Field(default=None, description="Level of RTS: some optical heads are powered by it")
    dtr: bool | None = Field(default=None, description="Level of DTR: some optical heads are powered by it")
    low_latency: bool = Field(default=False, description="Octets are handed on as they come, not gathered first")

    def options(self) -> AdaptorOptions:
        """The same for the port."""
        return AdaptorOptions(self.rs485, self.rts, self.dtr, self.low_latency)


class BusConfig(Table):
    """One line with several devices on it: RS-485, or a current loop."""

    port: str = Field(
        min_length=1, description="Where the line is reached: pty, serial, tcp+hdlc, unix+hdlc or rfc2217"
    )
    line: LineConfig | None = Field(default=None, description="The line model of the bus, instead of the rig's")
    adaptor: AdaptorConfig = Field(default_factory=AdaptorConfig, description="Where the port is a serial adaptor")


class AddressConfig(Table):
    """What a device answers to on a line that it shares."""

    hdlc: int | None = Field(
        default=None, ge=16, le=16_381, description="Lower HDLC address; by default the profile's, on a bus 16 and up"
    )
    sign_on: str | None = Field(
        default=None,
        pattern=r"^[ -~]{1,32}$",
        description="Device address of IEC 62056-21, without / ? !; by default none, on a bus the lower HDLC address",
    )

    @field_validator("sign_on")
    @classmethod
    def _plain(cls, sign_on: str | None) -> str | None:
        if sign_on is not None and set(sign_on) & set("/?!"):
            raise ValueError("characters other than / ? !")
        return sign_on


class LoadConfig(Table):
    """What the premises draws through a meter."""

    kind: Literal["household", "constant", "csv"] = Field(default="household", description="Where the load comes from")
    value: float | None = Field(
        default=None, ge=0, description="constant: W for electricity, cubic metres an hour for gas"
    )
    file: str | None = Field(default=None, description="csv: the file, relative to the rig file")
    scale: float = Field(default=1.0, gt=0, description="household: how much larger than an average dwelling")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind == "constant" and self.value is None:
            raise ValueError("a constant load needs a value (W, or cubic metres an hour)")
        if self.kind == "csv" and self.file is None:
            raise ValueError("a csv load needs a file")
        return self


class PrepaymentConfig(Table):
    """A meter that is in prepayment mode when the rig starts for the first time."""

    balance_pence: int = Field(
        default=1000, ge=-1_000_000, le=1_000_000, description="Meter balance to begin with, pence"
    )


_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")


def secret_octets(text: str) -> bytes:
    if text.startswith("text:"):
        return text[5:].encode()
    digits = text.replace(" ", "")
    if not _HEX.fullmatch(digits):
        raise ValueError("hexadecimal octets, or text:... for a secret of characters")
    return bytes.fromhex(digits)


class DisplayConfig(Table):
    """A display on the HAN."""

    profile: str | None = Field(
        default=None,
        description="Make, model and firmware; `smets1 profiles list` names them; or a file, relative to the rig file",
    )
    serial: str | None = Field(
        default=None, pattern=r"^[ -~]{1,16}$", description="Number on its plate; by default from the seed"
    )
    eui64: str | None = Field(
        default=None,
        pattern=r"^[0-9A-Fa-f]{16}$",
        description="EUI-64, 16 hexadecimal digits; by default from the seed",
    )
    keys: dict[str, str] = Field(
        default_factory=dict,
        description="Keys by name (install_code; ASSOCIATION.encryption, .authentication, .broadcast, .secret; master;"
        " of a meter token.secret, token.originator), hexadecimal or text:...; by default derived from the seed",
    )

    @field_validator("keys")
    @classmethod
    def _keys(cls, keys: dict[str, str]) -> dict[str, str]:
        for name, text in keys.items():
            try:
                secret_octets(text)
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from None
        return keys


class DeviceConfig(DisplayConfig):
    """One device of a premises."""

    point: str | None = Field(
        default=None, pattern=r"^[0-9]{6,13}$", description="MPAN or MPRN; by default from the seed"
    )
    ports: dict[str, str] = Field(
        default_factory=dict, description="Where each of the device's ports is reached; bus:NAME is a bus of the rig"
    )
    address: AddressConfig = Field(
        default_factory=AddressConfig, description="What the device answers to on a line that it shares"
    )
    line: LineConfig | None = Field(
        default=None, description="The line model of this device's ports, instead of the rig's"
    )
    adaptor: AdaptorConfig = Field(
        default_factory=AdaptorConfig, description="Where a port of the device is a serial adaptor"
    )
    load: LoadConfig = Field(default_factory=LoadConfig, description="What the premises draws through this meter")
    prepayment: PrepaymentConfig | None = Field(
        default=None, description="Of a meter: prepayment mode from the start, instead of the profile's mode"
    )


class StorageConfig(Table):
    """What the devices' non-volatile memories are kept in, so that a rig that was stopped or killed goes on."""

    file: str = Field(min_length=1, description="SQLite file, relative to the rig file; made when it is not there")
    snapshot_s: int | None = Field(
        default=None,
        ge=1,
        le=86_400,
        description="Seconds of the rig's clock between snapshots of the registers; by default the profile's",
    )


class PremisesConfig(Table):
    """A dwelling, or ``count`` of them that are alike."""

    name: str = Field(default="home", pattern=_NAME, description="Letters, digits, - _ .")
    count: int = Field(default=1, ge=1, le=MAX_COUNT, description="How many such premises")
    hub: DeviceConfig | None = Field(default_factory=DeviceConfig, description="The communications hub")
    electricity: DeviceConfig | None = Field(default_factory=DeviceConfig, description="The electricity meter")
    gas: DeviceConfig | None = Field(default_factory=DeviceConfig, description="The gas meter, behind the hub")
    display: DisplayConfig | None = Field(
        default=None,
        description="A display on the hub's HAN (PPMID, IHD); an empty table is one of the default profile",
    )
    faults: tuple[PremisesFaultConfig, ...] = Field(
        default=(), description="Faults of these premises, of each or of some of them"
    )


_HOME: dict[str, object] = {
    "name": "home",
    "hub": {"ports": {"wan": "pty:./{premises}-hub", "wan-tcp": "tcp:4059"}},
    "electricity": {"ports": {"optical": "pty:./{premises}-electricity"}},
    "gas": {},
    "display": {},
}


class RigConfig(Table):
    """A rig."""

    seed: int = Field(default=1, ge=0, lt=1 << 63, description="All chance in the rig comes from it")
    clock: ClockConfig = Field(default_factory=ClockConfig)
    line: LineConfig = Field(default_factory=LineConfig)
    bus: dict[Annotated[str, Field(pattern=_NAME)], BusConfig] = Field(
        default_factory=dict, description="Lines with several devices on them, by the names that ports give as bus:NAME"
    )
    storage: StorageConfig | None = Field(
        default=None, description="Where devices keep their state; without it every start is a new one"
    )
    panel: PanelConfig | None = Field(
        default=None, description="The bench panel: switches, contacts, gauges and displays as Modbus registers"
    )
    relay_board: RelayBoardConfig | None = Field(
        default=None, description="A Modbus relay board by which real devices follow the power of the rig's"
    )
    faults: tuple[FaultConfig, ...] = Field(default=(), description="Faults that are injected when the rig starts")
    premises: tuple[PremisesConfig, ...] = Field(
        default_factory=lambda: (PremisesConfig.model_validate(_HOME),), min_length=1, description="The dwellings"
    )
