"""What a rig is built from: each premises and device by itself, nothing left to fill in but what the seed gives."""

from __future__ import annotations

import os.path
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from rigs.config.errors import ConfigError
from rigs.config.models import (
    DEVICE_KINDS,
    AddressConfig,
    DeviceConfig,
    DisplayConfig,
    LoadConfig,
    PremisesConfig,
    PrepaymentConfig,
    RigConfig,
    secret_octets,
)
from rigs.ports.line import LineOptions
from rigs.ports.port import AdaptorOptions
from rigs.ports.spec import LINE_NEEDED, PATHS, PortError, PortSpec, parse_port

BUS = "bus:"
FIRST_STATION, LAST_STATION = 16, 0x3FFD
"""Lower HDLC addresses that a device may have (Green Book, 8.4.2.3)."""


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


_COUNTED = re.compile(r"\{(?:(premises|n)|([0-9]{1,5})\+n)\}")


def _fill(text: str, premises: str, number: int) -> str:
    def value(match: re.Match[str]) -> str:
        if match[1] == "premises":
            return premises
        return str(number + int(match[2] or 0))

    return _COUNTED.sub(value, text)


def premises_name(template: PremisesConfig, number: int) -> str:
    """What the premises of that number is called among those of a template."""
    return template.name if template.count == 1 else f"{template.name}-{number}"


def premises_specs(config: RigConfig, file: str, folder: Path) -> Iterator[PremisesSpec]:
    """The premises of a rig, one after another; raises :class:`ConfigError`."""
    names: set[str] = set()
    taken: dict[str, str] = {}
    buses = _Buses(config, file, taken)
    for index, template in enumerate(config.premises):
        for number in range(template.count):
            name = premises_name(template, number)
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
                    other = taken.setdefault(port_key(spec), mine)
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
                    keys={key: secret_octets(text) for key, text in device.keys.items()},
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
            other = taken.setdefault(port_key(spec), f"bus {name}")
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


def port_key(spec: PortSpec) -> str:
    """Equal for ports that are the same, also where a path is written differently."""
    if not spec.path:
        return str(spec)
    return f"{spec.kind.value}:{os.path.normpath(spec.path)}"
