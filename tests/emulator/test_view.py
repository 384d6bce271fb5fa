"""What a device may do to its own objects, and what it is not when it does so: in an association."""

from __future__ import annotations

import pytest

from emulator.cosem.view import InternalView
from emulator.time import Clock
from protocols import obis
from protocols.dlms import axdr
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused

from .conftest import START
from .test_electricity import Esme, household_electricity

CURRENT = b"\0\x0f" + obis.parse("0-0:40.0.0")
SECRET = 7


@pytest.fixture
def own(new_esme: Esme) -> InternalView:
    return new_esme(Clock(START), household_electricity(1, "a")).internal


def test_the_device_has_no_association_of_its_own(own: InternalView) -> None:
    """Neither rights nor the secret of any association are the device's: not even of the last one."""
    secrets = [own.device.security(index).secret for index in range(len(own.model.associations))]
    for index in own.model.objects[CURRENT].attributes:
        if index in (1, SECRET):
            continue
        with pytest.raises(AccessRefused) as refused:
            own.read(CURRENT + bytes((index,)))
        assert refused.value.result is DataAccessResult.OBJECT_UNAVAILABLE
    with pytest.raises(AccessRefused):
        own.write(CURRENT + bytes((SECRET,)), axdr.octets(b"12345678"))
    with pytest.raises(AccessRefused):
        own.execute(CURRENT + b"\x02", axdr.octets(b"12345678"))
    assert [own.device.security(index).secret for index in range(len(own.model.associations))] == secrets


def test_the_device_reads_associations_by_their_names(own: InternalView) -> None:
    for index, spec in enumerate(own.model.associations):
        if spec.logical_name is not None:
            assert own.read(b"\0\x0f" + spec.logical_name + b"\x02") == own.model.object_list(index)
