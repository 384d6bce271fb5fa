"""``smets1 read``: the object list, one object or attribute, or a profile of a meter, for people and for programs."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.axdr import CompactArray, Data
from protocols.dlms.client import Attribute, Column, Refused, by_entry, by_range
from protocols.dlms.enums import Tag
from protocols.errors import DecodeError
from rigs.client import ClientError, DlmsClient
from rigs.cosem_text import Scaler, attribute_name, class_name, json_value, value_text
from rigs.read_options import Output, ReadOptions, date_time_octets, logical_name, utc_seconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rigs.client.client import Progress as Told

OBJECT_LIST = Attribute(15, obis.parse("0-0:40.0.0.255"), 2)
_PROFILE, _BUFFER, _COLUMNS = 7, 2, 3
_CLOCK, _DATA = 8, 1
_SCALED = {(3, 2): 3, (4, 2): 3, (5, 2): 4, (5, 3): 4, (9000, 2): 3, (9000, 4): 5}
"""Attributes with a scaler, and the attribute that holds it, by class."""
_READABLE, _WRITABLE = (1, 3, 4, 6), (2, 3, 5, 6)
_WHAT = re.compile(
    r"(?:(?P<cls>\d{1,5})/)?(?P<name>\d+[-.]\d+[:.]\d+\.\d+\.\d+(?:[.*]\d+)?)(?::(?P<attribute>-?\d{1,3}))?"
)


class Listed(NamedTuple):
    """An object of the object list: class, version, logical name, access mode by attribute, methods.

    Modes are ``bits`` in associations (class 15) of version 3, an enumeration in those before.
    """

    class_id: int
    version: int
    logical_name: bytes
    attributes: dict[int, int]
    methods: tuple[int, ...]
    bits: bool = False

    @property
    def readable(self) -> list[int]:
        """Attributes that may be read."""
        return [index for index, mode in self.attributes.items() if (mode & 1 if self.bits else mode in _READABLE)]

    @property
    def writable(self) -> list[int]:
        """Attributes that may be written."""
        return [index for index, mode in self.attributes.items() if (mode & 2 if self.bits else mode in _WRITABLE)]


@dataclass(frozen=True, slots=True)
class Value:
    """What came of reading an attribute: Data and its scaler, or why there is none."""

    index: int
    data: Data | None
    scaler: Scaler | None = None
    why: str = ""

    @property
    def type(self) -> str:
        """Name of its data type."""
        return "" if self.data is None else _type_name(self.data)

    @property
    def text(self) -> str:
        """The value with its unit, or why there is none."""
        return self.why if self.data is None else value_text(self.data, self.scaler)

    def json(self) -> dict[str, object]:
        """The same for programs."""
        if self.data is None:
            return {"error": self.why}
        unit = self.scaler.text if self.scaler is not None else None
        return {"type": self.type, "value": json_value(self.data, self.scaler), "unit": unit}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a person asks for; None where they leave it to the object list."""

    class_id: int | None
    logical_name: bytes
    attribute: int | None


def parse_what(text: str) -> Wanted:
    """``[class/]logical name[:attribute]``; raises ClientError that says how to write it."""
    found = _WHAT.fullmatch(text.strip())
    if found is None:
        raise ClientError(f"{text}: write list, 1-0:1.8.0, 1-0:1.8.0:2 or 3/1-0:1.8.0.255:2")
    name = logical_name(text, found["name"])
    attribute = int(found["attribute"]) if found["attribute"] else None
    if attribute is not None and not -128 <= attribute <= 127:
        raise ClientError(f"{text}: attribute {attribute}; those of an object are 1 to 127")
    class_id = int(found["cls"]) if found["cls"] else None
    if class_id is not None and class_id > 0xFFFF:
        raise ClientError(f"{text}: class {class_id}; at most 65535")
    return Wanted(class_id, name, attribute)


async def run_read(port: str, options: ReadOptions, console: Console) -> int:
    """Do what ``smets1 read PORT WHAT`` says and write it on ``console``; the exit code.

    Progress goes to standard error. Raises ClientError and PortError, one line each.
    """
    wanted = None if options.what == "list" else parse_what(options.what)
    client_options = options.client_options()
    async with DlmsClient.open(port, client_options) as meter:
        reading = _Reading(meter, options, console)
        if wanted is None:
            await reading.list_objects()
        else:
            await reading.read(wanted)
    return 0


