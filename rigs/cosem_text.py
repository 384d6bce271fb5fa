"""COSEM values as text for people: dates, octets, scaled numbers, objects and attributes by name."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from emulator.cosem.classes import CLASSES
from emulator.cosem.model import InterfaceClass
from protocols import obis
from protocols.dlms.axdr import BitString, CompactArray, Data
from protocols.dlms.datetime import DEVIATION_UNSPECIFIED, STATUS_INVALID, deviation_of
from protocols.dlms.enums import Tag
from protocols.dlms.units import unit_text

_DATE_TIME, _DATE, _TIME = 12, 5, 4
_ANY = 0xFF
_YEARS = range(1970, 2201)
_MONTHS = {0xFD: "DST end", 0xFE: "DST begin"}
_DAYS = {0xFD: "second last", 0xFE: "last"}


class Scaler(NamedTuple):
    """scaler_unit of a register: the value is multiplied by ten to the ``power``."""

    power: int
    unit: int

    @classmethod
    def of(cls, data: Data) -> Scaler | None:
        """From the attribute's Data; None when it is not one."""
        match data.value:
            case (Data(Tag.INT8, int(power)), Data(Tag.ENUM, int(unit))):
                return cls(power, unit)
            case _:
                return None

    def apply(self, value: int | float) -> Decimal:
        """The value in the unit."""
        return Decimal(str(value)).scaleb(self.power)

    @property
    def text(self) -> str:
        """The unit."""
        return unit_text(self.unit)


def value_text(data: Data, scaler: Scaler | None = None) -> str:
    """One value; arrays and structures in brackets. A number with its unit where a scaler is given."""
    value = data.value
    match value:
        case None:
            return "-"
        case int() if data.tag == Tag.BOOLEAN:
            return "yes" if value else "no"
        case int() | float():
            return str(value) if scaler is None else f"{number_text(scaler.apply(value))} {scaler.text}".rstrip()
        case bytes():
            return octets_text(value, dated=data.tag in (Tag.DATE_TIME, Tag.DATE, Tag.TIME))
        case BitString():
            return str(value)
        case CompactArray():
            return f"[{', '.join(value_text(item) for item in value.elements())}]"
        case tuple():
            brackets = "[]" if data.tag == Tag.ARRAY else "()"
            return f"{brackets[0]}{', '.join(value_text(item) for item in value)}{brackets[1]}"
        case _:
            return str(value)


def json_value(data: Data, scaler: Scaler | None = None) -> object:
    """The same for programs: numbers stay numbers, arrays and structures lists, octets and dates text."""
    value = data.value
    match value:
        case int() if data.tag == Tag.BOOLEAN:
            return bool(value)
        case int() | float():
            if scaler is None:
                return value
            scaled = scaler.apply(value)
            return int(scaled) if scaled == scaled.to_integral_value() else float(scaled)
        case CompactArray():
            return [json_value(item) for item in value.elements()]
        case BitString() | bytes():
            return value_text(data)
        case tuple():
            return [json_value(item) for item in value]
        case _:
            return value


def number_text(value: Decimal) -> str:
    """Without exponent."""
    return f"{value:f}"


def octets_text(octets: bytes, *, dated: bool = False) -> str:
    """Date and time, logical name or plain text where the octets look like that, otherwise hexadecimal.

    Where the octets are known to be ``dated`` by their type, four and five of them are a time or a date too.
    """
    if len(octets) == _DATE_TIME and (text := _date_time_text(octets)) is not None:
        return text
    if dated and len(octets) == _DATE and (text := _date_text(octets)) is not None:
        return text
    if dated and len(octets) == _TIME:
        return _time_text(octets)
    if octets and all(0x20 <= octet < 0x7F for octet in octets):
        return octets.decode("ascii")
    if len(octets) == obis.OCTETS and octets[5] == _ANY:
        return obis.text(octets)
    return octets.hex(" ").upper()


def class_name(class_id: int, version: int | None = None) -> str:
    """Name of an interface class, ``class N`` for one that is not known."""
    found = _class(class_id, version)
    return f"class {class_id}" if found is None else found.name


def attribute_name(class_id: int, index: int, version: int | None = None) -> str:
    """Name of an attribute, ``attribute N`` where it is not known."""
    if index == 1:
        return "logical_name"
    found = _class(class_id, version)
    for attribute in found.attributes if found is not None else ():
        if attribute.index == index:
            return attribute.name
    return f"attribute {index}"


def method_name(class_id: int, index: int, version: int | None = None) -> str:
    """Name of a method, ``method N`` where it is not known."""
    found = _class(class_id, version)
    for method in found.methods if found is not None else ():
        if method.index == index:
            return method.name
    return f"method {index}"


def _class(class_id: int, version: int | None) -> InterfaceClass | None:
    if version is not None:
        return CLASSES.get((class_id, version))
    return next((item for (number, _), item in CLASSES.items() if number == class_id), None)


def _date_time_text(octets: bytes) -> str | None:
    if octets[:9].strip(b"\xff") == b"":
        return "not specified"
    date = _date_text(octets[:5])
    hour, minute, second, hundredths = octets[5:9]
    if date is None or not (_fits(hour, 23) and _fits(minute, 59) and _fits(second, 59) and _fits(hundredths, 99)):
        return None
    deviation = deviation_of(octets)
    if deviation is not None and not -720 <= deviation <= 840:
        return None
    text = f"{date} {_time_text(octets[5:9])}"
    if deviation is not None and deviation != DEVIATION_UNSPECIFIED:
        sign = "-" if deviation > 0 else "+"
        text += f" {sign}{abs(deviation) // 60:02}:{abs(deviation) % 60:02}"
    if octets[11] != _ANY and octets[11] & STATUS_INVALID:
        text += " (invalid)"
    return text


def _date_text(octets: bytes) -> str | None:
    year, month, day, weekday = int.from_bytes(octets[:2], "big"), octets[2], octets[3], octets[4]
    if year != 0xFFFF and year not in _YEARS:
        return None
    if not (1 <= month <= 12 or month in (_ANY, *_MONTHS)) or not (1 <= day <= 31 or day in (_ANY, *_DAYS)):
        return None
    if not (weekday <= 7 or weekday == _ANY):
        return None
    year_text = "*" if year == 0xFFFF else str(year)
    return f"{year_text}-{_part(month, _MONTHS)}-{_part(day, _DAYS)}"


def _time_text(octets: bytes) -> str:
    text = ":".join(_part(octet, {}) for octet in octets[:3])
    return text if octets[3] in (0, _ANY) else f"{text}.{octets[3]:02}"


def _part(value: int, named: dict[int, str]) -> str:
    return named.get(value) or ("*" if value == _ANY else f"{value:02}")


def _fits(value: int, most: int) -> bool:
    return value <= most or value == _ANY
