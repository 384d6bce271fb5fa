"""The rig file: what is in it, what it means, and the one line a person gets when it is wrong.

A rig file is TOML. Everything has a default, and no file at all is one dual-fuel premises. A premises with ``count``
stands for that many; in its ports ``{premises}`` is the name of each, ``{n}`` its number from 0, and ``{4059+n}`` a
number that counts up.
"""

from __future__ import annotations

import os.path
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from rigs.driver import ClockMode
from rigs.panel.settings import PanelConfig, RelayBoardConfig
from rigs.ports.line import LineOptions
from rigs.ports.port import AdaptorOptions
from rigs.ports.spec import LINE_NEEDED, PATHS, PortError, PortSpec, parse_port
from rigs.system_errors import reason

BUS = "bus:"
FIRST_STATION, LAST_STATION = 16, 0x3FFD
"""Lower HDLC addresses that a device may have (Green Book, 8.4.2.3)."""
DEVICE_KINDS = ("hub", "electricity", "gas", "display")
MAX_COUNT = 100_000
_NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,40}$"


class ConfigError(Exception):
    """A rig file that cannot be used. The text is one line: file, key path, value, what is allowed."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=False)


class ClockConfig(_Model):
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


class LineConfig(_Model):
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


class AdaptorConfig(_Model):
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


class BusConfig(_Model):
    """One line with several devices on it: RS-485, or a current loop."""

    port: str = Field(
        min_length=1, description="Where the line is reached: pty, serial, tcp+hdlc, unix+hdlc or rfc2217"
    )
    line: LineConfig | None = Field(default=None, description="The line model of the bus, instead of the rig's")
    adaptor: AdaptorConfig = Field(default_factory=AdaptorConfig, description="Where the port is a serial adaptor")


class AddressConfig(_Model):
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


class LoadConfig(_Model):
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


class PrepaymentConfig(_Model):
    """A meter that is in prepayment mode when the rig starts for the first time."""

    balance_pence: int = Field(
        default=1000, ge=-1_000_000, le=1_000_000, description="Meter balance to begin with, pence"
    )


_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+")


def _secret(text: str) -> bytes:
    if text.startswith("text:"):
        return text[5:].encode()
    digits = text.replace(" ", "")
    if not _HEX.fullmatch(digits):
        raise ValueError("hexadecimal octets, or text:... for a secret of characters")
    return bytes.fromhex(digits)


class DisplayConfig(_Model):
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
                _secret(text)
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


class StorageConfig(_Model):
    """What the devices' non-volatile memories are kept in, so that a rig that was stopped or killed goes on."""

    file: str = Field(min_length=1, description="SQLite file, relative to the rig file; made when it is not there")
    snapshot_s: int | None = Field(
        default=None,
        ge=1,
        le=86_400,
        description="Seconds of the rig's clock between snapshots of the registers; by default the profile's",
    )


class PremisesConfig(_Model):
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


_HOME: dict[str, object] = {
    "name": "home",
    "hub": {"ports": {"wan": "pty:./{premises}-hub", "wan-tcp": "tcp:4059"}},
    "electricity": {"ports": {"optical": "pty:./{premises}-electricity"}},
    "gas": {},
    "display": {},
}


class RigConfig(_Model):
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
    premises: tuple[PremisesConfig, ...] = Field(
        default_factory=lambda: (PremisesConfig.model_validate(_HOME),), min_length=1, description="The dwellings"
    )


# -- what a rig is built from ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DeviceSpec:
    """One device, with nothing left to fill in but what comes from the seed."""

    kind: str
    profile: str | None
    serial: str | None
    point: str | None
    eui64: bytes | None
    keys: dict[str, bytes]
    ports: dict[str, PortSpec]
    line: LineOptions
    load: LoadConfig
    prepayment: PrepaymentConfig | None = None
    address: AddressConfig = field(default_factory=AddressConfig)
    adaptor: AdaptorOptions = field(default_factory=AdaptorOptions)


@dataclass(frozen=True, slots=True)
class PremisesSpec:
    """One premises; a device that it does not have is None."""

    name: str
    hub: DeviceSpec | None
    electricity: DeviceSpec | None
    gas: DeviceSpec | None
    display: DeviceSpec | None = None

    def devices(self) -> Iterator[DeviceSpec]:
        """Those it has, hub first."""
        for device in (self.hub, self.electricity, self.gas, self.display):
            if device is not None:
                yield device


@dataclass(frozen=True, slots=True)
class RigFile:
    """A rig file that has been read. ``path`` is None for the built-in rig."""

    config: RigConfig
    path: Path | None = None
    specs: tuple[PremisesSpec, ...] = field(default=())

    def bus_line(self, name: str) -> LineOptions:
        """The line model of a bus."""
        return (self.config.bus[name].line or self.config.line).options()

    @property
    def name(self) -> str:
        """How messages call it."""
        return "built-in rig" if self.path is None else str(self.path)

    def storage(self, folder: Path = Path()) -> Path | None:
        """The file that devices keep their state in, None for a rig that forgets.

        It is relative to the rig file, below ``folder`` for a rig that has none.
        """
        storage = self.config.storage
        if storage is None:
            return None
        return (folder if self.path is None else self.path.parent) / storage.file


