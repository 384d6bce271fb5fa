"""Tunneling (Smart Energy annex D.6): DLMS APDUs through ZCL, to the device's own logical devices.

What comes through a tunnel is an APDU in the wrapper of IEC 62056-47, which names client and server SAP, or an APDU
alone, which is for the client SAP of the profile and the device's first logical device; it is answered as it came. A
tunnel belongs to the device that asked for it. One that nothing has come through for CloseTunnelTimeout is closed.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from emulator.electricity import ElectricityMeter
from emulator.logical_device import LogicalDevice
from emulator.ports import Transport, WrapperStack
from emulator.smart_energy.request import Answer, Handler, Reply, Request
from emulator.time import SECOND, Event
from emulator.tunnel_setup import tunnel_setup
from protocols import wrapper
from protocols.zigbee.zcl.clusters import TUNNELING
from protocols.zigbee.zcl.foundation import Status
from protocols.zigbee.zcl.header import Direction

if TYPE_CHECKING:
    from emulator.device import Device
    from emulator.han.message import Message
    from emulator.smart_energy.application import Application

DLMS: Final = 0x00
ANY_MANUFACTURER: Final = 0xFFFF
NO_TUNNEL: Final = 0xFFFF
_OPENED, _BUSY, _NO_MORE, _NO_PROTOCOL, _NO_FLOW_CONTROL = 0, 1, 2, 3, 4
"""Status of RequestTunnelResponse."""
_NO_SUCH_TUNNEL, _NOT_YOURS, _TOO_LONG = 0, 1, 2
"""Status of TransferDataError."""
_OPEN_RESPONSE, _DATA, _ERROR, _PROTOCOLS, _CLOSURE = 0x00, 0x01, 0x02, 0x05, 0x06
_WRAPPED: Final = b"\x00\x01"
_HEADER: Final = 8
_DEFAULT_TIMEOUT: Final = 600
_TIMEOUT_ATTRIBUTE: Final = 0x0000
_FIRST_SERVER: Final = 1


class Tunnel:
    """One tunnel, to an endpoint of a device; ``maximum`` is what that takes in one transfer, octets."""

    __slots__ = ("address", "eui64", "event", "maximum", "message", "raw", "stack")

    def __init__(self, stack: WrapperStack, request: Request, maximum: int) -> None:
        self.stack = stack
        self.eui64 = request.arrival.source_eui64
        self.address = request.arrival.source
        self.message: Message = request.arrival.message.answer(b"")
        self.maximum = maximum
        self.raw = False
        """Whether APDUs come without a wrapper."""
        self.event: Event | None = None


class Tunnels:
    """The tunnels of one device."""

    __slots__ = ("_application", "_last", "_open")

    def __init__(self, application: Application) -> None:
        self._application = application
        self._open: dict[int, Tunnel] = {}
        self._last = 0

    def __len__(self) -> int:
        return len(self._open)

    def open(self, request: Request) -> Reply:
        """Somebody wants a tunnel."""
        values, application = request.values, self._application
        settings = application.device.firmware.zigbee
        room = settings.tunnels if settings else 0
        maximum = self._most
        status = _OPENED
        if values["protocol"] != DLMS or values["manufacturer"] != ANY_MANUFACTURER:
            status = _NO_PROTOCOL
        elif values["flow_control"]:
            status = _NO_FLOW_CONTROL
        elif not room:
            status = _BUSY
        elif len(self._open) >= room:
            status = _NO_MORE
        if status:
            return Reply(_OPEN_RESPONSE, {"tunnel": NO_TUNNEL, "status": status, "maximum": maximum})
        number = self._free()
        device = application.device
        stack = WrapperStack(device, _served(device), Transport.UDP)
        stack.opened(device.clock.now)
        tunnel = self._open[number] = Tunnel(stack, request, max(values["maximum"], 1))
        stack.transmit = partial(self._send, number)
        stack.explain = application.explain
        self._await_silence(number, tunnel, request)
        return Reply(_OPEN_RESPONSE, {"tunnel": number, "status": _OPENED, "maximum": maximum})

    def transfer(self, request: Request) -> Answer:
        """Octets came for a tunnel; what the device answers goes back through it."""
        number, data = request.values["tunnel"], request.values["data"]
        tunnel = self._open.get(number)
        error = None
        if tunnel is None:
            error = _NO_SUCH_TUNNEL
        elif tunnel.eui64 != request.arrival.source_eui64:
            error = _NOT_YOURS
        elif len(data) > self._most:
            error = _TOO_LONG
        if tunnel is None or error is not None:
            return Reply(_ERROR, {"tunnel": number, "status": error})
        tunnel.address = request.arrival.source
        self._await_silence(number, tunnel, request)
        tunnel.raw = not data.startswith(_WRAPPED)
        settings = self._application.device.firmware.zigbee
        client = settings.tunnel_client if settings else 0
        now = self._application.device.clock.now
        answer = tunnel.stack.receive(wrapper.encode(client, _FIRST_SERVER, data) if tunnel.raw else data, now)
        self._send(number, answer)
        return Status.SUCCESS

    def close(self, request: Request) -> Status:
        """Its owner closes a tunnel."""
        number = request.values["tunnel"]
        tunnel = self._open.get(number)
        if tunnel is None:
            return Status.NOT_FOUND
        if tunnel.eui64 != request.arrival.source_eui64:
            return Status.NOT_AUTHORIZED
        self._drop(number)
        return Status.SUCCESS

    def forget(self) -> None:
        """RAM is lost: there are no tunnels, and nobody is told."""
        for number in list(self._open):
            self._drop(number)

    @property
    def _most(self) -> int:
        """Octets that the device takes in one transfer."""
        return min(self._application.transfer, tunnel_setup(self._application.device).incoming)

    def _free(self) -> int:
        number = self._last
        while True:
            number = (number + 1) % NO_TUNNEL
            if number not in self._open:
                self._last = number
                return number

    def _await_silence(self, number: int, tunnel: Tunnel, request: Request) -> None:
        """Close it when nothing comes for too long."""
        if tunnel.event is not None:
            tunnel.event.cancel()
        timeout = self._application.number(request.endpoint, TUNNELING.id, _TIMEOUT_ATTRIBUTE, _DEFAULT_TIMEOUT)
        clock = self._application.device.clock
        tunnel.event = clock.schedule(clock.now + timeout * SECOND, partial(self._silent, number))

    def _silent(self, number: int) -> None:
        tunnel = self._open[number]
        self._drop(number)
        self._command(tunnel, _CLOSURE, {"tunnel": number})

    def _drop(self, number: int) -> None:
        tunnel = self._open.pop(number)
        if tunnel.event is not None:
            tunnel.event.cancel()
        tunnel.stack.closed()

    def _send(self, number: int, octets: bytes) -> None:
        """Octets of the device to whoever is at the other end, in transfers that it takes."""
        tunnel = self._open.get(number)
        while octets and tunnel is not None:
            size = _HEADER + int.from_bytes(octets[6:_HEADER], "big")
            message, octets = octets[:size], octets[size:]
            data = message[_HEADER:] if tunnel.raw else message
            step = max(1, min(tunnel.maximum, tunnel_setup(self._application.device).outgoing))
            for start in range(0, len(data), step):
                part = data[start : start + step]
                self._command(tunnel, _DATA, {"tunnel": number, "data": part})

    def _command(self, tunnel: Tunnel, command: int, values: Mapping[str, Any]) -> None:
        self._application.command(tunnel.address, tunnel.message, command, values, Direction.TO_CLIENT)


def _served(device: Device) -> Mapping[int, LogicalDevice]:
    """Logical devices by server SAP; a device that has no port of its own, as a gas meter, has its one."""
    return device.served if isinstance(device, ElectricityMeter) else {_FIRST_SERVER: LogicalDevice(device)}


def _tunnels(application: Application) -> Tunnels:
    if application.tunnels is None:
        application.tunnels = Tunnels(application)
    return application.tunnels


def _open(application: Application, request: Request) -> Answer:
    return _tunnels(application).open(request)


def _close(application: Application, request: Request) -> Answer:
    return _tunnels(application).close(request)


def _transfer(application: Application, request: Request) -> Answer:
    return _tunnels(application).transfer(request)


def _noted(application: Application, request: Request) -> Answer:
    return Status.SUCCESS


def _supported(application: Application, request: Request) -> Answer:
    known = [{"manufacturer": ANY_MANUFACTURER, "protocol": DLMS}]
    return Reply(_PROTOCOLS, {"complete": 1, "protocols": known[request.values["offset"] :]})


HANDLERS: Mapping[tuple[int, bool], Mapping[int, Handler]] = {
    (TUNNELING.id, False): {
        0x00: _open,
        0x01: _close,
        0x02: _transfer,
        0x03: _noted,
        0x06: _supported,
    }
}
