"""A user's Modbus relay board, whose relays follow the power of the rig's devices.

Whatever switches an emulated device, the panel, the control API, a scenario or a fault, its relay switches the real one
that stands beside it. A board that does not answer is tried again and again, and then told everything.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

from rigs.events import RigEvent, Source
from rigs.ports import PortError, PortKind
from rigs.ports.serial_adaptor import find_adaptor

if TYPE_CHECKING:
    from pymodbus.client.base import ModbusBaseClient

    from rigs.panel.settings import RelayBoardConfig
    from rigs.rig import Rig

TIMEOUT = 1.0
"""Seconds that the board has for an answer."""
RETRY = 1.0
"""Seconds until a board that did not answer is tried again."""
_POWER = ("power_down", "power_up")


class BoardError(Exception):
    """The board did not do what it was told; the text says how."""


class RelayBoard:
    """The relay board of one rig while it runs; all calls belong to the loop's thread."""

    def __init__(self, rig: Rig, config: RelayBoardConfig) -> None:
        self._rig = rig
        self._config = config
        self._done: dict[str, bool] = {}
        """How the relays stand, as far as the board has confirmed it."""
        self._moved = asyncio.Event()
        self._client: ModbusBaseClient | None = None
        self._work: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Reach the board and switch all relays to what their devices have; raises PortError."""
        self._rig.events.listeners.append(self._happened)
        try:
            await self._switch()
        except BoardError as error:
            await self.close()
            raise PortError(self._config.port, f"relay board: {error}", "check its address, wiring and power") from None
        self._work = asyncio.create_task(self._follow())

    async def close(self) -> None:
        """Leave the relays as they are. Closing twice does no harm."""
        listeners = self._rig.events.listeners
        if self._happened in listeners:
            listeners.remove(self._happened)
        if self._work is not None:
            self._work.cancel()
            with suppress(asyncio.CancelledError):
                await self._work
            self._work = None
        self._hang_up()

    def _happened(self, event: RigEvent) -> None:
        if event.source == Source.DEVICE.value and event.name in _POWER:
            self._moved.set()

    async def _follow(self) -> None:
        silent = False
        while True:
            await self._moved.wait()
            self._moved.clear()
            try:
                await self._switch()
                if silent:
                    silent = False
                    self._tell("relay_board_back", "answers again; its relays are as the devices are")
            except BoardError as error:
                if not silent:
                    silent = True
                    self._tell("relay_board_lost", f"{error}; real devices may not have the power that theirs have")
                self._hang_up()
                self._done.clear()
                self._moved.set()
                await asyncio.sleep(RETRY)

    async def _switch(self) -> None:
        """Switch the relays that are not as they should be; raises BoardError."""
        for name, coil in self._config.coils.items():
            premises, _, kind = name.partition("/")
            power: bool = getattr(self._rig.premises[premises], kind).mains
            if self._done.get(name) != power:
                await self._write(coil, power != self._config.inverted)
                self._done[name] = power

    async def _write(self, coil: int, energised: bool) -> None:
        try:
            client = await self._connected()
            answer = await client.write_coil(coil, energised, device_id=self._config.unit)
        except ModbusException:
            raise BoardError("no answer") from None
        if answer.isError():
            raise BoardError(f"coil {coil}: refused with Modbus exception {answer.exception_code}")

    async def _connected(self) -> ModbusBaseClient:
        if self._client is None:
            self._client = self._make()
        if not self._client.connected:
            try:
                reached = await self._client.connect()
            except OSError as error:  # pyserial's own is one
                raise BoardError(str(error)) from None
            if not reached:
                raise BoardError("cannot be reached")
        return self._client

    def _make(self) -> ModbusBaseClient:
        config, spec = self._config, self._config.spec
        if spec.kind is PortKind.TCP:
            return AsyncModbusTcpClient(spec.host, port=spec.port, timeout=TIMEOUT, retries=1, reconnect_delay=0)
        bits, parity, stops = config.framing
        try:
            device = find_adaptor(spec)
        except PortError as error:
            raise BoardError(error.problem) from None
        return AsyncModbusSerialClient(
            device,
            baudrate=config.baud,
            bytesize=int(bits),
            parity=parity,
            stopbits=int(stops),
            timeout=TIMEOUT,
            retries=1,
            reconnect_delay=0,
        )

    def _hang_up(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def _tell(self, name: str, text: str) -> None:
        line = f"relay board {self._config.port}: {text}"
        self._rig.events.add(Source.RIG, name, line)
        if self._rig.warn is not None:
            self._rig.warn(line)
