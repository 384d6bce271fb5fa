"""What a bench does with a meter, by labgrid: read it, cut its power, take its optical head off.

smets1 up examples/labgrid/rig.toml &
pytest --lg-env examples/labgrid/env.yaml examples/labgrid
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from labgrid import Target
from labgrid.driver import DigitalOutputPowerDriver, ModbusCoilDriver, SerialDriver
from pexpect import TIMEOUT

SIGN_ON = b"/?!\r\n"
READ_OUT = b"\x06000\r\n"
"""Mode C of IEC 62056-21: the readout, at the rate of the sign-on."""
IDENTIFICATION = r"/[A-Z]{2}[A-Za-z][0-9][^\r]*\r\n"
STARTED = 30.0
"""Seconds within which a meter that has got its power back answers."""
IDLE = 2.5
"""Seconds after which a meter has given up a sign-on that nobody goes on with."""


@pytest.fixture
def power(target: Target) -> Iterator[DigitalOutputPowerDriver]:
    driver = target.get_driver("PowerProtocol")
    driver.on()
    yield driver
    driver.on()


@pytest.fixture
def head(target: Target) -> Iterator[ModbusCoilDriver]:
    driver = target.get_driver("DigitalOutputProtocol", name="head-driver")
    driver.set(True)
    yield driver
    driver.set(True)


@pytest.fixture
def meter(target: Target, power: DigitalOutputPowerDriver, head: ModbusCoilDriver) -> SerialDriver:
    """The optical port of a meter that has power, and answers."""
    port = target.get_driver("ConsoleProtocol")
    wait_for(port)
    return port


def answers(port: SerialDriver) -> bool:
    """Whether the meter identifies itself."""
    port.write(SIGN_ON)
    try:
        port.expect(IDENTIFICATION, timeout=2)
    except TIMEOUT:
        return False
    return True


def wait_for(port: SerialDriver) -> None:
    end = time.monotonic() + STARTED
    while not answers(port):
        assert time.monotonic() < end, "the meter does not answer"
    time.sleep(IDLE)


def test_the_meter_is_read(meter: SerialDriver) -> None:
    assert answers(meter)
    meter.write(READ_OUT)
    _, _, energy, _ = meter.expect(r"1-0:1\.8\.0[^(]*\((\d+\.\d{3})\*kWh\)", timeout=5)
    assert float(energy.group(1)) > 0
    meter.expect(r"!\r\n", timeout=5)


def test_no_answer_without_power(meter: SerialDriver, power: DigitalOutputPowerDriver) -> None:
    power.off()
    assert not power.get()
    assert not answers(meter)
    power.cycle()
    assert power.get()
    wait_for(meter)


def test_no_answer_without_the_head(meter: SerialDriver, head: ModbusCoilDriver) -> None:
    head.set(False)
    assert not head.get()
    assert not answers(meter)
    head.set(True)
    assert answers(meter)
