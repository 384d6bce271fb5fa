"""Communication set-up: local port, HDLC, push, TCP-UDP, SAP assignment (classes 19, 23, 40, 41, 17).

What a client sets here is stored; a running link keeps the limits it was started with until the device starts again,
as on hardware that reads them at boot (see :mod:`emulator.ports`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulator.cosem.binding import quantity_getter
from emulator.cosem.encoding import encoder
from emulator.cosem.model import (
    Attribute,
    Binding,
    Getter,
    InterfaceClass,
    Invoker,
    Method,
    Setter,
    attribute_key,
    stored_setter,
)
from emulator.cosem.view import View
from emulator.firmware import BAUD_RATES, FirmwareProfile, HdlcSettings, OpticalSettings
from emulator.push import PushSetup
from protocols.dlms.axdr import Data
from protocols.dlms.types import parse_type

PUSH_OBJECTS = "arr st{u16,oct6,i8,u16}"
DESTINATION = "st{enum,oct,enum}"
WINDOW = "arr st{oct12,oct12}"

_INTER_OCTET_DEFAULT = 25  # ms, of class 23; what a port that does not enforce it still says


def _setting(index: int, name: str, type_text: str, start: Callable[[FirmwareProfile], int]) -> Attribute:
    """An attribute that a client may set and that starts as the profile's port settings have it.

    ``start`` raises LookupError for a device without such a port, which makes the attribute 0.
    """
    encode, data_type = encoder(type_text), parse_type(type_text)

    def bind(binding: Binding) -> Getter:
        key = attribute_key(binding, index)
        given: Any = binding.spec.values.get(name)
        fixed = None if given is None else data_type.encode(given)

        def read(view: View) -> bytes:
            stored = view.device.values.get(key, fixed)
            if stored is not None:
                return stored
            try:
                return encode(start(view.device.firmware))
            except LookupError:
                return encode(0)

        return read

    def bind_setter(binding: Binding) -> Setter:
        return stored_setter(attribute_key(binding, index))

    return Attribute(index, name, type_text, bind, bind_setter)


def _hdlc(firmware: FirmwareProfile) -> HdlcSettings:
    settings = firmware.local or firmware.wan
    if settings is None:
        raise LookupError("no serial port")
    return settings


def _optical(firmware: FirmwareProfile) -> OpticalSettings:
    if firmware.optical is None:
        raise LookupError("no optical port")
    return firmware.optical


def _proposed_baud(firmware: FirmwareProfile) -> int:
    """prop_baud: the rate the identification message offers; letters are mode B's, counted from 600 Bd."""
    code = _optical(firmware).baud_code
    return int(code) if code.isdigit() else max(0, ord(code) - ord("A") + 1)


def _connect(_binding: Binding) -> Invoker:
    """connect_logical_device has nothing to do where every SAP is always connected."""

    def invoke(_view: View, _value: Data | None) -> None:
        return None

    return invoke


def _push(binding: Binding) -> Invoker:
    setup = PushSetup(binding.spec.logical_name)

    def invoke(view: View, _value: Data | None) -> None:
        setup.push(view.device)

    return invoke


def _push_attributes(version: int) -> tuple[Attribute, ...]:
    common = (
        Attribute(2, "push_object_list", PUSH_OBJECTS, default=[]),
        Attribute(3, "send_destination_and_method", DESTINATION, default=[0, b"", 0]),
        Attribute(4, "communication_window", WINDOW, default=[]),
        Attribute(5, "randomisation_start_interval", "u16", default=0),
        Attribute(6, "number_of_retries", "u8", default=0),
        Attribute(
            7, "repetition_delay", "u16" if version < 2 else "st{u16,u16,u16}", default=0 if version < 2 else [0, 0, 0]
        ),
    )
    if version == 0:
        return common
    later = (
        Attribute(8, "port_reference", "oct6", default=bytes(6)),
        Attribute(9, "push_client_SAP", "i8", default=16),
        Attribute(10, "push_protection_parameters", "any", default={"arr u8": []}),
    )
    if version == 1:
        return common + later
    return (
        *common,
        *later,
        Attribute(11, "push_operation_method", "enum", default=0),
        Attribute(12, "confirmation_parameters", "st{oct12,u32}", default=[bytes(12), 0]),
        Attribute(13, "last_confirmation_date_time", "oct12", default=bytes(12)),
    )


def _push_class(version: int) -> InterfaceClass:
    return InterfaceClass(40, version, "Push setup", _push_attributes(version), (Method(1, "push", "i8", _push),))


CLASSES = (
    InterfaceClass(
        17,
        0,
        "SAP assignment",
        (Attribute(2, "SAP_assignment_list", "arr st{u16,oct}", quantity_getter),),
        (Method(1, "connect_logical_device", "st{u16,oct}", _connect),),
    ),
    InterfaceClass(
        19,
        1,
        "IEC local port setup",
        (
            Attribute(2, "default_mode", "enum", default=0),
            _setting(3, "default_baud", "enum", lambda _firmware: 0),
            _setting(4, "prop_baud", "enum", _proposed_baud),
            _setting(5, "response_time", "enum", lambda firmware: 0 if _optical(firmware).fast_reaction else 1),
            Attribute(6, "device_addr", "oct", default=""),
            Attribute(7, "pass_p1", "oct", default=""),
            Attribute(8, "pass_p2", "oct", default=""),
            Attribute(9, "pass_w5", "oct", default=""),
        ),
    ),
    InterfaceClass(
        23,
        1,
        "IEC HDLC setup",
        (
            _setting(2, "comm_speed", "enum", lambda firmware: BAUD_RATES.index(_hdlc(firmware).baud)),
            _setting(3, "window_size_transmit", "u8", lambda firmware: _hdlc(firmware).limits.window_transmit),
            _setting(4, "window_size_receive", "u8", lambda firmware: _hdlc(firmware).limits.window_receive),
            _setting(
                5, "max_info_field_length_transmit", "u16", lambda firmware: _hdlc(firmware).limits.max_info_transmit
            ),
            _setting(
                6, "max_info_field_length_receive", "u16", lambda firmware: _hdlc(firmware).limits.max_info_receive
            ),
            _setting(
                7,
                "inter_octet_time_out",
                "u16",
                lambda firmware: _hdlc(firmware).inter_octet_timeout // 1_000_000 or _INTER_OCTET_DEFAULT,
            ),
            _setting(
                8,
                "inactivity_time_out",
                "u16",
                lambda firmware: _hdlc(firmware).inactivity_timeout // 1_000_000_000,
            ),
            _setting(9, "device_address", "u16", lambda firmware: _hdlc(firmware).physical_address),
        ),
    ),
    _push_class(0),
    _push_class(1),
    _push_class(2),
    InterfaceClass(
        41,
        0,
        "TCP-UDP setup",
        (
            Attribute(2, "TCP-UDP_port", "u16", default=4059),
            Attribute(3, "IP_reference", "oct6", default=bytes(6)),
            Attribute(4, "MSS", "u16", default=576),
            Attribute(5, "nb_of_sim_conn", "u8", default=64),
            Attribute(6, "inactivity_time_out", "u16", default=0),
        ),
    ),
)