_COUNTED = re.compile(r"\{(?:(premises|n)|([0-9]{1,5})\+n)\}")


def _fill(text: str, premises: str, number: int) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] == "premises":
            return premises
        return str(number + int(match[2] or 0))

    return _COUNTED.sub(value, text)


def _specs(config: RigConfig, file: str, folder: Path) -> Iterator[PremisesSpec]:
    names: set[str] = set()
    taken: dict[str, str] = {}
    buses = _Buses(config, file, taken)
    for index, template in enumerate(config.premises):
        for number in range(template.count):
            name = template.name if template.count == 1 else f"{template.name}-{number}"
            if name in names:
                raise ConfigError(f"{file}: premises.{index}.name: {name}: each premises has a name of its own")
            names.add(name)
            devices: dict[str, DeviceSpec | None] = {}
            for kind in DEVICE_KINDS:
                given = cast("DisplayConfig | None", getattr(template, kind))
                if given is None:
                    devices[kind] = None
                    continue
                device = given if isinstance(given, DeviceConfig) else DeviceConfig(**given.model_dump())
                path = f"premises.{index}.{kind}"
                ports: dict[str, PortSpec] = {}
                address = device.address
                for port_name, text in device.ports.items():
                    where = f"{file}: {path}.ports.{port_name}"
                    try:
                        if text.startswith(BUS):
                            ports[port_name], address = buses.join(where, _fill(text, name, number), address)
                            continue
                        spec = parse_port(_fill(text, name, number))
                    except PortError as error:
                        raise ConfigError(f"{where}: {error}") from None
                    mine = f"{name}/{kind}/{port_name}"
                    other = taken.setdefault(_key(spec), mine)
                    if other != mine and (spec.port != 0 or spec.kind in PATHS):
                        many = "; use {premises}, {n} or {4059+n}" if template.count > 1 else ""
                        raise ConfigError(f"{where}: {spec}: already the port of {other}{many}")
                    ports[port_name] = spec
                load = device.load
                if load.file is not None:
                    csv = folder / load.file
                    if not csv.is_file():
                        raise ConfigError(f"{file}: {path}.load.file: {csv}: no such file")
                    load = load.model_copy(update={"file": str(csv)})
                profile = device.profile
                if profile is not None and profile.endswith(".toml"):
                    profile = str(folder / profile)
                devices[kind] = DeviceSpec(
                    kind=kind,
                    profile=profile,
                    serial=device.serial,
                    point=device.point,
                    eui64=bytes.fromhex(device.eui64) if device.eui64 else None,
                    keys={key: _secret(text) for key, text in device.keys.items()},
                    ports=ports,
                    line=(device.line or config.line).options(),
                    load=load,
                    prepayment=device.prepayment,
                    address=address,
                    adaptor=device.adaptor.options(),
                )
            yield PremisesSpec(name, devices["hub"], devices["electricity"], devices["gas"], devices["display"])


class _Buses:
    """The buses of a rig file while its devices are put on them."""

    def __init__(self, config: RigConfig, file: str, taken: dict[str, str]) -> None:
        self._specs: dict[str, PortSpec] = {}
        self._stations: Counter[str] = Counter()
        for name, bus in config.bus.items():
            where = f"{file}: bus.{name}.port"
            try:
                spec = parse_port(bus.port)
            except PortError as error:
                raise ConfigError(f"{where}: {error}") from None
            if spec.wrapped:
                raise ConfigError(f"{where}: {spec}: {LINE_NEEDED}")
            other = taken.setdefault(_key(spec), f"bus {name}")
            if other != f"bus {name}" and (spec.port != 0 or spec.kind in PATHS):
                raise ConfigError(f"{where}: {spec}: already the port of {other}")
            self._specs[name] = replace(spec, bus=name)

    def join(self, where: str, text: str, address: AddressConfig) -> tuple[PortSpec, AddressConfig]:
        """Put a device on the bus that ``bus:NAME`` names: the port of that, and what the device answers to there."""
        name = text.removeprefix(BUS)
        spec = self._specs.get(name)
        if spec is None:
            there = ", ".join(self._specs) or "none; write [bus.NAME] with its port"
            raise ConfigError(f"{where}: {text}: no such bus; there are {there}")
        hdlc = FIRST_STATION + self._stations[name] if address.hdlc is None else address.hdlc
        self._stations[name] += 1
        if hdlc > LAST_STATION:
            raise ConfigError(f"{where}: {text}: more than {LAST_STATION - FIRST_STATION + 1} devices on a bus")
        return spec, AddressConfig(hdlc=hdlc, sign_on=str(hdlc) if address.sign_on is None else address.sign_on)


