"""Interface classes by class id and version. A new one is a module with ``CLASSES`` and two lines here."""

from __future__ import annotations

from collections.abc import Mapping

from emulator.cosem.classes.account import CLASSES as ACCOUNT
from emulator.cosem.classes.association import CLASSES as ASSOCIATION
from emulator.cosem.classes.clock import CLASSES as CLOCK
from emulator.cosem.classes.extended import CLASSES as EXTENDED
from emulator.cosem.classes.image import CLASSES as IMAGE
from emulator.cosem.classes.monitor import CLASSES as MONITOR
from emulator.cosem.classes.payment import CLASSES as PAYMENT
from emulator.cosem.classes.profile import CLASSES as PROFILE
from emulator.cosem.classes.registers import CLASSES as REGISTERS
from emulator.cosem.classes.schedule import CLASSES as SCHEDULE
from emulator.cosem.classes.script import CLASSES as SCRIPT
from emulator.cosem.classes.security_setup import CLASSES as SECURITY_SETUP
from emulator.cosem.classes.setup import CLASSES as SETUP
from emulator.cosem.classes.supply import CLASSES as SUPPLY
from emulator.cosem.classes.tariff import CLASSES as TARIFF
from emulator.cosem.classes.zigbee import CLASSES as ZIGBEE
from emulator.cosem.classes.zigbee_setup import CLASSES as ZIGBEE_SETUP
from emulator.cosem.model import InterfaceClass

CLASSES: Mapping[tuple[int, int], InterfaceClass] = {
    (item.class_id, item.version): item
    for family in (
        ACCOUNT,
        ASSOCIATION,
        CLOCK,
        EXTENDED,
        IMAGE,
        MONITOR,
        PAYMENT,
        PROFILE,
        REGISTERS,
        SCHEDULE,
        SCRIPT,
        SECURITY_SETUP,
        SETUP,
        SUPPLY,
        TARIFF,
        ZIGBEE,
        ZIGBEE_SETUP,
    )
    for item in family
}
