from rigs.config.errors import ConfigError, describe
from rigs.config.fault_tables import Occasion
from rigs.config.faults import FaultSpec
from rigs.config.files import RigFile, load_rig, make_rig, parse_rig, rig_of, schema
from rigs.config.models import DEVICE_KINDS, AddressConfig, RigConfig
from rigs.config.specs import DeviceSpec, PremisesSpec

__all__ = [
    "DEVICE_KINDS",
    "AddressConfig",
    "ConfigError",
    "DeviceSpec",
    "FaultSpec",
    "Occasion",
    "PremisesSpec",
    "RigConfig",
    "RigFile",
    "describe",
    "load_rig",
    "make_rig",
    "parse_rig",
    "rig_of",
    "schema",
]
