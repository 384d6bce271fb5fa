"""Where each device is: Modbus unit and first address of its block, by its place in the rig file and nothing else.

Premises number ``p`` (from 0, in the order of the rig file) is in unit ``1 + p // 128``. Its devices have a block of
128 addresses each in every table: hub, electricity, gas and display begin at ``512 * (p % 128)`` and 0, 128, 256 and
384 more. A device that is not there leaves its block empty. Modbus has 247 units, so that the first 31,616 premises of
a rig are on its panel, and no more.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from emulator.premises import DEFAULT_PROFILES
from firmware_profiles.loader import load
from rigs.config import DEVICE_KINDS
from rigs.panel.place import OPTICAL
from rigs.panel.points import BLOCK, Fitted, points_of
from rigs.panel.settings import LAST_UNIT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rigs.config import DeviceSpec, PremisesSpec

PREMISES_BLOCK = BLOCK * len(DEVICE_KINDS)
PREMISES_IN_UNIT = 0x10000 // PREMISES_BLOCK
MOST_PREMISES = PREMISES_IN_UNIT * LAST_UNIT


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the published register map. ``address`` counts from 0, as on the wire; ``least`` and ``most`` are of
    what can be written, and ``free`` lets it go its own way again."""

    unit: int
    device: str
    table: str
    address: int
    registers: int
    name: str
    type: str
    measure: str
    text: str
    least: int | None = None
    most: int | None = None
    free: int | None = None

    def json(self) -> dict[str, object]:
        """The same without what it has not."""
        return {name: value for name, value in asdict(self).items() if value is not None and value != ""}


def fitted(premises: PremisesSpec, device: DeviceSpec) -> Fitted:
    """What bears on the points of a device of a rig file; raises ProfileError."""
    profile = load(device.profile or DEFAULT_PROFILES[device.kind])
    front = device.kind == "display" or (device.kind != "hub" and profile.prepayment is not None)
    return Fitted(device.kind, front, OPTICAL in device.ports, premises.hub is not None)


def place_of(number: int, kind: str) -> tuple[int, int]:
    """Unit and first address of the block of a kind of device of premises ``number`` (from 0)."""
    unit, within = divmod(number, PREMISES_IN_UNIT)
    return 1 + unit, within * PREMISES_BLOCK + DEVICE_KINDS.index(kind) * BLOCK


def entries(number: int, premises: PremisesSpec) -> Iterator[Entry]:
    """The register map of one premises, device by device; raises ProfileError."""
    for device in premises.devices():
        unit, first = place_of(number, device.kind)
        for point in points_of(fitted(premises, device)):
            yield Entry(
                unit,
                f"{premises.name}/{device.kind}",
                point.table.value,
                first + point.offset,
                point.form.words,
                point.name,
                point.form.text,
                point.unit,
                point.text,
                point.least if point.write is not None else None,
                point.most if point.write is not None else None,
                None if point.free is None else point.form.pack(point.free)[0],
            )
