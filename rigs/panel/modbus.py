"""Modbus TCP and RTU over the rig's own ports: pymodbus's framers and messages around the registers of a bench.

pymodbus's server class is not what serves them, as it opens ports by itself, cannot be reached over a pseudo terminal's
master, forgets requests that come close together, and answers a count out of range with function code 0. What a
:class:`ModbusStack` makes of octets is answered in the call that brings them, so a request sees one instant of the rig.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Self, cast

from pymodbus.constants import ExcCodes, ModbusStatus
from pymodbus.framer.rtu import FramerRTU
from pymodbus.framer.socket import FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.bit_message import WriteSingleCoilRequest, WriteSingleCoilResponse
from pymodbus.pdu.register_message import WriteSingleRegisterRequest, WriteSingleRegisterResponse

from rigs.panel.bench import Refusal, RefusedError
from rigs.panel.forms import Table

if TYPE_CHECKING:
    from pymodbus.datastore import ModbusServerContext

    from emulator.gate import Gate, LineEnd
    from rigs.panel.bench import Bench
    from rigs.panel.settings import PanelConfig

FUNCTIONS: dict[int, Table] = {
    1: Table.COIL,
    2: Table.DISCRETE,
    3: Table.HOLDING,
    4: Table.INPUT,
    5: Table.COIL,
    6: Table.HOLDING,
    15: Table.COIL,
    16: Table.HOLDING,
}
"""Function codes that are served, and the table that each is about."""
REQUESTS, REFUSED, DISCARDED = "requests", "requests refused", "octets discarded"
ITSELF = (0x00, 0xFF)
"""Units by which Modbus TCP means the device at the address itself (Messaging on TCP/IP 1.0b, clause 4.4.1.2)."""
_LONGEST_RTU, _LONGEST_TCP = 256, 260
_HEADER, _LEAST, _MOST = 6, 2, 254  # octets of the MBAP header before the length; what the length may be
_PAUSE = 100_000_000  # ns of silence that ends a frame, however slow the adaptor hands octets on


class _Refused(ModbusPDU):
    """Stands for a request that cannot be read."""

    def __init__(self, function: int, why: Refusal) -> None:
        super().__init__()
        self.function_code = function
        self._why = why

    async def datastore_update(self, context: ModbusServerContext, device_id: int) -> ModbusPDU:
        """The refusal."""
        return ExceptionResponse(self.function_code, self._why)


class _WriteCoil(WriteSingleCoilRequest):
    """pymodbus's takes any number for on, and answers with what is read afterwards instead of the request."""

    def decode(self, data: bytes) -> None:
        super().decode(data)
        if struct.unpack(">H", data[2:4])[0] not in (ModbusStatus.ON, ModbusStatus.OFF):
            raise ValueError("neither on nor off")

    async def datastore_update(self, context: ModbusServerContext, device_id: int) -> ModbusPDU:
        refused = await context.async_setValues(device_id, self.function_code, self.address, self.bits)
        if refused:
            return ExceptionResponse(self.function_code, refused)
        return WriteSingleCoilResponse(address=self.address, bits=self.bits)


class _WriteRegister(WriteSingleRegisterRequest):
    """Likewise answered with the request."""

    async def datastore_update(self, context: ModbusServerContext, device_id: int) -> ModbusPDU:
        registers = list(self.registers)
        refused = await context.async_setValues(device_id, self.function_code, self.address, registers)
        if refused:
            return ExceptionResponse(self.function_code, refused)
        return WriteSingleRegisterResponse(address=self.address, registers=registers)


class _Decoder(DecodePDU):
    """Reads requests; one that it cannot read is refused, not thrown away."""

    def __init__(self) -> None:
        super().__init__(True)
        self.register(_WriteCoil)
        self.register(_WriteRegister)

    def decode(self, frame: bytes) -> ModbusPDU:
        """Never None."""
        if frame[0] not in FUNCTIONS:
            return _Refused(frame[0], Refusal.FUNCTION)
        return super().decode(frame) or _Refused(frame[0], Refusal.VALUE)


class _Rtu(FramerRTU):
    """Takes octets with a right CRC for a frame whatever its function, so that an unknown one is refused."""

    def decode(self, data: bytes) -> tuple[int, int, int, bytes]:
        if len(data) >= self.MIN_SIZE and self.check_CRC(data[:-2], int.from_bytes(data[-2:], "big")):
            return len(data), data[0], 0, data[1:-2]
        return super().decode(data)