class _Reading:
    def __init__(self, meter: DlmsClient, options: ReadOptions, console: Console) -> None:
        self._meter = meter
        self._options = options
        self._console = console
        self._known: dict[Attribute, Data] = {}

    # -- the object list ---------------------------------------------------------------------------------------------

    async def list_objects(self) -> None:
        objects = await self._objects()
        match self._options.output:
            case Output.JSON:
                self._json([_listed_json(item) for item in objects])
            case Output.CSV:
                header = ("class", "version", "logical name", "readable", "writable", "methods")
                self._csv(header, ((item.class_id, item.version, *_listed_texts(item)) for item in objects))
            case Output.TABLE:
                table = Table(title=f"{len(objects)} objects for client {self._options.client}")
                for heading in ("Class", "Logical name", "Read", "Write", "Methods"):
                    table.add_column(heading)
                for item in objects:
                    name = f"{class_name(item.class_id, item.version)} ({item.class_id}, v{item.version})"
                    table.add_row(name, *_listed_texts(item))
                self._console.print(table)

    async def _objects(self) -> list[Listed]:
        with self._progress("object list") as told:
            encoded = await self._meter.get(OBJECT_LIST, progress=told)
        return listed_objects(str(self._meter.port), encoded)

    # -- objects and attributes --------------------------------------------------------------------------------------

    async def read(self, wanted: Wanted) -> None:
        options = self._options
        class_id, attribute = wanted.class_id, wanted.attribute
        version: int | None = None
        indices: Sequence[int] = () if attribute is None else (attribute,)
        if class_id is None or (attribute is None and class_id != _PROFILE):
            found = _find(await self._objects(), wanted)
            class_id, version = found.class_id, found.version
            indices = indices or found.readable
        if class_id == _PROFILE and attribute in (None, _BUFFER):
            await self._profile(wanted.logical_name)
            return
        if options.entries or options.since or options.until:
            raise ClientError(f"{options.what}: rows and times can be picked from a profile (class 7) only")
        values: list[Value] = []
        for index in indices:
            try:
                data = await self._get(Attribute(class_id, wanted.logical_name, index))
            except ClientError as error:
                if attribute is not None or not isinstance(error.__cause__, Refused):
                    raise
                values.append(Value(index, None, None, str(error.__cause__)))
            else:
                values.append(Value(index, data, await self._scaler(class_id, wanted.logical_name, index)))
        self._show(class_id, version, wanted.logical_name, values)

    async def _get(self, attribute: Attribute) -> Data:
        if attribute not in self._known:
            with self._progress(str(attribute)) as told:
                self._known[attribute] = _decoded(await self._meter.get(attribute, progress=told), str(attribute))
        return self._known[attribute]

    async def _scaler(self, class_id: int, name: bytes, index: int) -> Scaler | None:
        """The scaler of an attribute; None without one, or when it may not be read."""
        holder = _SCALED.get((class_id, index))
        if holder is None:
            return None
        try:
            return Scaler.of(await self._get(Attribute(class_id, name, holder)))
        except ClientError as error:
            if isinstance(error.__cause__, Refused):
                return None
            raise

    def _show(self, class_id: int, version: int | None, name: bytes, values: Sequence[Value]) -> None:
        match self._options.output:
            case Output.JSON:
                attributes = [
                    {"index": value.index, "name": attribute_name(class_id, value.index, version), **value.json()}
                    for value in values
                ]
                self._json({"class": class_id, "logical_name": obis.text(name), "attributes": attributes})
            case Output.CSV:
                rows = (
                    (value.index, attribute_name(class_id, value.index, version), value.type, value.text)
                    for value in values
                )
                self._csv(("attribute", "name", "type", "value"), rows)
            case Output.TABLE:
                table = Table(title=f"{class_name(class_id, version)} {obis.text(name)}", title_justify="left")
                for heading in ("Attribute", "Type", "Value"):
                    table.add_column(heading, overflow="fold")
                for value in values:
                    label = f"{value.index} {attribute_name(class_id, value.index, version)}"
                    table.add_row(label, value.type, value.text)
                self._console.print(table)

    # -- profiles ----------------------------------------------------------------------------------------------------

    async def _profile(self, name: bytes) -> None:
        columns = _columns(await self._get(Attribute(_PROFILE, name, _COLUMNS)), obis.text(name))
        selection = self._selection(columns)
        scalers = [await self._column_scaler(column) for column in columns]
        with self._progress(f"profile {obis.text(name)}") as told:
            encoded = await self._meter.get(Attribute(_PROFILE, name, _BUFFER), selection, progress=told)
        rows = [_elements(row) for row in _elements(_decoded(encoded, obis.text(name)))]
        for row in rows:
            if len(row) != len(columns):
                raise ClientError(f"{obis.text(name)}: a row of {len(row)} columns, {len(columns)} were announced")
        _fill(rows, columns)
        headings = [_heading(column, scaler) for column, scaler in zip(columns, scalers, strict=True)]
        match self._options.output:
            case Output.JSON:
                values = [[json_value(item, scaler) for item, scaler in zip(row, scalers, strict=True)] for row in rows]
                self._json({"columns": headings, "rows": values})
            case Output.CSV:
                self._csv(headings, (_row_texts(row, scalers) for row in rows))
            case Output.TABLE:
                table = Table(title=f"{obis.text(name)}: {len(rows)} rows", title_justify="left")
                for heading, scaler in zip(headings, scalers, strict=True):
                    table.add_column(heading, justify="left" if scaler is None else "right")
                for row in rows:
                    table.add_row(*_row_texts(row, scalers))
                self._console.print(table)

    def _selection(self, columns: Sequence[Column]) -> bytes | None:
        entries, times = self._options.entry_range(), self._options.time_range()
        if entries is not None and times is not None:
            raise ClientError("--entries and --from or --to: pick rows by number or by time, not both")
        if entries is not None:
            return by_entry(*entries)
        if times is None:
            return None
        start, end = times
        first = columns[0] if columns else None
        if first is not None and first.class_id == _CLOCK:
            encoded = (axdr.octets(date_time_octets(start)), axdr.octets(date_time_octets(end)))
        elif first is not None and first.class_id == _DATA:
            encoded = (axdr.u32(utc_seconds(start)), axdr.u32(utc_seconds(end)))
        else:
            raise ClientError(f"{self._options.what}: the first column is no time; pick rows by --entries")
        return by_range(*encoded, restricting=first)

    async def _column_scaler(self, column: Column) -> Scaler | None:
        if column.data_index:
            return None
        return await self._scaler(column.class_id, column.logical_name, column.attribute)

    # -- output ------------------------------------------------------------------------------------------------------

    def _json(self, value: object) -> None:
        json.dump(value, self._console.file, indent=2, ensure_ascii=False)
        self._console.file.write("\n")

    def _csv(self, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        writer = csv.writer(self._console.file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)

    @contextmanager
    def _progress(self, what: str) -> Iterator[Told]:
        """A line on standard error, while it is a terminal, that tells how much has come."""
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[much]}"),
            TimeElapsedColumn(),
        )
        screen = Console(stderr=True)
        if not screen.is_terminal:
            yield _untold
            return
        with Progress(*columns, console=screen, transient=True) as progress:
            task = progress.add_task(what, total=None, much="")

            def told(octets: int, blocks: int) -> None:
                progress.update(task, much=f"{octets:,} octets in {blocks} blocks" if octets else "")

            yield told


