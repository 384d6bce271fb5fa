"""A device on the HAN, or one that would be: what it knows of the network, how it looks for it and speaks on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from emulator.device import NEVER
from emulator.firmware import JoinSettings
from emulator.gas import GasMeter
from emulator.han.message import NOWHERE, Application, Arrival, Done, Late, Message, Repeated
from emulator.han.node import Node
from emulator.han.put_off import Round, repeat
from emulator.han.transport import FAST_POLL
from emulator.nvm import Image, Saved
from emulator.smart_energy.application import Application as SmartEnergy
from emulator.smart_energy.mirror import is_answer
from emulator.time import SECOND, Event
from protocols.zigbee import install_code, mmo

if TYPE_CHECKING:
    from emulator.device import Device
    from emulator.han.admission import Refusal
    from emulator.han.medium import Radio
    from emulator.han.network import Network
    from protocols.zigbee.cbke import Credentials

NO_KEY = b""
_SETTLING = SECOND
"""From a device's joining until it asks the hub for the time."""
_PATIENT = JoinSettings(15 * SECOND, 60 * SECOND, 3600 * SECOND)
"""Of a profile that says nothing."""


class Member:
    """What a device knows of the HAN, and its search for it. ``on`` is whether it communicates.

    It is the :class:`~emulator.han.message.Port` of the device's application.
    """

    __slots__ = (
        "_application",
        "_awake_until",
        "_event",
        "_network",
        "_round",
        "credentials",
        "device",
        "keyed_at",
        "late",
        "link_key",
        "network_key",
        "node",
        "objection",
        "on",
        "refusal",
        "tries",
    )

    def __init__(self, network: Network, device: Device, radio: Radio) -> None:
        self._network = network
        self.device = device
        self.node = Node(radio, device.commit, self)
        self.link_key = self.network_key = NO_KEY
        self.keyed_at = device.installed_at
        """Rig instant at which it got its link key."""
        self.on = False
        self.tries = 0
        self.refusal: Refusal | None = None
        """What came of the last attempt, None for success."""
        self.credentials: Credentials | None = None
        """A certificate in place of its own, and the private key that goes with it."""
        self.objection = ""
        """Why the last key establishment failed, in words."""
        self._event: Event | None = None
        self._application: Application | None = None
        self.late: Late | None = None
        """Its application, where that keeps no more of a report than what it was told last."""
        self._awake_until = 0
        self._round: Round | None = None
        device.reset.append(self._restarts)
        if isinstance(device, GasMeter):
            device.rescheduled.append(self._rescheduled)

    @property
    def radio(self) -> Radio:
        """Its radio."""
        return self.node.radio

    @property
    def install_code(self) -> bytes:
        """The code on its label, with the CRC."""
        return install_code.with_crc(self.device.ring.key("install_code", 16))

    @property
    def first_key(self) -> bytes:
        """The link key that follows from its install code."""
        return install_code.link_key(self.install_code)

    @property
    def keys(self) -> Sequence[bytes]:
        """Link keys that it can present: the one of this network, that after a swap-out of the hub, its first."""
        return (self.link_key, mmo.digest(self.link_key), self.first_key) if self.link_key else (self.first_key,)

    # --- looking for the network

    def join(self) -> Refusal | None:
        """Look for the network now, as by the button on the device; None when it is on it."""
        self._stop()
        self.refusal = self._network.admit(self)
        self.tries = 0 if self.refusal is None else self.tries + 1
        self._network.review(self)
        return self.refusal

    def move(self, network: Network, channel: int) -> None:
        """Be where another hub's network is, found on that channel."""
        self._network.changed()
        self._network = network
        self._round = None
        self.radio.channel = channel

    def _restarts(self) -> None:
        """The device has lost its RAM: for some time it hears and says nothing."""
        self._network.changed()

    def leave(self) -> None:
        """Forget the network."""
        self.link_key = self.network_key = NO_KEY
        self._network.move_to(self, NOWHERE)
        self.tries = 0
        self._stop()

    def seek(self) -> None:
        """Look for the network from time to time, if it does not already."""
        if self._event is None:
            clock = self.device.clock
            self._event = clock.schedule(clock.now + self._pause(), self._try)

    def found(self) -> None:
        """It is on the network: nothing to look for."""
        self.tries = 0
        self._stop()

    def _pause(self) -> int:
        settings = self.device.firmware.joining or _PATIENT
        if not self.network_key:
            return settings.search_period
        return min(settings.first_pause << min(self.tries, 16), settings.longest_pause)

    def _try(self) -> None:
        self._event = None
        if self.device.ready:
            self.join()
        else:
            self.seek()

    def _stop(self) -> None:
        if self._event is not None:
            self._event.cancel()
            self._event = None

    # --- sleep

    @property
    def sleepy(self) -> bool:
        """Whether its receiver is off between polls."""
        return self.device.firmware.sleep is not None

    def stay_awake(self, until: int) -> None:
        """Poll fast until a rig instant, as after joining or when it is asked to."""
        self._awake_until = max(self._awake_until, until)

    @property
    def polls_fast(self) -> bool:
        """Whether it polls fast now."""
        return self.device.clock.now < self._awake_until

    def _rescheduled(self) -> None:
        """It wakes up at another time than it would have."""
        self._network.wake_ups.expect(self)

    def next_poll(self, now: int) -> int | None:
        """Rig instant at which a sleeping device asks its parent next for what it holds, None for not at all."""
        fast = now - now % FAST_POLL + FAST_POLL
        if fast <= self._awake_until:
            return fast
        if not isinstance(self.device, GasMeter):
            return None
        self.device.settle()
        return None if self.device.next_wake_up == NEVER else self.device.next_wake_up

    # --- messages

    @property
    def address(self) -> int:
        """Its short address, NOWHERE off the network."""
        return self.node.address if self.on else NOWHERE

    def send(self, destination: int, message: Message, done: Done | None = None) -> None:
        """Send a message to a short address."""
        self._network.transport.send(self.node, destination, message, done)

    def repeat(self, destination: int, report: Repeated) -> int | None:
        """Have a report made and sent to a short address now and each period, as late as somebody looks: until when.
        None where it has to be sent."""
        return repeat(self._network, self, destination, report)

    def make_up(self) -> None:
        """Make and send what was put off."""
        self._network.make_up()

    def break_off(self) -> None:
        """Do that, and put off nothing of this device any more."""
        if self._round is not None:
            self._round.break_off()

    @property
    def round(self) -> Round:
        """What it puts off."""
        if self._round is None:
            self._round = Round(self._network, self)
        return self._round

    def spend_sequences(self, count: int) -> int:
        """Count so many messages that it has sent of itself: the sequence number of the one before them."""
        assert isinstance(self._application, SmartEnergy)
        return self._application.spend_sequences(count)

    def address_of(self, eui64: bytes) -> int | None:
        """The short address of a device of the network, None for a stranger."""
        return self._network.address_of(eui64)

    def eui64_of(self, address: int) -> bytes | None:
        """The EUI-64 that goes with a short address, None for a stranger's."""
        node = self._network.node_at(address)
        return None if node is None else node.eui64

    @property
    def application(self) -> Application:
        """What its device makes of messages; made when it is first needed."""
        if self._application is None:
            application = self.device.zigbee(self) or SmartEnergy(self.device, self)
            if isinstance(application, SmartEnergy):
                self._tie(application)
            self.late = application if isinstance(application, Late) else None
            self._application = application
        return self._application

    def back(self) -> None:
        """It is on the network again: its reports go on."""
        if isinstance(self._application, SmartEnergy):
            self._application.back()

    def _tie(self, application: SmartEnergy) -> None:
        """What an application asks of the network, and what it has to say."""
        name = self.device.identity.device_id
        application.leave = self._told_to_leave
        application.fast_poll = self._poll_fast
        application.explain = lambda text: self._network.air.tell(f"{name}: {text}")

    def ask_the_time(self) -> None:
        """A device that has just joined goes by the hub's clock from now on, if it goes by another's at all."""

        def ask() -> None:
            if self.on and self.device.ready and isinstance(self.application, SmartEnergy):
                self.application.synchronise()

        clock = self.device.clock
        clock.schedule(clock.now + _SETTLING, ask)

    def _poll_fast(self, period: int, until: int) -> None:
        """It was told to poll fast until a rig instant, and to report every ``period`` seconds."""
        self.stay_awake(until)
        self._network.wake_ups.more_often(self, period * SECOND, until)

    def _told_to_leave(self, rejoin: bool) -> None:
        """Somebody told it to leave; it does once it has answered."""

        def leave() -> None:
            if self.on:
                self._network.leave(self, rejoin=rejoin)

        clock = self.device.clock
        clock.schedule(clock.now + self._network.hop_time, leave)

    def attend(self) -> None:
        """Bring the device to the present, awake."""
        if isinstance(self.device, GasMeter):
            self.device.wake_up()
        else:
            self.device.settle()

    def receive(self, arrival: Arrival) -> None:
        """A message has arrived: the device is brought to the present, but for an answer to what it said at a wake-up,
        and what it does is kept."""
        if not self.sleepy or not is_answer(arrival.message):
            self.attend()
        self.application.receive(arrival)
        self.device.commit()

    # --- non-volatile memory

    def image(self) -> Image:
        """For the device's non-volatile memory."""
        return {
            "link_key": self.link_key.hex(),
            "network_key": self.network_key.hex(),
            "keyed_at": self.keyed_at,
            "node": self.node.image(),
            "application": self._application.image() if isinstance(self._application, SmartEnergy) else {},
        }

    def restore(self, saved: Saved) -> None:
        """Be what :meth:`image` said."""
        self.link_key, self.network_key = saved.sized("link_key", 0, 16), saved.sized("network_key", 0, 16)
        self.keyed_at = saved.number("keyed_at")
        self.node.restore(saved.table("node"))
        self._network.move_to(self, saved.table("node").within("address", 0, NOWHERE))
        told = saved.table("application")
        if told.fields and isinstance(self.application, SmartEnergy):
            self.application.restore(told)
        self._network.review(self)
