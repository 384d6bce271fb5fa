"""Association LN (class 15, versions 0 to 2)."""

from __future__ import annotations

from collections.abc import Callable

from emulator.cosem.model import Attribute, Binding, Getter, InterfaceClass, Invoker, Method, Setter
from emulator.cosem.view import View
from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.axdr import Data
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused
from protocols.dlms.types import parse_type
from protocols.errors import SecurityError

CURRENT = obis.parse("0-0:40.0.0.255")
OBJECT_LIST = "arr st{u16,u8,oct6,st{arr st{i8,enum,any},arr st{i8,enum|bool}}}"
USER = "st{u8,vis}"
DLMS_VERSION = 6

_CONTEXT_NAME = bytes.fromhex("608574050801")
_MECHANISM_NAME = bytes.fromhex("608574050802")
_octet_string = parse_type("oct")
_user = parse_type(USER)


def _index(binding: Binding) -> Callable[[View], int]:
    """Which association an object describes: the one it is read in, or the one that carries its logical name.

    A device that reads its own objects is in none: AccessRefused(object-unavailable).
    """
    name = binding.spec.logical_name
    if name == CURRENT:
        return _current
    for index, spec in enumerate(binding.associations):
        if spec.logical_name == name:
            return lambda _view: index
    raise ValueError(f"{binding.where}: no association has this logical name")


def _current(view: View) -> int:
    if view.index is None:
        raise AccessRefused(DataAccessResult.OBJECT_UNAVAILABLE)
    return view.index


def _reader(read: Callable[[View, int], bytes]) -> Callable[[Binding], Getter]:
    def bind(binding: Binding) -> Getter:
        index = _index(binding)
        return lambda view: read(view, index(view))

    return bind


def _object_list(view: View, index: int) -> bytes:
    return view.model.object_list(index)


def _partners(view: View, index: int) -> bytes:
    server = view.session.server if view.session else 1
    return axdr.structure(axdr.i8(view.model.associations[index].client), axdr.u16(server))


def _context_name(view: View, index: int) -> bytes:
    return axdr.octets(_CONTEXT_NAME + bytes((max(view.model.associations[index].contexts),)))


def _context_info(view: View, index: int) -> bytes:
    spec = view.model.associations[index]
    session = view.session if index == view.index else None
    return axdr.structure(
        axdr.bits(f"{session.conformance if session else spec.conformance:024b}"),
        axdr.u16(spec.max_receive_pdu),
        axdr.u16(min(session.client_max_pdu, 0xFFFF) if session else spec.max_send_pdu),
        axdr.u8(DLMS_VERSION),
        axdr.i8(0),
        axdr.octets(b""),
    )


def _mechanism_name(view: View, index: int) -> bytes:
    return axdr.octets(_MECHANISM_NAME + bytes((view.model.associations[index].mechanism,)))


def _secret(view: View, index: int) -> bytes:
    """The secret can be written, never read: what comes back is empty."""
    del view, index
    return axdr.octets(b"")


def _status(view: View, index: int) -> bytes:
    return axdr.enum_(view.session.state_code if view.session and index == view.index else 0)


def _security_setup(view: View, index: int) -> bytes:
    return axdr.octets(view.model.associations[index].security_setup or bytes(6))


def _users_key(binding: Binding) -> bytes:
    return b"\x00\x0f" + binding.spec.logical_name + b"\x0a"


def _user_list(binding: Binding) -> Getter:
    key = _users_key(binding)
    return lambda view: view.device.values.get(key, axdr.array([]))


def _current_user(binding: Binding) -> Getter:
    """The emulator does not follow the calling user's id, so the current user is the unnamed one."""
    del binding
    unnamed = axdr.structure(axdr.u8(0), axdr.visible(""))
    return lambda _view: unnamed


def _set_secret(binding: Binding) -> Setter:
    index = _index(binding)

    def write(view: View, value: Data, _encoded: bytes) -> None:
        view.device.security(index(view)).change_secret(_octet_string.decode(value))

    return write


def _reply_to_hls(_binding: Binding) -> Invoker:
    """Passes 3 and 4 belong to the association that is being opened; on an open one the method has no use."""

    def invoke(_view: View, _value: Data | None) -> None:
        raise AccessRefused(DataAccessResult.OTHER_REASON)

    return invoke


def _change_hls_secret(binding: Binding) -> Invoker:
    index = _index(binding)

    def invoke(view: View, value: Data | None) -> None:
        assert value is not None
        given = _octet_string.decode(value)
        state = view.device.security(index(view))
        if view.model.associations[index(view)].security_setup is None:
            state.change_secret(given)
            return
        try:
            state.change_secret(state.unwrap(given))
        except SecurityError:
            raise AccessRefused(DataAccessResult.OTHER_REASON) from None

    return invoke


def _change_users(binding: Binding, add: bool) -> Invoker:
    key = _users_key(binding)

    def invoke(view: View, value: Data | None) -> None:
        assert value is not None
        stored = axdr.decode_all(view.device.values.get(key, axdr.array([])))
        users = [axdr.encode(item) for item in stored.elements]
        user = axdr.encode(value)
        if add == (user in users):
            raise AccessRefused(DataAccessResult.OTHER_REASON)
        users = [*users, user] if add else [item for item in users if item != user]
        view.device.values[key] = axdr.array(users)

    return invoke


def _add_user(binding: Binding) -> Invoker:
    return _change_users(binding, add=True)


def _remove_user(binding: Binding) -> Invoker:
    return _change_users(binding, add=False)


def _association_class(version: int) -> InterfaceClass:
    attributes = [
        Attribute(2, "object_list", OBJECT_LIST, _reader(_object_list)),
        Attribute(3, "associated_partners_id", "st{i8,u16}", _reader(_partners)),
        Attribute(4, "application_context_name", "oct", _reader(_context_name)),
        Attribute(5, "xDLMS_context_info", "st{bits,u16,u16,u8,i8,oct}", _reader(_context_info)),
        Attribute(6, "authentication_mechanism_name", "oct", _reader(_mechanism_name)),
        Attribute(7, "secret", "oct", _reader(_secret), _set_secret),
        Attribute(8, "association_status", "enum", _reader(_status)),
    ]
    methods = [
        Method(1, "reply_to_HLS_authentication", "oct", _reply_to_hls),
        Method(2, "change_HLS_secret", "oct", _change_hls_secret),
    ]
    if version >= 1:
        attributes.append(Attribute(9, "security_setup_reference", "oct6", _reader(_security_setup)))
    if version >= 2:
        attributes.append(Attribute(10, "user_list", f"arr {USER}", _user_list))
        attributes.append(Attribute(11, "current_user", USER, _current_user))
        methods.append(Method(5, "add_user", USER, _add_user))
        methods.append(Method(6, "remove_user", USER, _remove_user))
    return InterfaceClass(15, version, "Association LN", tuple(attributes), tuple(methods))


CLASSES = tuple(_association_class(version) for version in (0, 1, 2))
