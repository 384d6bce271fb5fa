"""The panel without a wire: ranges of the four tables, read and written at the present of the rig's clock.

A request is served at one instant: all that it reads belongs to it. One that is refused changes nothing.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

from rigs.config import DEVICE_KINDS
from rigs.control.desk import Desk
from rigs.events import Source
from rigs.panel.forms import Table
from rigs.panel.layout import MOST_PREMISES, PREMISES_BLOCK, PREMISES_IN_UNIT, fitted
from rigs.panel.place import Place
from rigs.panel.points import BLOCK, Fitted, Point, block

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rigs.rig import Rig


class Refusal(IntEnum):
    """Why a request is refused, by the exception code of Modbus (Application Protocol 1.1b3, clause 7)."""

    FUNCTION = 1
    ADDRESS = 2
    VALUE = 3


class RefusedError(Exception):
    """A request that cannot be served; nothing has changed."""

    def __init__(self, why: Refusal) -> None:
        super().__init__(why.name.lower())
        self.why = why


class Bench:
    """The registers of one rig; all calls belong to the loop's thread."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._desk = Desk(rig)
        self._premises = rig.file.specs[:MOST_PREMISES]
        self._places: dict[tuple[int, str], tuple[Place, Fitted] | None] = {}

    def units(self) -> range:
        """The units that there are."""
        return range(1, 2 + (len(self._premises) - 1) // PREMISES_IN_UNIT)

    def read(self, unit: int, table: Table, address: int, count: int) -> list[int]:
        """``count`` entries from ``address`` on; RefusedError where one of them is not there."""
        return self._desk.act(lambda: self._read(unit, table, address, count))

    def write(self, unit: int, table: Table, address: int, values: list[int]) -> None:
        """Set entries from ``address`` on; RefusedError, with nothing set, for one that is not there or a value that
        it does not take."""
        self._desk.act(lambda: self._write(unit, table, address, values))

    def _read(self, unit: int, table: Table, address: int, count: int) -> list[int]:
        wanted = list(self._entries(unit, table, address, count))
        read: dict[tuple[str, str], list[int]] = {}
        return [self._words(read, place, point)[word] for place, point, word in wanted]

    def _write(self, unit: int, table: Table, address: int, values: list[int]) -> None:
        read: dict[tuple[str, str], list[int]] = {}
        changes: dict[tuple[str, str], tuple[Place, Point]] = {}
        for (place, point, word), value in zip(
            list(self._entries(unit, table, address, len(values))), values, strict=True
        ):
            self._words(read, place, point)[word] = value
            changes[place.name, point.name] = place, point
        orders = [(place, point, point.form.unpack(read[key])) for key, (place, point) in changes.items()]
        if not all(point.accepts(number) for _, point, number in orders):
            raise RefusedError(Refusal.VALUE)
        for place, point, number in orders:
            point.set(place, number)
            text = f"bench panel: {point.name} {number} {point.unit}".rstrip()
            self._rig.events.add(Source.CONTROL, "panel", text, device=place.name)

    def _words(self, read: dict[tuple[str, str], list[int]], place: Place, point: Point) -> list[int]:
        key = place.name, point.name
        if key not in read:
            place.device.settle()
            read[key] = point.form.pack(point.read(place))
        return read[key]

    def _entries(self, unit: int, table: Table, address: int, count: int) -> Iterator[tuple[Place, Point, int]]:
        for at in range(address, address + count):
            number, within = divmod(at, PREMISES_BLOCK)
            slot, offset = divmod(within, BLOCK)
            found = self._place((unit - 1) * PREMISES_IN_UNIT + number, DEVICE_KINDS[slot])
            entry = block(found[1]).get((table, offset)) if found is not None and at <= 0xFFFF else None
            if found is None or entry is None:
                raise RefusedError(Refusal.ADDRESS)
            yield found[0], *entry

    def _place(self, number: int, kind: str) -> tuple[Place, Fitted] | None:
        """The place of a device by the number of its premises, None where there is none."""
        key = number, kind
        if key not in self._places:
            self._places[key] = self._look_up(number, kind)
        return self._places[key]

    def _look_up(self, number: int, kind: str) -> tuple[Place, Fitted] | None:
        if not 0 <= number < len(self._premises):
            return None
        premises = self._premises[number]
        device = getattr(premises, kind)
        return None if device is None else (Place(self._rig, premises.name, kind), fitted(premises, device))