class _Context:
    """The data store that pymodbus's requests ask."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    async def async_getValues(
        self, device_id: int, func_code: int, address: int, count: int = 1
    ) -> list[int] | ExcCodes:
        """Entries of the table of a function."""
        try:
            return self._bench.read(device_id, FUNCTIONS[func_code], address, count)
        except RefusedError as error:
            return ExcCodes(error.why)

    async def async_setValues(
        self, device_id: int, func_code: int, address: int, values: list[int] | list[bool]
    ) -> ExcCodes | None:
        """Set entries of the table of a function."""
        try:
            self._bench.write(device_id, FUNCTIONS[func_code], address, [int(value) for value in values])
        except RefusedError as error:
            return ExcCodes(error.why)
        return None


class ModbusStack:
    """One line or connection to the panel, as :class:`rigs.ports.line.Line` drives the stack of a device."""

    def __init__(self, bench: Bench, config: PanelConfig) -> None:
        self.transmit: Callable[[bytes], None] = lambda data: None
        self.explain: Callable[[str], None] | None = None
        self.counters: Counter[str] = Counter()
        self.baud = self.send_baud = config.baud
        self.bauds = frozenset((config.baud,))
        self.character = self.send_character = config.framing
        self.characters = frozenset((config.framing,))
        self.turnaround = 0
        self.drop = False
        self.line: LineEnd | None = None
        self.gate: Gate | None = None  # no fault of a device strikes here
        self._bench = bench
        self._context = cast("ModbusServerContext", _Context(bench))
        self._buffer = bytearray()

    @property
    def way(self) -> Self:
        """What a line drives."""
        return self

    def next_timeout(self) -> int | None:
        """Silence is seen when it ends."""
        return None

    def timeout(self, now: int) -> None:
        """Never asked for."""

    def opened(self, now: int) -> None:
        """The far end is there."""

    def closed(self) -> None:
        """The far end has gone."""
        self._buffer.clear()
        self.drop = False

    def receive(self, data: bytes, now: int) -> bytes:
        """Octets that arrived at line time ``now``, ns; the answers."""
        raise NotImplementedError

    def _answer(self, request: ModbusPDU, unit: int) -> ModbusPDU:
        """What to answer to a request to a unit that is here."""
        self.counters[REQUESTS] += 1
        answer = _result(request.datastore_update(self._context, unit))
        answer.dev_id, answer.transaction_id = request.dev_id, request.transaction_id
        if answer.isError():
            self.counters[REFUSED] += 1
            if self.explain is not None:
                why = Refusal(answer.exception_code).name.lower()
                self.explain(f"Modbus function {request.function_code} to unit {request.dev_id} refused: {why}")
        return answer

    def _discard(self, why: str) -> None:
        self.counters[DISCARDED] += len(self._buffer)
        self._buffer.clear()
        if self.explain is not None:
            self.explain(f"Modbus: {why}")


class TcpStack(ModbusStack):
    """Modbus TCP: a unit that is not there is an address that is not there."""

    def __init__(self, bench: Bench, config: PanelConfig) -> None:
        super().__init__(bench, config)
        self.character = self.send_character = "8N1"
        self.characters = frozenset(("8N1",))
        self._framer = FramerSocket(_Decoder())

    def receive(self, data: bytes, now: int) -> bytes:
        buffer, answers = self._buffer, bytearray()
        buffer += data
        while len(buffer) >= _HEADER and not self.drop:
            protocol, length = int.from_bytes(buffer[2:4], "big"), int.from_bytes(buffer[4:6], "big")
            if protocol or not _LEAST <= length <= _MOST:
                self._discard(f"not Modbus TCP (protocol {protocol}, length {length}); connection closed")
                self.drop = True
            elif len(buffer) < _HEADER + length:
                break
            else:
                frame = bytes(buffer[: _HEADER + length])
                del buffer[: _HEADER + length]
                request = self._framer.handleFrame(frame, 0, 0)[1]
                assert request is not None
                unit = self._bench.units()[0] if request.dev_id in ITSELF else request.dev_id
                answers += self._framer.buildFrame(self._answer(request, unit))
        return bytes(answers)


class RtuStack(ModbusStack):
    """Modbus RTU: what is for units that are not here belongs to others on the line, and is not answered."""

    def __init__(self, bench: Bench, config: PanelConfig) -> None:
        super().__init__(bench, config)
        self._framer = _Rtu(_Decoder())
        self._heard = 0

    def receive(self, data: bytes, now: int) -> bytes:
        buffer = self._buffer
        if buffer and now - self._heard >= _PAUSE:
            self._discard(f"{len(buffer)} octets without a right end discarded")
        self._heard = now
        buffer += data
        used, request = self._framer.handleFrame(bytes(buffer), 0, 0)
        if request is None:
            if used or len(buffer) > _LONGEST_RTU:
                self._discard(f"{len(buffer)} octets that are no frame discarded")
            return b""
        buffer.clear()
        if request.dev_id not in self._bench.units():
            return b""
        return self._framer.buildFrame(self._answer(request, request.dev_id))


STACKS: dict[str, type[ModbusStack]] = {"tcp": TcpStack, "rtu": RtuStack}
"""By the names of :meth:`rigs.panel.settings.PanelConfig.ports`."""


def _result(work: Coroutine[Any, Any, ModbusPDU]) -> ModbusPDU:
    """What a request gives that waits for nothing: our data store answers at once."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("a request waited for its data store")
