"""Faults of a rig file: looked at before the rig starts, and each device that has one by itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from rigs.config.errors import ConfigError
from rigs.config.fault_tables import FaultConfig, Injected, PremisesFaultConfig
from rigs.config.models import PremisesConfig, RigConfig
from rigs.config.specs import PremisesSpec, premises_name

if TYPE_CHECKING:
    from emulator.faults.fault import Fault

_SHOWN = 5  # devices that a message names


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """One injection: a table of a rig file, its place there, and the device (``premises/kind``) that has it."""

    where: str
    target: str
    table: Injected


def fault_specs(config: RigConfig, file: str, specs: tuple[PremisesSpec, ...]) -> tuple[FaultSpec, ...]:
    """The injections of a rig file, in its order, those of premises after the others; raises :class:`ConfigError`."""
    if not config.faults and not any(premises.faults for premises in config.premises):
        return ()
    from emulator.faults.injection import MOST

    found = [*_of_devices(config, file, specs), *_of_premises(config, file)]
    if len(found) > MOST:
        raise ConfigError(f"{file}: faults: {len(found)} injections; a rig has at most {MOST} at once")
    return tuple(found)


def _of_devices(config: RigConfig, file: str, specs: tuple[PremisesSpec, ...]) -> Iterator[FaultSpec]:
    if not config.faults:
        return
    devices = {f"{premises.name}/{device.kind}" for premises in specs for device in premises.devices()}
    for index, table in enumerate(config.faults):
        where = f"{file}: faults.{index}"
        if table.device not in devices:
            some = ", ".join(sorted(devices)[:_SHOWN]) + (", ..." if len(devices) > _SHOWN else "")
            raise ConfigError(f"{where}.device: {table.device}: no such device; there are {some}")
        _check(where, table, table.device.rpartition("/")[2])
        yield FaultSpec(where, table.device, table)


def _of_premises(config: RigConfig, file: str) -> Iterator[FaultSpec]:
    for index, premises in enumerate(config.premises):
        for number, table in enumerate(premises.faults):
            where = f"{file}: premises.{index}.faults.{number}"
            if getattr(premises, table.device) is None:
                raise ConfigError(f"{where}.device: {table.device}: these premises have none")
            _check(where, table, table.device)
            for each in _chosen(table, premises, f"{config.seed}/{premises.name}/faults {number}"):
                yield FaultSpec(where, f"{premises_name(premises, each)}/{table.device}", table)


def _chosen(table: PremisesFaultConfig, premises: PremisesConfig, chance: str) -> list[int]:
    """The numbers of the premises that have a fault."""
    if table.share is None:
        return list(range(0, premises.count, table.nth))
    return sorted(Random(chance).sample(range(premises.count), max(1, round(table.share * premises.count))))


def _check(where: str, table: FaultConfig | PremisesFaultConfig, kind: str) -> None:
    """Raises :class:`ConfigError` for what the catalogue does not know, and for times that make no sense."""
    from emulator.faults.catalogue import CATALOGUE
    from emulator.faults.occasions import occasions
    from emulator.faults.parameters import ParameterError

    fault: Fault | None = CATALOGUE.get(table.fault)
    if fault is None:
        raise ConfigError(f"{where}.fault: {table.fault}: no such fault; `smets1 fault list` names them")
    if kind not in fault.kinds:
        raise ConfigError(f"{where}.device: {table.device}: {fault.name} is a fault of: {', '.join(fault.kinds)}")
    try:
        fault.values(table.parameters, Random(0))
        occasions(fault.name, kind, momentary=fault.momentary, **table.timing())
    except ParameterError as error:
        raise ConfigError(f"{where}: {error}") from None
