"""Whatever happens on a HAN, it comes to the same whether somebody listens to the air or not, octets aside."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from emulator.meter import Meter
from emulator.premises import Premises, build_premises, replace_gas_meter
from emulator.time import HOUR, MINUTE, SECOND, Clock
from firmware_profiles.loader import load

from ..conftest import START, DeviceSpec, Spec


def deeds(premises: Premises, clock: Clock, seed: int) -> list[Callable[[], object]]:
    """All that can be done to a dwelling's HAN here."""
    hub, electricity, gas = premises.hub, premises.electricity, premises.gas
    assert hub is not None and electricity is not None and gas is not None
    han = hub.han
    meter, sleeper = han.member(electricity), han.member(gas)

    def register(which: Meter) -> None:
        han.register(which.identity.eui64, han.member(which).first_key, 0)
        han.permit(True)

    powered = [
        call
        for device in (hub, electricity, gas)
        for call in (lambda it=device: it.mains and it.power_off(), lambda it=device: it.mains or it.power_on())
    ]
    return [
        *powered,
        lambda: han.unregister(gas.identity.eui64),
        lambda: han.unregister(electricity.identity.eui64),
        lambda: register(gas),
        lambda: register(electricity),
        han.update_network_key,
        lambda: han.update_link_key(electricity.identity.eui64),
        lambda: han.medium.burst(7 * MINUTE, level=-50),
        lambda: meter.on and han.leave(meter, rejoin=True),
        lambda: han.medium.attenuate(sleeper.radio, han.node.radio, 200),
        lambda: han.medium.attenuate(sleeper.radio, han.node.radio, 0),
        lambda: han.form(0x1234, bytes(range(8)), 15, bytes(range(16)), 3),
        lambda: replace_gas_meter(premises, DeviceSpec(), clock, seed, load),
    ]


def outcome(premises: Premises, *, display: bool) -> dict[str, Any]:
    """What has come of it. Without a display nobody is told what a sleeping meter reports, unless somebody listens:
    then mirrors and counters are not compared."""
    found: dict[str, Any] = {}
    for device in premises.devices():
        device.settle()
        if isinstance(device, Meter) and device.account is not None:
            device.account.fold()
        kept = json.loads(json.dumps(device.parts()))
        kept["han"].pop("node")
        if not display:
            kept["han"].pop("application")
        found[device.identity.device_id] = kept
    assert premises.hub is not None
    han = premises.hub.han
    found["members"] = [(item.on, item.refusal, item.tries, item.node.address) for item in han.members]
    if premises.display is not None:
        found["shown"] = premises.display.text
        found["counters"] = [(node.counter, node.link_counter) for node in han.nodes()]
    return found


def live(seed: int, *, listened: bool, display: bool) -> dict[str, Any]:
    clock, chance = Clock(START), Random(seed)
    premises = build_premises("home", Spec(display=DeviceSpec() if display else None), clock, seed, load)
    assert premises.hub is not None
    if listened:
        premises.hub.han.air.listen(lambda _at, _octets, _link: None)
    clock.advance_to(START + HOUR)
    for _ in range(10):
        chance.choice(deeds(premises, clock, seed))()
        clock.advance_to(clock.now + chance.choice((SECOND, MINUTE, 10 * MINUTE, chance.randrange(HOUR))))
    return outcome(premises, display=display)


@pytest.mark.parametrize(("seed", "display"), [(2, True), *((seed, False) for seed in range(3, 13))])
def test_listening_changes_nothing(seed: int, display: bool) -> None:
    assert live(seed, listened=True, display=display) == live(seed, listened=False, display=display)


def test_partners_of_a_new_link_key_are_introduced_anew_whoever_listens() -> None:
    """Reports that were put off went on as before the change; those that were sent did not."""
    found: list[object] = []
    for listened in (True, False):
        clock = Clock(START)
        premises = build_premises("home", Spec(display=DeviceSpec()), clock, 7, load)
        assert premises.hub is not None and premises.electricity is not None
        if listened:
            premises.hub.han.air.listen(lambda _at, _octets, _link: None)
        clock.advance_to(START + 10 * MINUTE)
        assert premises.hub.han.update_link_key(premises.electricity.identity.eui64)
        clock.advance_to(START + 12 * MINUTE)
        premises.hub.han.make_up()
        found.append([(node.counter, node.link_counter) for node in premises.hub.han.nodes()])
    assert found[0] == found[1]
