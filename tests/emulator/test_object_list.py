"""What the object list of each association of each profile offers is there, and what it does not offer is refused."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.cosem.model import CosemObject, MethodMode, ObjectModel
from emulator.cosem.view import AssociationView
from emulator.device import Device
from emulator.premises import Premises, build_premises
from emulator.time import HOUR, Clock
from firmware_profiles.loader import load, names
from protocols.dlms import axdr
from protocols.dlms.client import Attribute, Refused
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused
from protocols.dlms.types import plain

from .conftest import SEED, START, DeviceSpec, Spec, Talker, settings_of

NOT_OFFERED = {DataAccessResult.READ_WRITE_DENIED, DataAccessResult.OBJECT_UNDEFINED}
READABLE, WRITABLE = {1, 3, 4, 6}, {2, 3, 5, 6}
SPEAKERS = [name for name in names() if not name.startswith("display")]
"""Profiles of devices that speak DLMS."""


def built(profile: str) -> tuple[Premises, Device]:
    """A premises with one device of that profile, three days old."""
    kind = load(profile).kind
    clock = Clock(START)
    premises = build_premises("home", Spec(**{kind: DeviceSpec(profile=profile)}), clock, SEED, load, history_days=3)
    clock.advance_to(START + HOUR)
    return premises, getattr(premises, kind)


def reader(premises: Premises, device: Device, association: str) -> Talker:
    """A client of the device: on its own port, through the hub for a gas meter."""
    stack_of, server = device, 1
    if device is premises.gas:
        assert premises.hub is not None and premises.hub.firmware.logical is not None
        stack_of, server = premises.hub, premises.hub.firmware.logical.gas
    stacks: Any = getattr(stack_of, "stacks")  # noqa: B009
    make = stacks["local-tcp" if device is premises.electricity else "wan-tcp"]
    spec = device.firmware.model.associations[device.firmware.model.by_name[association]]
    return Talker(make(), settings_of(device, association), sap=spec.client, server=server).open()


def different(model: ObjectModel) -> list[str]:
    """Associations, one of those that have the same rights."""
    return list({model.object_list(index): spec.name for index, spec in enumerate(model.associations)}.values())


def modes(row: list[Any]) -> tuple[dict[int, int], dict[int, int]]:
    """Access modes of an object list element, by attribute and method."""
    attributes, methods = row[3]
    return {item[0]: item[1] for item in attributes}, {item[0]: int(item[1]) for item in methods}


@pytest.mark.parametrize("profile", SPEAKERS)
def test_every_association_reads_what_it_is_offered_and_nothing_else(profile: str) -> None:
    premises, device = built(profile)
    model = device.firmware.model
    for association in different(model):
        talker = reader(premises, device, association)
        listed = {(row[0], row[2]): row for row in plain(talker.get(15, "0-0:40.0.0"))}
        assert listed
        for item in model.objects.values():
            row = listed.get((item.class_id, item.logical_name))
            offered = modes(row)[0] if row else {}
            if row:
                assert row[1] == item.version
                assert sorted(offered) == sorted(item.attributes)
            for index, attribute in item.attributes.items():
                wanted = Attribute(item.class_id, item.logical_name, index)
                where = f"{association}: {item.title} attribute {index}"
                if offered.get(index, 0) in READABLE:
                    value = axdr.decode_all(talker.run(talker.client.get(wanted)))
                    assert attribute.type.check(value), f"{where}: {value}"
                else:
                    with pytest.raises(Refused) as refused:
                        talker.run(talker.client.get(wanted))
                    assert refused.value.result in NOT_OFFERED, where


@pytest.mark.parametrize("profile", SPEAKERS)
def test_what_is_not_offered_cannot_be_set_or_run(profile: str) -> None:
    _, device = built(profile)
    model = device.firmware.model
    for index, spec in enumerate(model.associations):
        view = AssociationView(device, model, index, None)
        listed = {(row[0], row[2]): row for row in plain(axdr.decode_all(model.object_list(index)))}
        for item in model.objects.values():
            row = listed.get((item.class_id, item.logical_name))
            attributes, methods = modes(row) if row else ({}, {})
            for number in item.attributes:
                if attributes.get(number, 0) not in WRITABLE:
                    assert denied(view, item, number, attribute=True), f"{spec.name}: {item.title} {number}"
            for number in item.methods:
                if methods.get(number, 0) == MethodMode.NONE:
                    assert denied(view, item, number, attribute=False), f"{spec.name}: {item.title} {number}"


def denied(view: AssociationView, item: CosemObject, index: int, *, attribute: bool) -> bool:
    """Whether an attribute cannot be set, or a method not be run, for want of a right."""
    descriptor = item.class_id.to_bytes(2, "big") + item.logical_name + bytes((index,))
    try:
        if attribute:
            view.set(descriptor, None, axdr.NULL)
        else:
            view.action(descriptor, None)
    except AccessRefused as refusal:
        return refusal.result is DataAccessResult.READ_WRITE_DENIED
    return False
