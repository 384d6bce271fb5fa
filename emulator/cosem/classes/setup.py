"""Communication set-up: local port, HDLC, push, TCP-UDP, SAP assignment (classes 19, 23, 40, 41, 17).

What a client sets here is stored; limits that a running link uses are those of the profile until the next start of
the device, as on hardware that reads them at boot.
"""

from __future__ import annotations

from emulator.cosem.binding import part_method, quantity_getter
from emulator.cosem.model import Attribute, Binding, InterfaceClass, Invoker, Method
from emulator.cosem.view import View
from emulator.push import PushSetup
from protocols.dlms.axdr import Data

PUSH_OBJECTS = "arr st{u16,oct6,i8,u16}"
DESTINATION = "st{enum,oct,enum}"
WINDOW = "arr st{oct12,oct12}"


def _connect(_binding: Binding) -> Invoker:
    """connect_logical_device has nothing to do where every SAP is always connected."""

    def invoke(_view: View, _value: Data | None) -> None:
        return None

    return invoke


def _push(view: View, setup: PushSetup, _value: object) -> None:
    setup.push(view)


def _push_attributes(version: int) -> tuple[Attribute, ...]:
    common = (
        Attribute(2, "push_object_list", PUSH_OBJECTS, default=[]),
        Attribute(3, "send_destination_and_method", DESTINATION, default=[0, b"", 0]),
        Attribute(4, "communication_window", WINDOW, default=[]),
        Attribute(5, "randomisation_start_interval", "u16", default=0),
        Attribute(6, "number_of_retries", "u8", default=0),
        Attribute(7, "repetition_delay", "u16" if version < 2 else "st{u16,u16,u16}", default=0 if version < 2 else [0, 0, 0]),
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
    return InterfaceClass(
        40, version, "Push setup", _push_attributes(version), (Method(1, "push", "i8", part_method(PushSetup, "i8", _push)),)
    )


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
            Attribute(2, "default_mode", "enum"),
            Attribute(3, "default_baud", "enum"),
            Attribute(4, "prop_baud", "enum"),
            Attribute(5, "response_time", "enum"),
            Attribute(6, "device_addr", "oct"),
            Attribute(7, "pass_p1", "oct"),
            Attribute(8, "pass_p2", "oct"),
            Attribute(9, "pass_w5", "oct"),
        ),
    ),
    InterfaceClass(
        23,
        1,
        "IEC HDLC setup",
        (
            Attribute(2, "comm_speed", "enum"),
            Attribute(3, "window_size_transmit", "u8"),
            Attribute(4, "window_size_receive", "u8"),
            Attribute(5, "max_info_field_length_transmit", "u16"),
            Attribute(6, "max_info_field_length_receive", "u16"),
            Attribute(7, "inter_octet_time_out", "u16"),
            Attribute(8, "inactivity_time_out", "u16"),
            Attribute(9, "device_address", "u16"),
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
            Attribute(5, "nb_of_sim_conn", "u8", default=1),
            Attribute(6, "inactivity_time_out", "u16", default=120),
        ),
    ),
)
