"""An interface class of one's own: one description, compiled with the rest, served and listed like any other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from emulator.cosem.classes import CLASSES
from emulator.cosem.compiler import compile_model
from emulator.cosem.model import Attribute, Binding, Grant, InterfaceClass, Invoker, Method, ObjectSpec, attribute_key
from emulator.cosem.view import AssociationView, View
from emulator.electricity import ELECTRICITY, ElectricityMeter
from firmware_profiles.loader import load
from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.axdr import Data
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused
from protocols.dlms.types import plain

NAME = obis.parse("0-0:65.0.0")


def _change(binding: Binding) -> Invoker:
    key = attribute_key(binding, 2)

    def invoke(view: View, value: Data | None) -> bytes:
        assert value is not None
        view.device.values[key] = axdr.encode(value)
        return axdr.boolean(True)

    return invoke


TENANT = InterfaceClass(
    9100, 0, "Change of tenant", (Attribute(2, "tenant", "oct", default=b""),), (Method(1, "change", "oct", _change),)
)


def test_a_class_of_ones_own_is_served_and_listed(esme: Callable[..., ElectricityMeter]) -> None:
    meter = esme()
    profile = load("electricity-base").model
    spec = ObjectSpec(9100, 0, NAME, "Tenant", "tenancy", values={"tenant": "first"})
    grants = {"tenancy": {"management": Grant(get=frozenset("*"), action=frozenset("*"))}}
    model = compile_model(ELECTRICITY, profile.associations, [spec], grants, {**CLASSES, (9100, 0): TENANT})
    view = AssociationView(meter, model, model.by_name["management"], None)
    tenant, change = (b"\x23\x8c" + NAME + bytes((index,)) for index in (2, 1))
    assert view.get(tenant) == axdr.octets(b"first")
    assert view.action(change, axdr.octets(b"second")) == axdr.boolean(True)
    assert view.get(tenant) == axdr.octets(b"second")
    with pytest.raises(AccessRefused) as refused:
        view.action(change, axdr.u8(1))
    assert refused.value.result is DataAccessResult.TYPE_UNMATCHED
    listed: Any = plain(axdr.decode_all(model.object_list(view.index)))
    assert listed == [[9100, 0, NAME, [[[1, 1, None], [2, 1, None]], [[1, 1]]]]]
    assert plain(axdr.decode_all(model.object_list(model.by_name["public"]))) == []
