"""Security setup (class 64, versions 0 and 1)."""

from __future__ import annotations

from typing import Any

from emulator.cosem.binding import part_getter, part_method, view_getter
from emulator.cosem.encoding import encoder
from emulator.cosem.model import Attribute, InterfaceClass, Method
from emulator.cosem.view import View
from emulator.security import KeyId, SecurityState
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused
from protocols.errors import SecurityError

KEY_DATA = "arr st{enum,oct}"
CERTIFICATES = "arr st{enum,enum,oct,oct,oct,oct}"

_octets = encoder("oct")


def _server_title(view: View, _state: SecurityState) -> bytes:
    return _octets(view.device.identity.system_title)


def _activate(_view: View, state: SecurityState, policy: Any) -> None:
    """A policy can only be made stronger (Blue Book, class 64)."""
    if policy & state.policy != state.policy:
        raise AccessRefused(DataAccessResult.OTHER_REASON)
    state.policy = policy


def _transfer(view: View, state: SecurityState, keys: Any) -> None:
    """All keys of a request are taken, or none of them."""
    try:
        unwrapped = [(KeyId(number), state.unwrap(wrapped)) for number, wrapped in keys]
    except (SecurityError, ValueError):
        view.device.record("key_transfer_failed")
        raise AccessRefused(DataAccessResult.OTHER_REASON) from None
    if any(len(key) != len(state.encryption) for _, key in unwrapped):
        raise AccessRefused(DataAccessResult.OTHER_REASON)
    for key_id, key in unwrapped:
        state.replace(key_id, key)
    view.device.record("keys_changed")


def _security_setup_class(version: int) -> InterfaceClass:
    attributes = [
        Attribute(2, "security_policy", "enum", part_getter(SecurityState, "enum", lambda part: part.policy_in_force)),
        Attribute(3, "security_suite", "enum", part_getter(SecurityState, "enum", lambda part: part.suite)),
        Attribute(4, "client_system_title", "oct", part_getter(SecurityState, "oct", lambda part: part.client_title)),
        Attribute(5, "server_system_title", "oct", view_getter(SecurityState, _server_title)),
    ]
    if version >= 1:
        attributes.append(Attribute(6, "certificates", CERTIFICATES, default=[]))
    methods = (
        Method(1, "security_activate", "enum", part_method(SecurityState, "enum", _activate)),
        Method(2, "key_transfer", KEY_DATA, part_method(SecurityState, KEY_DATA, _transfer)),
    )
    return InterfaceClass(64, version, "Security setup", tuple(attributes), methods)


CLASSES = tuple(_security_setup_class(version) for version in (0, 1))