def listed_objects(port: str, encoded: bytes) -> list[Listed]:
    """The objects of an encoded object list that was read at ``port``; raises ClientError."""
    data = _decoded(encoded, str(OBJECT_LIST))
    try:
        objects = [_listed(item) for item in _elements(data)]
    except (DecodeError, ValueError, TypeError) as error:
        raise ClientError(f"{port}: the object list cannot be read: {error}") from error
    version = next((item.version for item in objects if item.logical_name == OBJECT_LIST.logical_name), 0)
    return [item._replace(bits=version >= 3) for item in objects]


def _untold(_octets: int, _blocks: int) -> None:
    """Progress that nobody watches."""


def _decoded(encoded: bytes, what: str) -> Data:
    try:
        return axdr.decode_all(encoded)
    except DecodeError as error:
        raise ClientError(f"{what}: the answer cannot be read: {error}") from error


def _elements(data: Data) -> list[Data]:
    """What an array, structure or compact array holds; ClientError for anything else."""
    match data.value:
        case CompactArray():
            try:
                return list(data.value.elements())
            except DecodeError as error:
                raise ClientError(f"a compact array cannot be read: {error}") from error
        case tuple() if data.tag in (Tag.ARRAY, Tag.STRUCTURE):
            return [item for item in data.value if isinstance(item, Data)]
        case _:
            raise ClientError(f"{_type_name(data)} where an array or structure was expected")


