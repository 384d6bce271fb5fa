"""Faults of the communications hub: its HAN and device log, what it passes on, its mirror, its memory, its alerts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from emulator import telling
from emulator.faults.fault import Culprit, End, Fault, Layer, Site
from emulator.faults.han import ENTRIES, HUB
from emulator.faults.parameters import FaultError, Number
from emulator.faults.wan import UNASKED
from emulator.faults.wire import owner_of
from emulator.lines import Lines
from emulator.nvm import Saved
from emulator.taps import associations_of, tap
from protocols.dlms.opening import RejectedError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from emulator.electricity import ElectricityMeter
    from emulator.han.mirror import Mirror
    from emulator.logical_device import AssociationOffer
    from emulator.ports import Stack
    from emulator.quirks import Handler
    from protocols.dlms.association import Association

_FIRST_PAN_ID, _LAST_PAN_ID = 0x0001, 0xFFFE
_KEY_OCTETS = 16
_DEVICE: Final = telling.Layer.DEVICE
_OPEN = 2
"""state_code of an association that is open."""


def _forgot_han(site: Site) -> End:
    network, chance = site.network, site.chance
    if not network.formed:
        raise FaultError(f"{site.device.identity.device_id}: it has no HAN to forget")
    text, log = json.dumps(network.image()), network.log
    entries, historic = dict(log.entries), dict(log.historic)
    pan_id = chance.randrange(_FIRST_PAN_ID, _LAST_PAN_ID)
    network.form(pan_id, network.extended_pan_id, network.channel, chance.randbytes(_KEY_OCTETS), 0)

    def end() -> None:
        image = json.loads(text)
        image["node"] = network.node.image()  # frame counters never go back
        network.restore(Saved("han", image))
        log.entries, log.historic = entries, historic  # others may have to do with these very entries
        network.review_all()
        site.hub.commit()

    return end


def _full_log(site: Site) -> End:
    log = site.network.log
    if len(log.entries) >= log.capacity:
        raise FaultError(f"{site.device.identity.device_id}: its device log is full already")
    log.used_up = True

    def end() -> None:
        log.used_up = False

    return end


def _electricity(site: Site) -> ElectricityMeter:
    meter = site.premises.electricity
    if meter is None:
        raise FaultError(f"{site.premises.name}: has no electricity meter")
    return meter


def _without_meter(site: Site) -> End:
    network, meter, member = site.network, _electricity(site), site.member
    had_power = meter.mains or (meter.feed is not None and meter.feed.waits)
    meter.power_off()
    network.take_away(meter)

    def end() -> None:
        network.adopt(member)
        if had_power:
            meter.power_on()

    return end


def _stuck_relay(site: Site) -> End:
    hub, owner = site.hub, owner_of(site, "relay-stuck")

    def dropped(stack: Stack, association: Association, apdu: bytes, handle: Handler) -> Sequence[bytes]:
        if stack.device is not hub:
            return handle(apdu)
        stack.note(
            "not passed on", f"{owner}: the hub does not pass on what is for the electricity meter", layer=_DEVICE
        )
        return ()

    return tap(_electricity(site), apdus=dropped)


def _mirror(site: Site) -> Mirror:
    mirror = site.hub.mirror
    if mirror is None:
        raise FaultError(f"{site.device.identity.device_id}: mirrors no gas meter")
    return mirror


def _frozen_mirror(site: Site) -> End:
    hub, mirror = site.hub, _mirror(site)
    hub.freeze_mirror(mirror, True)
    return lambda: hub.freeze_mirror(mirror, False)


def _forgotten_commands(site: Site) -> End:
    hub = site.hub
    _mirror(site)
    hub.forget_commands(True)
    return lambda: hub.forget_commands(False)


def _no_memory(site: Site) -> End:
    hub, most, owner = site.hub, site.number("most"), owner_of(site, "associations-exhausted")

    def offered(offer: AssociationOffer) -> None:
        if sum(each.state_code == _OPEN for each in associations_of(hub)) >= most:
            raise RejectedError(f"{owner}: no memory for more than {most} associations")

    return tap(hub, offers=offered)


def _no_alerts(site: Site) -> End:
    owner = owner_of(site, "alerts-dropped")

    def passes(stack: Stack) -> bool:
        stack.note("alerts dropped", f"{owner}: the hub does not send what nobody asked for", layer=_DEVICE)
        return False

    return Lines.of(site.device).censor(passes)


FAULTS: Final = (
    Fault(
        "hub-forgot-han",
        Layer.HUB,
        "The hub has lost its HAN: it has formed another, with an empty device log",
        HUB,
        _forgot_han,
        Culprit.CHF,
        "the memory of the hub came back empty; the devices belong to a network that there is no more",
        (
            "the device log is empty, and the PAN has another network key",
            "clients find the hub only; no device of the HAN is back by itself",
        ),
        "the hub has the HAN and the device log that it had, and nothing of those it had meanwhile; devices that have "
        "kept their keys are back at once",
        holds=ENTRIES,
        wide=True,
    ),
    Fault(
        "device-log-full",
        Layer.HUB,
        "The device log has no room for another device",
        HUB,
        _full_log,
        Culprit.DEVICE_LOG,
        "the memory of the log is used up by what nobody sees",
        ("registering a device is refused with other-reason", "devices that are in the log work as before"),
        "the log has the room that it had",
        holds="room of the device log",
    ),
    Fault(
        "hub-without-meter",
        Layer.HUB,
        "The electricity meter has been taken away from beside its hub",
        ("electricity",),
        _without_meter,
        Culprit.INSTALLER,
        "the meter is not there and has no power; the device log still has it",
        (
            "the hub answers, and no server SAP of the electricity meter is there",
            "the device log lists the meter and does not hear it",
        ),
        "the meter hangs there again and starts; it is back on the HAN with the keys that it has",
        holds="place of the electricity meter",
    ),
    Fault(
        "relay-stuck",
        Layer.HUB,
        "The hub does not pass on what is for the electricity meter",
        HUB,
        _stuck_relay,
        Culprit.CHF,
        "the meter is right, on the HAN, and answers at its own port; the hub's tunnel to it is stuck",
        ("requests to the electricity meter get no answer", "the hub and the mirror answer; the log hears the meter"),
        "requests pass; those that were dropped stay so",
    ),
    Fault(
        "mirror-frozen",
        Layer.HUB,
        "The mirror of the gas meter is not updated",
        HUB,
        _frozen_mirror,
        Culprit.GPF,
        "the gas meter wakes up and reports, and the hub does not take it",
        (
            "the mirror's registers, clock and last wake-up stay as they are",
            "the device log hears the gas meter at each of its wake-ups",
            "commands for it are taken and wait for ever",
        ),
        "the mirror shows the meter as of its last wake-up; commands that waited are forgotten",
        holds="mirror of the gas meter",
    ),
    Fault(
        "commands-forgotten",
        Layer.HUB,
        "Commands for the gas meter are taken, and never delivered",
        HUB,
        _forgotten_commands,
        Culprit.GPF,
        "the hub says success and loses the command",
        ("a change is answered with success, and the meter does not have it after its wake-up", "no command waits"),
        "commands are delivered; those that were lost stay so",
        holds="commands for the gas meter",
    ),
    Fault(
        "associations-exhausted",
        Layer.HUB,
        "The hub has memory for few associations: with itself, and with the mirror of its gas meter",
        HUB,
        _no_memory,
        Culprit.CHF,
        "associations that were not released hold the hub's memory",
        ("one association too many is rejected, without a reason", "those that are open go on"),
        "associations are opened as before",
        (Number("most", "How many can be open", "associations", 0, 64, 1),),
    ),
    Fault(
        "alerts-dropped",
        Layer.HUB,
        "The hub sends nothing that nobody has asked for: its own alerts, and those of the meters behind it",
        HUB,
        _no_alerts,
        Culprit.CHF,
        "alerts do not leave the hub",
        ("no alert comes; requests are answered", "the hub's log has the events; its counter of frames sent stays"),
        "alerts are sent; those that were dropped stay so",
        holds=UNASKED,
    ),
)
"""Faults of the hub."""
