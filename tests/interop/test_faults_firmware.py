"""Faults of images of firmware: pydlms sends, verifies and activates one, with each fault and after it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from emulator.firmware import ImageSettings
from emulator.image_transfer import build_image
from rigs.driver import ClockMode
from tests.interop.faulty_meter import FaultyMeter, faulty_meter
from tests.interop.head_end import head_end

pytestmark = [pytest.mark.interop, pytest.mark.timeout(120)]

NAME, LOG = "0.0.44.0.0.255", "0.0.99.98.3.255"
BLOCKS, FIRST_MISSING, STATUS = ([18, NAME, index] for index in (3, 4, 6))
VERSION, FAILURES = [1, "1.0.0.2.0.255", 2], [1, "0.0.96.7.0.255", 2]
VERIFIED, NOT_VERIFIED, ACTIVATING, ACTIVATED, NOT_ACTIVATED = 3, 4, 5, 6, 7
LOGGED_REFUSED, LOGGED_ACTIVATED, LOGGED_FAILED = 72, 73, 74
TEMPORARY, OTHER_REASON = 2, 250


class Bench:
    """The meter, and a head-end that has new firmware for it."""

    def __init__(self, meter: FaultyMeter) -> None:
        self.meter = meter
        settings = meter.meter.running.device.firmware.image
        assert settings is not None
        self.settings: ImageSettings = settings
        self._versions = 1

    def get(self, *attributes: list[Any]) -> list[Any]:
        return self.meter.well(*(["get", *each] for each in attributes))

    def act(self, *steps: list[Any]) -> list[Any]:
        """Results of steps that only the firmware client may do."""
        return self.meter.well(*steps, association="firmware")

    @property
    def version(self) -> str:
        return bytes.fromhex(self.get(VERSION)[0]).decode()

    def logged(self) -> int:
        """The code of the last event of the firmware log."""
        (rows,) = self.meter.well(["profile", LOG])
        return rows[-1][1]

    def send(self) -> tuple[str, int]:
        """Send an image; its version, and how many blocks it has."""
        self._versions += 1
        version = f"{self._versions:02}.00.00"
        image, size = build_image(self.settings, version, bytes(700)), self.settings.block_size
        blocks = [image[begin : begin + size] for begin in range(0, len(image), size)]
        begin = ["structure", [["octet_string", b"new".hex()], ["double_long_unsigned", len(image)]]]
        self.act(["action", 18, NAME, 1, begin], *map(self.block, range(len(blocks)), blocks))
        return version, len(blocks)

    def block(self, number: int, octets: bytes) -> list[Any]:
        """The step that sends a block."""
        block = ["structure", [["double_long_unsigned", number], ["octet_string", octets.hex()]]]
        return ["action", 18, NAME, 2, block]

    def refused(self, method: int) -> int:
        """How a method that does not answer with success is refused."""
        return self.act(["refused", ["action", 18, NAME, method, ["integer", 0]]])[0]

    def verify(self) -> int:
        """Have the image verified; the status after it."""
        assert self.refused(3) == TEMPORARY
        self.wait(self.settings.verification_time)
        return self.get(STATUS)[0]

    def activate(self) -> int:
        """Have it activated; the status after it."""
        assert self.refused(4) == TEMPORARY
        self.wait(self.settings.activation_time)
        return self.get(STATUS)[0]

    def wait(self, duration: int) -> None:
        """So many ns, and a second."""
        self.meter.running.clock.advance(seconds=duration / 1e9 + 1)

    def works(self) -> None:
        """A new image goes all its way."""
        version, _ = self.send()
        assert self.verify() == VERIFIED
        assert self.activate() == ACTIVATED
        assert self.version == version
        assert self.logged() == LOGGED_ACTIVATED


@pytest.fixture(scope="module")
def bench(peers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("firmware")
    with head_end(peers) as peer, faulty_meter(folder, peer, mode=ClockMode.STEPPED) as made:
        yield Bench(made)


@pytest.mark.fault("image-block-spoilt")
def test_a_block_that_flash_does_not_hold(bench: Bench) -> None:
    with bench.meter.fault("image-block-spoilt", block=2):
        _, blocks = bench.send()
        assert bench.get(FIRST_MISSING) == [blocks]
        assert bench.verify() == NOT_VERIFIED
        assert (bench.refused(4), bench.logged()) == (OTHER_REASON, LOGGED_REFUSED)
    with bench.meter.fault("image-block-spoilt", block=2, flash="erased"):
        bench.send()
        assert bench.get(FIRST_MISSING) == [2]
        bench.act(bench.block(2, bytes(bench.settings.block_size)))
        assert bench.get(FIRST_MISSING) == [2]
        assert bench.refused(3) == TEMPORARY
    bench.works()


@pytest.mark.fault("image-not-verified")
def test_an_image_that_is_not_verified(bench: Bench) -> None:
    with bench.meter.fault("image-not-verified"):
        _, blocks = bench.send()
        assert bench.get(FIRST_MISSING) == [blocks]
        assert bench.verify() == NOT_VERIFIED
        assert (bench.refused(3), bench.logged()) == (OTHER_REASON, LOGGED_REFUSED)
    bench.works()


@pytest.mark.fault("activation-interrupted")
def test_an_activation_that_is_interrupted(bench: Bench) -> None:
    old, (failures,) = bench.version, bench.get(FAILURES)
    with bench.meter.fault("activation-interrupted", per_cent=30, off=60):
        bench.send()
        assert bench.verify() == VERIFIED
        assert bench.refused(4) == TEMPORARY
        bench.wait(bench.settings.activation_time)
        assert "DlmsTimeoutError" in bench.meter.ask(["get", *STATUS])["error"]
        bench.wait(60 * 10**9)
        assert bench.get(STATUS, FAILURES) == [NOT_ACTIVATED, failures + 1]
        assert (bench.version, bench.logged(), bench.refused(4)) == (old, LOGGED_FAILED, OTHER_REASON)
    bench.works()
    assert bench.get(FAILURES) == [failures + 1]


@pytest.mark.fault("old-firmware-starts")
def test_the_old_firmware_starts(bench: Bench) -> None:
    old = bench.version
    with bench.meter.fault("old-firmware-starts"):
        bench.send()
        assert bench.verify() == VERIFIED
        assert bench.activate() == NOT_ACTIVATED
        assert (bench.version, bench.logged()) == (old, LOGGED_FAILED)
    bench.works()


@pytest.mark.fault("activation-stalls")
def test_an_activation_that_stalls(bench: Bench) -> None:
    old = bench.version
    with bench.meter.fault("activation-stalls"):
        version, _ = bench.send()
        assert bench.verify() == VERIFIED
        assert bench.activate() == ACTIVATING
        bench.wait(3600 * 10**9)
        assert (bench.version, bench.refused(4)) == (old, TEMPORARY)
    assert (bench.get(STATUS), bench.version) == ([ACTIVATED], version)
    bench.works()
