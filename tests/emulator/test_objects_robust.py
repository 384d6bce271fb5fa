"""Whatever a client with every right sets and runs, a meter refuses or goes on; nothing else comes out of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.cosem.view import AssociationView
from emulator.electricity import ElectricityMeter
from emulator.load import MICRO, Steps
from emulator.supply import Way
from emulator.time import DAY, HOUR, SECOND, Clock
from firmware_profiles.loader import load
from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.objects import AccessRefused
from protocols.dlms.types import DataType, parse_type

START = 1_767_225_600 * SECOND
MODEL = load("electricity-base").model
NAMES = sorted(item.logical_name for item in MODEL.objects.values())
TABLES = [obis.parse(text) for text in ("0-0:10.0.100", "0-0:10.0.106", "0-0:10.0.1", "0-0:10.0.107")]
BITS = {"u8": 8, "u16": 16, "u32": 32, "u64": 64, "enum": 8, "i8": 7, "i16": 15, "i32": 31, "i64": 63}
PATTERN = st.sampled_from([0xFF, 0xFE, 0xFD, 0, 1, 2, 3, 7, 10, 12, 23, 30, 59, 60])


def some(data_type: DataType, depth: int = 0) -> st.SearchStrategy[Any]:
    """Plain values of a type, those that mean something among them."""
    text = data_type.text
    element, fields = getattr(data_type, "element", None), getattr(data_type, "fields", None)
    if element is not None:
        return st.lists(some(element, depth + 1), max_size=3)
    if fields is not None:
        return st.tuples(*(some(field, depth + 1) for field in fields)).map(list)
    if text in BITS:
        low = -(1 << BITS[text]) if text.startswith("i") else 0
        return st.sampled_from([0, 1, 2, 3, 22, 70]).filter(lambda n: n < 1 << BITS[text]) | st.integers(
            low, (1 << BITS[text]) - 1
        )
    if text == "bool":
        return st.booleans()
    if text.startswith("bits"):
        return st.text("01", min_size=int(text[4:] or 0), max_size=int(text[4:] or 9))
    if text == "oct6":
        return st.sampled_from(TABLES) | st.sampled_from(NAMES)
    if text == "oct12":
        dates = st.tuples(st.sampled_from([b"\x07\xea", b"\xff\xff", b"\x07\xeb"]), st.binary(min_size=10, max_size=10))
        return dates.map(b"".join) | st.lists(PATTERN, min_size=12, max_size=12).map(bytes) | st.just(b"\xff" * 12)
    if text.startswith("oct") and text[3:]:
        size = int(text[3:])
        return st.lists(PATTERN, min_size=size, max_size=size).map(bytes) | st.just(b"\xff" * size)
    if text == "oct":
        return st.sampled_from([b"", b"R1", b"R2", b"W", b"S"]) | st.binary(max_size=40)
    if text == "any":
        return st.none() | st.integers(-128, 127).map(lambda n: {"i8": n}) | st.just({"oct": "R3"})
    return st.just("x")


SETTABLE = [
    (key + bytes((index,)), attribute.type)
    for key, item in MODEL.objects.items()
    for index, attribute in item.attributes.items()
    if attribute.write is not None
]
RUNNABLE = [
    (key + bytes((index,)), method.type)
    for key, item in MODEL.objects.items()
    for index, method in item.methods.items()
]


@st.composite
def deeds(draw: st.DrawFn) -> tuple[str, Any, Any]:
    kind = draw(st.sampled_from(["set", "set", "run", "run", "wait", "power", "button", "select", "tamper"]))
    if kind == "set":
        descriptor, data_type = draw(st.sampled_from(SETTABLE))
        return kind, descriptor, data_type.encode(draw(some(data_type)))
    if kind == "run":
        descriptor, parameter = draw(st.sampled_from(RUNNABLE))
        return kind, descriptor, parameter.encode(draw(some(parameter))) if parameter else None
    if kind == "select":
        text = draw(st.sampled_from(["st{st{u16,oct6,i8,u16},any,any,arr st{u16,oct6,i8,u16}}", "st{u32,u32,u16,u16}"]))
        selector = b"\x01" if "any" in text else b"\x02"
        return kind, draw(st.sampled_from(NAMES)), selector + parse_type(text).encode(draw(some(parse_type(text))))
    return kind, draw(st.integers(1, 3 * DAY)), None


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(deeds(), min_size=1, max_size=15))
def test_a_meter_survives_its_client(
    new_esme: Callable[..., ElectricityMeter], done: list[tuple[str, Any, Any]]
) -> None:
    survive(new_esme, done)


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=1000, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(deeds(), min_size=1, max_size=15))
def test_a_meter_survives_many_clients(
    new_esme: Callable[..., ElectricityMeter], done: list[tuple[str, Any, Any]]
) -> None:
    survive(new_esme, done)


def survive(new_esme: Callable[..., ElectricityMeter], done: list[tuple[str, Any, Any]]) -> None:
    """Do it all, refused or not, then read everything there is."""
    clock = Clock(START)
    meter = new_esme(clock, Steps([START, START + HOUR], [500 * MICRO, 9000 * MICRO]))
    view = meter.internal
    reader = AssociationView(meter, MODEL, MODEL.by_name["management"], None)
    for kind, what, value in done:
        try:
            match kind:
                case "set":
                    meter.settle()
                    view.write(what, value)
                case "run":
                    meter.settle()
                    view.execute(what, value)
                case "select":
                    reader.get(b"\x00\x07" + what + b"\x02", value)
                case "power":
                    meter.power_off() if meter.mains else meter.power_on()
                case "tamper":
                    meter.close_cover() if meter.open_covers else meter.open_cover()
                    meter.set_voltage(what % 3000)
                    meter.watchdog()
                case "button":
                    meter.settle()
                    meter.switch.disconnect(Way.MANUAL)
                    meter.press_button()
                case _:
                    clock.advance_to(clock.now + what)
        except AccessRefused:
            pass
    clock.advance_to(clock.now + DAY)
    meter.settle()
    for item in MODEL.objects.values():
        for attribute in item.attributes.values():
            data = axdr.decode_all(attribute.read(reader))
            assert attribute.type.check(data), f"{item.title} attribute {attribute.index}"
