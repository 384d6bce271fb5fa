"""Buffers of class 7 (profile generic): rows kept encoded, read by slice, range or entry.

A row is encoded once, when it is captured. Rows of one size, the usual case, lie in one ring of octets, so that reading
the whole buffer is a header and a copy; rows of varying size are kept one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from emulator.cosem.model import Getter
from emulator.firmware import BufferSpec, Trigger
from emulator.nvm import Image, Saved
from protocols.dlms import axdr, datetime
from protocols.dlms.axdr import Data
from protocols.dlms.enums import DataAccessResult, Tag
from protocols.dlms.objects import AccessRefused
from protocols.dlms.types import parse_type
from protocols.errors import DecodeError

if TYPE_CHECKING:
    from emulator.cosem.view import View
    from emulator.device import Device

LIFO = 2
CAPTURE_OBJECTS = "arr st{u16,oct6,i8,u16}"
RANGE = "st{st{u16,oct6,i8,u16},any,any,arr st{u16,oct6,i8,u16}}"
ENTRIES = "st{u32,u32,u16,u16}"
BY_RANGE, BY_ENTRY = 1, 2
_CLOCK_CLASS, _DATA_CLASS = 8, 1
_UTC_SECONDS = bytes((0, 0, 94, 44, 100, 255))
_SECOND = datetime.SECOND
_EPOCH_2000 = datetime.days_of(2000, 1, 1) * datetime.DAY
_INTEGERS = frozenset(
    (Tag.INT8, Tag.INT16, Tag.INT32, Tag.INT64, Tag.UINT8, Tag.UINT16, Tag.UINT32, Tag.UINT64, Tag.ENUM, Tag.BCD)
)
_range_type, _entries_type, _columns_type = parse_type(RANGE), parse_type(ENTRIES), parse_type(CAPTURE_OBJECTS)

Column = tuple[int, bytes, int, int]


class _Layout:
    """What all devices of a profile share about one buffer."""

    __slots__ = ("capture_objects", "clock_column", "columns", "getters", "header", "sort_object")

    def __init__(self, device: Device, spec: BufferSpec) -> None:
        self.columns: tuple[Column, ...] = spec.columns
        self.getters = tuple(_getter(device, column) for column in spec.columns)
        self.header = b"\x02" + axdr.length(len(spec.columns))
        self.capture_objects = _columns_type.encode([list(column) for column in spec.columns])
        clocks = [number for number, column in enumerate(spec.columns) if _is_clock(column)]
        self.clock_column = clocks[0] if clocks else None
        sorted_by = spec.columns[clocks[0]] if clocks else (0, bytes(6), 0, 0)
        self.sort_object = parse_type("st{u16,oct6,i8,u16}").encode(list(sorted_by))


def _getter(device: Device, column: Column) -> Getter:
    class_id, logical_name, index, element = column
    item = device.firmware.model.objects[class_id.to_bytes(2, "big") + logical_name]
    read = item.attributes[index].read
    if element == 0:
        return read

    def read_element(view: View) -> bytes:
        parts = axdr.decode_all(read(view)).elements
        return axdr.encode(parts[element - 1]) if element <= len(parts) else axdr.NULL

    return read_element


def _is_clock(column: Column) -> bool:
    class_id, logical_name, index, _ = column
    return index == 2 and (class_id == _CLOCK_CLASS or (class_id == _DATA_CLASS and logical_name == _UTC_SECONDS))


class Buffer:
    """The buffer of one profile object of one device. Rows are numbered from 0, the oldest."""

    __slots__ = ("_device", "_first", "_layout", "_many", "_newest", "_ring", "_rising", "_size", "count", "spec")

    def __init__(self, device: Device, spec: BufferSpec) -> None:
        layouts: dict[tuple[Column, ...], _Layout] = device.firmware.model.shared.setdefault("buffer layouts", {})
        layout = layouts.get(spec.columns)
        if layout is None:
            layout = layouts[spec.columns] = _Layout(device, spec)
        self._device = device
        self._layout = layout
        self.spec = spec
        self._clear()

    def _clear(self) -> None:
        self.count = 0
        self._first = 0
        self._size = 0
        self._ring = bytearray()
        self._many: list[bytes] | None = None
        self._newest = -1
        self._rising = True

    # --- filling

    def append(self) -> None:
        """Capture a row of the device's present; the oldest gives way in a full buffer."""
        device = self._device
        view = device.internal
        layout = self._layout
        row = layout.header + b"".join([read(view) for read in layout.getters])
        now = device.utc
        if now < self._newest:
            self._rising = False
        self._newest = now
        capacity, many = self.spec.capacity, self._many
        if many is None:
            size = self._size
            if len(row) == size:
                if self.count < capacity:
                    self._ring += row
                    self.count += 1
                else:
                    start = self._first * size
                    self._ring[start : start + size] = row
                    self._first = (self._first + 1) % capacity
                return
            if size == 0:
                self._size = len(row)
                self._ring += row
                self.count = 1
                return
            many = self._many = list(self.rows())
            self._ring, self._first = bytearray(), 0
        if self.count < capacity:
            many.append(row)
            self.count += 1
        else:
            many[self._first] = row
            self._first = (self._first + 1) % capacity

    def reset(self) -> None:
        """Method 1: forget every row."""
        self._device.materialise()
        self._clear()

    def capture(self) -> None:
        """Method 2: capture a row now."""
        self._device.materialise()
        self.append()

    # --- keeping

    def image(self) -> Image:
        """The rows that were captured, oldest first, and their columns, for the non-volatile memory."""
        cut = self._first * self._size
        rows: Image = (
            {"size": self._size, "octets": (self._ring[cut:] + self._ring[:cut]).hex()}
            if self._many is None
            else {"rows": [row.hex() for row in self.rows()]}
        )
        return {"columns": self.capture_objects.hex(), "newest": self._newest, "rising": self._rising, **rows}

    def restore(self, saved: Saved) -> None:
        """Have the rows that :meth:`image` had, the newest where there is no room for all.

        A buffer that had other columns, by an older profile file, begins without rows.
        """
        self._clear()
        if saved.octets("columns") != self.capture_objects:
            return
        self._newest, self._rising = saved.number("newest"), saved.flag("rising")
        capacity = self.spec.capacity
        if "rows" in saved:
            self._many = [bytes.fromhex(row) for row in saved.texts("rows")][-capacity:]
            self.count = len(self._many)
            return
        size, octets = saved.number("size"), saved.octets("octets")
        if octets and (size <= 0 or len(octets) % size):
            raise ValueError(f"{self.spec.name}: {len(octets)} octets are not rows of {size}")
        self._size = max(size, 0)
        self._ring = bytearray(octets[-capacity * size :] if octets else b"")
        self.count = len(self._ring) // size if octets else 0

    # --- reading

    @property
    def entries_in_use(self) -> int:
        """How many rows there are, those included that are due but not made yet."""
        self._freshen()
        return self.count

    @property
    def capture_objects(self) -> bytes:
        """Attribute 3, encoded."""
        return self._layout.capture_objects

    @property
    def sort_object(self) -> bytes:
        """Attribute 6, encoded: the clock where it is captured, else nothing."""
        return self._layout.sort_object

    @property
    def capture_period(self) -> int:
        """Attribute 4, s: 0 for rows that come by month or by event."""
        return datetime.DAY if self.spec.trigger is Trigger.DAY else self.spec.period

    def encoded(self) -> bytes:
        """Attribute 2: all rows."""
        self._freshen()
        head = b"\x01" + axdr.length(self.count)
        if self.spec.sort_method == LIFO:
            return head + b"".join([self.row(number) for number in range(self.count - 1, -1, -1)])
        many, first = self._many, self._first
        if many is not None:
            return head + b"".join(many[first:] + many[:first])
        cut = first * self._size
        return head + self._ring if not cut else head + self._ring[cut:] + self._ring[:cut]

    def selected(self, selector: int, parameters: Data) -> bytes:
        """Attribute 2 restricted by range (selector 1) or entry (selector 2); raises AccessRefused."""
        self._freshen()
        match selector:
            case 1 if _range_type.check(parameters):
                return self._by_range(parameters)
            case 2 if _entries_type.check(parameters):
                return self._by_entry(*cast("tuple[int, int, int, int]", tuple(_entries_type.decode(parameters))))
            case _:
                raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)

    def row(self, number: int) -> bytes:
        """A row by its number from the oldest, as an encoded structure."""
        at = (self._first + number) % self.spec.capacity if self._first else number
        if self._many is not None:
            return self._many[at]
        size = self._size
        return bytes(self._ring[at * size : at * size + size])

    def rows(self) -> Iterator[bytes]:
        """Rows from the oldest to the newest."""
        return (self.row(number) for number in range(self.count))

    def _freshen(self) -> None:
        device = self._device
        match self.spec.trigger:
            case Trigger.EVENT if self.spec.name not in device.firmware.logs:
                self._clear()
                self.append()
            case Trigger.EVENT | Trigger.ACCOUNT:
                pass
            case _:
                device.materialise()

    # --- selective access

    def _by_entry(self, first: int, last: int, first_column: int, last_column: int) -> bytes:
        if first == 0 or (last and last < first):
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        width = len(self._layout.columns)
        columns = range(max(first_column, 1) - 1, min(last_column or width, width))
        if not columns:
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        stop = min(last or self.count, self.count)
        numbers = range(first - 1, stop)
        if self.spec.sort_method == LIFO:
            newest = self.count - 1
            return self._array(range(newest - first + 1, newest - stop, -1), columns)
        return self._array(numbers, columns)

    def _by_range(self, parameters: Data) -> bytes:
        restricting, begin, end, wanted = cast("tuple[Data, Data, Data, Data]", parameters.value)
        column = cast("Column", tuple(_columns_type.decode(Data(Tag.ARRAY, (restricting,)))[0]))
        chosen = self._columns(cast("list[list[object]]", _columns_type.decode(wanted)))
        clock = self._layout.clock_column
        if _is_clock(column) and clock is not None:
            low, high = self._instant(begin, first=True), self._instant(end, first=False)
            numbers = self._between(clock, low, high)
        else:
            numbers = self._matching(self._number(column), _integer(begin), _integer(end))
        return self._array(numbers[::-1] if self.spec.sort_method == LIFO else numbers, chosen)

    def _columns(self, wanted: list[list[object]]) -> range | list[int]:
        if not wanted:
            return range(len(self._layout.columns))
        chosen = {self._number(cast("Column", tuple(column))) for column in wanted}
        return sorted(chosen)

    def _number(self, column: Column) -> int:
        for number, known in enumerate(self._layout.columns):
            if known == column:
                return number
        raise AccessRefused(DataAccessResult.SCOPE_OF_ACCESS_VIOLATED)

    def _instant(self, data: Data, first: bool) -> int:
        """A bound in ns of UTC; nothing specified is as far as can be."""
        value = data.value
        if isinstance(value, bytes) and len(value) == 12:
            try:
                found = self._device.device_clock.unpack(value)
            except DecodeError:
                raise AccessRefused(DataAccessResult.OTHER_REASON) from None
            return found or (-1 if first else 1 << 80)
        if data.tag == Tag.UINT32:
            return (cast(int, value) + _EPOCH_2000) * _SECOND
        raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)

    def _row_instant(self, number: int, column: int) -> int:
        """When a row was captured, ns of UTC to the hundredth, as its clock column says."""
        encoded = self._cell(self.row(number), column)
        if encoded[0] == Tag.OCTET_STRING:
            return self._device.device_clock.unpack(encoded[2:])
        if encoded[0] == Tag.DATE_TIME:
            return self._device.device_clock.unpack(encoded[1:])
        return (int.from_bytes(encoded[1:], "big") + _EPOCH_2000) * _SECOND

    def _between(self, column: int, low: int, high: int) -> range | list[int]:
        """Rows captured from ``low`` to ``high``, both included; by bisection while time only ever rose."""
        if not self._rising:
            return [n for n in range(self.count) if low <= self._row_instant(n, column) <= high]
        return range(self._first_after(column, low - 1), self._first_after(column, high))

    def _first_after(self, column: int, instant: int) -> int:
        low, high = 0, self.count
        while low < high:
            middle = (low + high) // 2
            if self._row_instant(middle, column) > instant:
                high = middle
            else:
                low = middle + 1
        return low

    def _matching(self, column: int, low: int, high: int) -> list[int]:
        found: list[int] = []
        for number in range(self.count):
            value = axdr.decode_all(self._cell(self.row(number), column))
            if value.tag in _INTEGERS and low <= cast(int, value.value) <= high:
                found.append(number)
        return found

    def _cell(self, row: bytes, column: int) -> bytes:
        offset = len(self._layout.header)
        for _ in range(column):
            offset = axdr.skip(row, offset)
        return row[offset : axdr.skip(row, offset)]

    def _array(self, numbers: range | list[int], columns: range | list[int]) -> bytes:
        head = b"\x01" + axdr.length(len(numbers))
        width = len(self._layout.columns)
        if len(columns) == width:
            return head + self._whole(numbers)
        start = b"\x02" + axdr.length(len(columns))
        if self._many is None and numbers:
            spans = self._spans(self.row(numbers[0]))
            chosen = [spans[column] for column in columns]
            return head + b"".join([start + b"".join([row[a:b] for a, b in chosen]) for row in map(self.row, numbers)])
        return head + b"".join(
            [
                start + b"".join([row[a:b] for a, b in map(self._spans(row).__getitem__, columns)])
                for row in map(self.row, numbers)
            ]
        )

    def _whole(self, numbers: range | list[int]) -> bytes:
        """Rows as they are; a run of them from a ring that has not turned is one slice."""
        if isinstance(numbers, range) and numbers.step == 1 and self._many is None and not self._first:
            return bytes(self._ring[numbers.start * self._size : numbers.stop * self._size])
        return b"".join([self.row(number) for number in numbers])

    def _spans(self, row: bytes) -> list[tuple[int, int]]:
        spans: list[tuple[int, int]] = []
        offset = len(self._layout.header)
        for _ in self._layout.columns:
            end = axdr.skip(row, offset)
            spans.append((offset, end))
            offset = end
        return spans


def _integer(data: Data) -> int:
    if data.tag not in _INTEGERS:
        raise AccessRefused(DataAccessResult.TYPE_UNMATCHED)
    return cast(int, data.value)
