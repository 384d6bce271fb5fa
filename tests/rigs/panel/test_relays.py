"""A relay board, played by pymodbus's own server, follows the power of the rig's devices."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from rigs.panel import relays
from rigs.ports import PortError
from rigs.running import Runner, RunningRig
from tests.rigs.panel.conftest import PREMISES, Registers

ELECTRICITY = "home/electricity"


class Board:
    """A board of 16 relays on TCP, in a thread of its own. ``coils`` are as they were written last."""

    def __init__(self) -> None:
        self.writes: list[tuple[int, bool]] = []
        self._runner = Runner()
        self._server: ModbusTcpServer | None = None
        self.port = 0
        self.refuses = False

    def start(self) -> None:
        """Power on."""
        self._runner.run(self._start())

    async def _start(self) -> None:
        async def written(
            function: int, _start: int, address: int, _count: int, _registers: list[int], values: Any
        ) -> Any:
            if values is not None and function == 5:
                if self.refuses:
                    return ExcCodes.DEVICE_FAILURE
                self.writes.append((address, bool(values[0])))
            return None

        bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
        words = [SimData(0, values=[0] * 2, datatype=DataType.REGISTERS)]
        device = SimDevice(7, simdata=(bits, list(bits), words, list(words)), action=written)
        self._server = ModbusTcpServer(device, address=("127.0.0.1", self.port))
        await self._server.serve_forever(background=True)
        transport: Any = self._server.transport
        self.port = transport.sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Power off."""
        if self._server is not None:
            self._runner.run(self._server.shutdown())
            self._server = None

    def close(self) -> None:
        """The end."""
        self.stop()
        self._runner.run(asyncio.sleep(0))
        self._runner.close()

    def expect(self, *writes: tuple[int, bool]) -> None:
        """Wait for these writes, and no others, since the last time."""
        end = time.monotonic() + 10
        while len(self.writes) < len(writes) and time.monotonic() < end:
            time.sleep(0.01)
        assert sorted(self.writes) == sorted(writes)
        self.writes.clear()


@pytest.fixture
def board() -> Iterator[Board]:
    made = Board()
    made.start()
    yield made
    made.close()


def rig_with(board: Board, **more: object) -> dict[str, object]:
    table = {"port": f"tcp:127.0.0.1:{board.port}", "unit": 7, "coils": {ELECTRICITY: 3, "home/hub": 4}, **more}
    return {"premises": [PREMISES], "panel": {"tcp": "tcp:0"}, "relay_board": table}


def test_relays_follow_whatever_switches_a_device(
    board: Board, smets1_rig: Callable[..., RunningRig], connect: Callable[..., Registers]
) -> None:
    running = smets1_rig(rig_with(board))
    board.expect((3, True), (4, True))
    connect(running)[ELECTRICITY, "mains"] = 0
    board.expect((3, False))
    running.premises["home"].electricity.power_on()
    board.expect((3, True))
    hub = running.premises["home"].hub.device
    running.runner.call(lambda: running.desk.act(lambda: running.rig.mains.off(hub, 60 * 10**9)))
    board.expect((4, False))
    running.clock.advance(minutes=2)
    board.expect((4, True))
    running.premises["home"].electricity.power_on()  # it has power: nothing to do
    time.sleep(0.1)
    board.expect()


def test_a_relay_that_takes_the_power_away(board: Board, smets1_rig: Callable[..., RunningRig]) -> None:
    running = smets1_rig(rig_with(board, inverted=True))
    board.expect((3, False), (4, False))
    running.premises["home"].electricity.power_off()
    board.expect((3, True))


def test_a_board_that_was_away_is_told_everything(
    board: Board, smets1_rig: Callable[..., RunningRig], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relays, "RETRY", 0.05)
    monkeypatch.setattr(relays, "TIMEOUT", 0.2)
    running = smets1_rig(rig_with(board))
    board.expect((3, True), (4, True))
    said: list[str] = []
    running.rig.warn = said.append
    board.stop()
    running.premises["home"].electricity.power_off()
    wait_for(lambda: bool(said))
    assert said == [
        f"relay board tcp:127.0.0.1:{board.port}: {said[0].split(': ')[1].partition(';')[0]}; real devices may not have"
        " the power that theirs have"
    ]
    board.start()
    board.expect((3, False), (4, True))
    wait_for(lambda: len(said) == 2)
    assert "answers again" in said[1]
    board.refuses = True
    running.premises["home"].hub.power_off()
    wait_for(lambda: len(said) == 3)
    assert "coil 4: refused with Modbus exception 4" in said[2]
    board.refuses = False
    board.expect((3, False), (4, False))


def wait_for(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not happened() and time.monotonic() < end:
        time.sleep(0.01)
    assert happened()


def test_without_the_board_the_rig_does_not_start(board: Board, smets1_rig: Callable[..., RunningRig]) -> None:
    tables = rig_with(board)
    board.stop()
    with pytest.raises(PortError, match=r"tcp:127\.0\.0\.1:\d+: relay board: cannot be reached; check its address"):
        smets1_rig(tables)


def test_a_board_on_a_serial_line(smets1_rig: Callable[..., RunningRig], tmp_path: Path) -> None:
    """The board is another rig's panel, on its pseudo terminal."""
    coil = 128  # mains of home/electricity
    away = smets1_rig({"premises": [{**PREMISES, "hub": None}], "panel": {"rtu": f"pty:{tmp_path}/board"}})
    line = Path(away.panel["rtu"]).resolve()
    table = {"port": f"serial:{line}", "baud": 19_200, "coils": {ELECTRICITY: coil}}
    here = smets1_rig({"premises": [{"name": "home", "hub": None, "gas": None}], "relay_board": table})
    here.premises["home"].electricity.power_off()
    meter = away.premises["home"].electricity
    wait_for(lambda: meter.state.power == "off")
    here.premises["home"].electricity.power_on()
    wait_for(lambda: meter.state.power == "starting")