def _key(spec: PortSpec) -> str:
    """Equal for ports that are the same, also where a path is written differently."""
    if not spec.path:
        return str(spec)
    return f"{spec.kind.value}:{os.path.normpath(spec.path)}"


def rig_of(tables: Mapping[str, object]) -> RigFile:
    """A rig from tables as TOML would give them; raises :class:`ConfigError`."""
    return make_rig(_validated(tables, "rig"))


def load_rig(path: Path | None = None) -> RigFile:
    """Read a rig file, or the built-in rig; raises :class:`ConfigError`."""
    if path is None:
        return make_rig(RigConfig())
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: not UTF-8 text; a rig file is TOML") from None
    except OSError as error:
        raise ConfigError(f"{path}: {reason(error)}") from None
    return parse_rig(text, path)


def parse_rig(text: str, path: Path | None = None) -> RigFile:
    """A rig from TOML text; raises :class:`ConfigError`."""
    name = "built-in rig" if path is None else str(path)
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{name}: not TOML: {error}") from None
    return make_rig(_validated(content, name), path)


def _validated(tables: Mapping[str, object], name: str) -> RigConfig:
    try:
        return RigConfig.model_validate(tables)
    except ValidationError as error:
        raise ConfigError(f"{name}: {describe(error, RigConfig)}") from None


def make_rig(config: RigConfig, path: Path | None = None) -> RigFile:
    """A rig of a configuration made in code; raises :class:`ConfigError` for ports given twice and the like."""
    name = "built-in rig" if path is None else str(path)
    folder = Path() if path is None else path.parent
    specs = tuple(_specs(config, name, folder))
    _check_bench(config, name, specs)
    return RigFile(config, path, specs)


def _check_bench(config: RigConfig, file: str, specs: tuple[PremisesSpec, ...]) -> None:
    """Raises :class:`ConfigError` for ports of the panel that a device has, and relays of devices that are nowhere."""
    if config.panel is None and config.relay_board is None:
        return
    devices = {f"{premises.name}/{device.kind}": device for premises in specs for device in premises.devices()}
    taken = {_key(spec): f"{name}/{port}" for name, device in devices.items() for port, spec in device.ports.items()}
    for name, spec in config.panel.ports().items() if config.panel is not None else ():
        other = taken.setdefault(_key(spec), f"panel/{name}")
        if other != f"panel/{name}" and (spec.port != 0 or spec.kind in PATHS):
            raise ConfigError(f"{file}: panel.{name}: {spec}: already the port of {other}")
    for name in config.relay_board.coils if config.relay_board is not None else ():
        if name not in devices:
            some = ", ".join(list(devices)[:5])
            raise ConfigError(f"{file}: relay_board.coils.{name}: no such device; there are {some}")


_SECRETS = "keys"
"""The table whose values no message shows."""


def describe(error: ValidationError, model: type[BaseModel]) -> str:
    """The first thing wrong as ``key.path: value: what is allowed``; without the value where it may be a key."""
    errors = error.errors()
    first = errors[0]
    where = ".".join(str(part) for part in first["loc"]) or "(file)"
    message = first["msg"].removeprefix("Value error, ").replace("Input should be ", "must be ")
    match first["type"]:
        case "extra_forbidden":
            parent = _model_at(model, first["loc"][:-1])
            allowed = ", ".join(sorted(parent.model_fields)) if parent else "none"
            text = f"{where}: unknown key; allowed are {allowed}"
        case "missing":
            text = f"{where}: missing"
        case _:
            value = first["input"]
            secret = _SECRETS in first["loc"]
            shown = f"{_line(value)}: " if isinstance(value, str | int | float) and not secret else ""
            text = f"{where}: {shown if len(shown) < 60 else shown[:57] + '...: '}{message}"
    # A list is called too short when the entry in it is wrong: that is no fault of its own.
    more = sum(error["loc"] != first["loc"][: len(error["loc"])] for error in errors)
    return text + (f" (and {more} more)" if more else "")


def _line(value: str | float) -> str:
    """A value on one line, quoted where it would break it."""
    text = str(value)
    return text if text.isprintable() else repr(text)


def _model_at(model: type[BaseModel], location: tuple[int | str, ...]) -> type[BaseModel] | None:
    """The model whose table is at ``location``."""
    for part in location:
        if isinstance(part, int):
            continue
        info = model.model_fields.get(part)
        found = next(_models_in(info.annotation), None) if info is not None else None
        if found is None:
            return None
        model = found
    return model


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for argument in cast("tuple[object, ...]", getattr(annotation, "__args__", ())):
        yield from _models_in(argument)


def schema() -> dict[str, object]:
    """JSON Schema of a rig file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **RigConfig.model_json_schema()}
