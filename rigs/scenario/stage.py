"""The rig of a scenario as its steps see it: devices by name, what they have logged, tokens that were bought."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from emulator.display import Display
from emulator.hub import Hub
from emulator.premises import DEFAULT_PROFILES, Premises, commissioned
from firmware_profiles.loader import load
from protocols.dlms import axdr
from protocols.errors import ProtocolError
from protocols.tokens.scheme import TokenScheme
from rigs.control.desk import Desk, DeskError, account_of, meter_of
from rigs.scenario.head_end import HeadEnd, HeadEndError

if TYPE_CHECKING:
    from emulator.device import Device
    from emulator.faults.injection import Injection
    from rigs.rig import Rig


class Unmet(Exception):
    """What a step wanted is not so: what and where, expected, found; one line."""


class Stage:
    """One rig while a scenario is played on it."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.desk = Desk(rig)
        self.head_end = HeadEnd(rig.file.config.seed)
        self.began = rig.clock.now
        self.injections: dict[str, Injection] = {}
        """Faults by what the scenario calls them."""
        self.backups: dict[str, tuple[bytes, list[object]]] = {}
        """Extended PAN id and devices of the last backup of the HAN of each premises."""
        self._tokens: dict[str, str] = {}
        self._bought: dict[str, int] = {}
        self._logged: dict[str, list[str]] = {}
        self._met: dict[str, Device] = {}
        self._hubs: dict[str, int] = {}
        for device in self.desk.devices():
            self.meet(device)

    def meet(self, device: Device) -> None:
        """A device is there from now on: what it logs is remembered."""
        name = device.identity.device_id
        self._met[name] = device
        logged = self._logged.setdefault(name, [])
        reactions = device.firmware.reactions

        def record(event: str) -> None:
            reaction = reactions.get(event)
            if reaction is not None and reaction.logs:
                logged.append(event)

        device.observers.append(record)

    # --- who is there

    def device(self, name: str) -> Device:
        """The device of that kind that is there (``home/gas``), or by the name it was given (``home/gas-2``)."""
        premises, _, kind = name.partition("/")
        if kind in DEFAULT_PROFILES or name not in self._met:
            found = self.desk.device(premises, kind)
            if self._met.get(found.identity.device_id) is not found:  # brought by a fault
                self.meet(found)
            return found
        return self._met[name]

    def named(self, name: str) -> Device:
        """The device that was given that name, whether it is still there or not."""
        found = self._met.get(name)
        if found is None:
            raise DeskError(f"{name}: no such device; there were {', '.join(self._met)}")
        return found

    def premises(self, name: str) -> Premises:
        """The premises of that name."""
        found = self.rig.premises.get(name)
        if found is None:
            raise DeskError(f"{name}: no such premises; there are {', '.join(self.rig.premises)}")
        return found

    def hub(self, premises: str) -> Hub:
        """Its hub."""
        found = self.premises(premises).hub
        if found is None:
            raise DeskError(f"{premises}: has no hub, and so no HAN")
        return found

    def premises_of(self, device: Device) -> Premises:
        """The premises of a device."""
        return self.premises(device.identity.device_id.partition("/")[0])

    # --- what was logged

    def logged(self, device: Device) -> list[str]:
        """What it has logged since the scenario began, the oldest first."""
        return self._logged[device.identity.device_id]

    # --- what the head-end does

    def read(self, device: Device, association: str, name: str, attribute: int) -> axdr.Data:
        """What the head-end reads; HeadEndError."""
        try:
            return axdr.decode_all(
                self.head_end.get(device, self.premises_of(device).hub, association, name, attribute)
            )
        except ProtocolError as error:
            raise HeadEndError(str(error)) from error

    # --- tokens

    def buy(self, device: Device, pence: int, label: str | None) -> str:
        """A new token for a meter, made with its own secret; remembered by its label."""
        account_of(device)
        meter = meter_of(device)
        account = meter.account
        assert account is not None
        tokens = account.settings.tokens
        scheme: TokenScheme = tokens.scheme(
            meter.token_secret(tokens), meter.token_originator(tokens), meter.identity.eui64
        )
        name = meter.identity.device_id
        number = self._bought[name] = self._bought.get(name, account.tokens.history.highest) + 1
        digits = scheme.issue(number, pence)
        if label is not None:
            self._tokens[label] = digits
        return digits

    def bought(self, label: str) -> str:
        """The token that was bought under that label."""
        found = self._tokens.get(label)
        if found is None:
            raise DeskError(f"token {label!r}: not bought yet; a step with pence buys it")
        return found

    # --- hubs

    def replace_hub(self, premises: str) -> Hub:
        """Take the hub away, without power, and put a new one of the same profile in its place; devices lose it.

        The new one has a HAN of its own and nobody on it.
        """
        found, old = self.premises(premises), self.hub(premises)
        spec = next(each.hub for each in self.rig.file.specs if each.name == premises)
        assert spec is not None
        number = self._hubs[premises] = self._hubs.get(premises, 1) + 1
        fresh = replace(spec, serial=None, eui64=None, keys={})
        seed = self.rig.file.config.seed
        firmware, identity, ring = commissioned("hub", premises, fresh, seed, load, f"hub-{number}")
        clock = self.rig.clock
        new = Hub(firmware, identity, clock, seed, ring, clock.now)
        members = list(old.han.members)
        old.power_off()
        found.hub = new
        self.meet(new)
        for member in members:
            old.han.take_away(member.device)
            new.han.adopt(member)
            if isinstance(member.device, Display):
                member.device.connect(member)
        return new


def events_text(events: list[str]) -> str:
    """Events for a line of text, the latest ones where there are many."""
    return ", ".join(_last(events)) or "none"


def _last(events: list[str], most: int = 8) -> Iterator[str]:
    if len(events) > most:
        yield f"({len(events) - most} more)"
    yield from events[-most:]