def _listed(data: Data) -> Listed:
    class_id, version, name, rights = _elements(data)
    attributes, methods = _elements(rights)
    modes = [_elements(item) for item in _elements(attributes)]
    return Listed(
        _integer(class_id),
        _integer(version),
        _octets(name),
        {_integer(mode[0]): _integer(mode[1]) for mode in modes},
        tuple(_integer(mode[0]) for mode in (_elements(item) for item in _elements(methods)) if _integer(mode[1])),
    )


def _columns(data: Data, name: str) -> list[Column]:
    try:
        found: list[Column] = []
        for item in _elements(data):
            class_id, logical, attribute, index = _elements(item)
            found.append(Column(_integer(class_id), _octets(logical), _integer(attribute), _integer(index)))
        return found
    except (ValueError, TypeError) as error:
        raise ClientError(f"{name}: its columns cannot be read: {error}") from error


def _integer(data: Data) -> int:
    if not isinstance(data.value, int):
        raise TypeError(f"{_type_name(data)} where a number was expected")
    return data.value


def _octets(data: Data) -> bytes:
    if not isinstance(data.value, bytes) or len(data.value) != obis.OCTETS:
        raise TypeError(f"{_type_name(data)} where a logical name was expected")
    return data.value


def _find(objects: Sequence[Listed], wanted: Wanted) -> Listed:
    matching = [
        item
        for item in objects
        if item.logical_name == wanted.logical_name and wanted.class_id in (None, item.class_id)
    ]
    if matching:
        return matching[0]
    name = obis.text(wanted.logical_name)
    classes = sorted(str(item.class_id) for item in objects if item.logical_name == wanted.logical_name)
    if classes:
        raise ClientError(f"{wanted.class_id}/{name}: not of that class, but of {', '.join(classes)}")
    raise ClientError(f"{name}: not in the object list of this association, which `list` shows")


def _fill(rows: list[list[Data]], columns: Sequence[Column]) -> None:
    """Put the value above where a row has null in place of one that repeats; a time never repeats."""
    for above, row in pairwise(rows):
        for index, column in enumerate(columns):
            if row[index].tag == Tag.NULL and column.class_id != _CLOCK:
                row[index] = above[index]


def _row_texts(row: Sequence[Data], scalers: Sequence[Scaler | None]) -> list[str]:
    """Cells of a row; units stand in the headings."""
    return [
        value_text(item) if scaler is None else value_text(item, Scaler(scaler.power, 255))
        for item, scaler in zip(row, scalers, strict=True)
    ]


def _heading(column: Column, scaler: Scaler | None) -> str:
    name = "time" if column.class_id == _CLOCK else f"{obis.text(column.logical_name)}:{column.attribute}"
    if column.data_index:
        name += f"[{column.data_index}]"
    return f"{name} {scaler.text}".rstrip() if scaler is not None else name


def _listed_texts(item: Listed) -> tuple[str, str, str, str]:
    return obis.text(item.logical_name), _numbers(item.readable), _numbers(item.writable), _numbers(item.methods)


def _listed_json(item: Listed) -> dict[str, object]:
    return {
        "class": item.class_id,
        "version": item.version,
        "class_name": class_name(item.class_id, item.version),
        "logical_name": obis.text(item.logical_name),
        "attributes": {str(index): mode for index, mode in item.attributes.items()},
        "methods": list(item.methods),
    }


def _numbers(numbers: Iterable[int]) -> str:
    """``1-3 5`` of 1, 2, 3 and 5."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return " ".join(str(part[0]) if len(part) == 1 else f"{part[0]}-{part[-1]}" for part in parts)


def _type_name(data: Data) -> str:
    return Tag(data.tag).name.lower().replace("_", "-")
