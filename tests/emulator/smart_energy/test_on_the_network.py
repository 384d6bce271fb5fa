"""Applications on the real network of a premises: a host's configuration is reported to it, rejoins included."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emulator.han.message import Arrival, Message
from emulator.hub import Hub
from emulator.premises import Premises
from emulator.time import MINUTE, SECOND, Clock
from protocols.zigbee.zcl import foundation
from protocols.zigbee.zcl.foundation import Command, Reporting
from protocols.zigbee.zcl.header import Frame, global_frame
from protocols.zigbee.zcl.types import Type

from ..conftest import DeviceSpec, Load

METERING = 0x0702


def test_reports_stop_and_go_on_with_the_network(
    home: Callable[..., Premises], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    premises = home(electricity=DeviceSpec(load=Load("constant", 3600.0)))
    hub, meter = premises.hub, premises.electricity
    assert hub is not None and meter is not None
    heard: list[tuple[float, Frame]] = []

    class Listener:
        """The hub's application in this test."""

        def receive(self, arrival: Arrival) -> None:
            if arrival.message.cluster == METERING and arrival.source_eui64 == meter.identity.eui64:
                heard.append((clock.now / SECOND, Frame.decode(arrival.message.payload)))

    monkeypatch.setattr(Hub, "zigbee", lambda _hub, _port: Listener())
    member = hub.han.member(meter)
    address = hub.han.address_of(meter.identity.eui64)
    assert address is not None
    wanted = foundation.encode_configure_reporting([Reporting(0, 0, Type.U48, 10, 10, 1)])
    frame = global_frame(1, Command.CONFIGURE_REPORTING, wanted).encode()
    hub.han.send(address, Message(0x0109, METERING, 1, 1, frame, True))
    clock.advance_to(clock.now + 35 * SECOND)
    assert [each.command for _, each in heard] == [Command.CONFIGURE_REPORTING_RESPONSE] + [Command.REPORT] * 3
    heard.clear()
    hub.han.unregister(meter.identity.eui64)
    clock.advance_to(clock.now + SECOND)
    assert not member.on
    heard.clear()
    clock.advance_to(clock.now + 5 * MINUTE)
    assert heard == []
    hub.han.register(meter.identity.eui64, member.first_key, 2)
    hub.han.permit(True)
    clock.advance_to(clock.now + MINUTE)
    assert member.on
    assert {each.command for _, each in heard} == {Command.REPORT}
    meter.power_off()
    heard.clear()
    clock.advance_to(clock.now + 5 * MINUTE)
    assert heard == []
    meter.power_on()
    clock.advance_to(clock.now + MINUTE)
    assert {each.command for _, each in heard} == {Command.REPORT}
