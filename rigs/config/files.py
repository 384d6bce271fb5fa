"""Rig files: read, checked, and made a :class:`rigs.config.specs.RigFile`."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from rigs.config.errors import ConfigError, describe
from rigs.config.faults import FaultSpec, fault_specs
from rigs.config.models import RigConfig
from rigs.config.specs import PremisesSpec, port_key, premises_specs
from rigs.ports.line import LineOptions
from rigs.ports.spec import PATHS
from rigs.system_errors import reason


@dataclass(frozen=True, slots=True)
class RigFile:
    """A rig file that has been read. ``path`` is None for the built-in rig."""

    config: RigConfig
    path: Path | None = None
    specs: tuple[PremisesSpec, ...] = field(default=())
    faults: tuple[FaultSpec, ...] = field(default=())

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
    specs = tuple(premises_specs(config, name, folder))
    _check_bench(config, name, specs)
    return RigFile(config, path, specs, fault_specs(config, name, specs))


def _check_bench(config: RigConfig, file: str, specs: tuple[PremisesSpec, ...]) -> None:
    """Raises :class:`ConfigError` for ports of the panel that a device has, and relays of devices that are nowhere."""
    if config.panel is None and config.relay_board is None:
        return
    devices = {f"{premises.name}/{device.kind}": device for premises in specs for device in premises.devices()}
    taken = {
        port_key(spec): f"{name}/{port}" for name, device in devices.items() for port, spec in device.ports.items()
    }
    for name, spec in config.panel.ports().items() if config.panel is not None else ():
        other = taken.setdefault(port_key(spec), f"panel/{name}")
        if other != f"panel/{name}" and (spec.port != 0 or spec.kind in PATHS):
            raise ConfigError(f"{file}: panel.{name}: {spec}: already the port of {other}")
    for name in config.relay_board.coils if config.relay_board is not None else ():
        if name not in devices:
            some = ", ".join(list(devices)[:5])
            raise ConfigError(f"{file}: relay_board.coils.{name}: no such device; there are {some}")


def schema() -> dict[str, object]:
    """JSON Schema of a rig file, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **RigConfig.model_json_schema()}
