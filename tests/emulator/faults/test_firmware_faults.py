"""Faults of images of firmware: what is seen of each from outside, and how it is after its end."""

from __future__ import annotations

import pytest

from emulator.electricity import ElectricityMeter
from emulator.faults.parameters import FaultError
from emulator.image_transfer import ImageStatus, build_image
from emulator.time import DAY, MINUTE, SECOND
from protocols.dlms.enums import DataAccessResult

from ..conftest import Hand, refused
from .conftest import Spot

IMAGE, VERSION, LOG = "0-0:44.0.0", "1-0:0.2.0", "0-0:99.98.3"
INITIATED, VERIFIED, REFUSED, ACTIVATED, FAILED = 70, 71, 72, 73, 74


class Bench:
    """A meter, and somebody who gives it new firmware."""

    def __init__(self, place: Spot) -> None:
        meter = place.device("electricity")
        assert isinstance(meter, ElectricityMeter) and meter.firmware.image is not None
        self.place, self.meter, self.settings = place, meter, meter.firmware.image
        self.hand = Hand(meter, "firmware")

    def send(self, version: str = "02.00.00") -> int:
        """Send an image, block by block; how many."""
        image, size = build_image(self.settings, version, bytes(700)), self.settings.block_size
        self.hand.act(18, IMAGE, 1, "st{oct,u32}", [b"new", len(image)])
        blocks = range(0, len(image), size)
        for number, begin in enumerate(blocks):
            self.hand.act(18, IMAGE, 2, "st{u32,oct}", [number, image[begin : begin + size]])
        return len(blocks)

    def act(self, method: int) -> DataAccessResult:
        return refused(lambda: self.hand.act(18, IMAGE, method))

    def verify(self) -> ImageStatus:
        """Verify, and wait for the end of it."""
        assert self.act(3) is DataAccessResult.TEMPORARY_FAILURE
        self.place.after(self.settings.verification_time)
        return self.status

    def activate(self) -> ImageStatus:
        """Activate, and wait for the start after it."""
        assert self.act(4) is DataAccessResult.TEMPORARY_FAILURE
        self.place.after(self.settings.activation_time)
        self.place.after(self.meter.firmware.boot_time)
        return self.status

    @property
    def status(self) -> ImageStatus:
        return ImageStatus(self.hand.get(18, IMAGE, 6))

    @property
    def version(self) -> bytes:
        return Hand(self.meter).get(1, VERSION)

    @property
    def logged(self) -> list[int]:
        return [row[1] for row in Hand(self.meter).rows(LOG)]

    def works(self) -> None:
        """A new image is taken, verified and activated."""
        self.send("09.00.00")
        assert self.verify() is ImageStatus.VERIFICATION_SUCCESSFUL
        assert self.activate() is ImageStatus.ACTIVATION_SUCCESSFUL
        assert self.version == b"09.00.00"
        assert self.meter.image.troubles is None


@pytest.fixture
def bench(spot: Spot) -> Bench:
    return Bench(spot)


def test_a_block_that_flash_does_not_hold(bench: Bench) -> None:
    fault = bench.place.start("image-block-spoilt", "electricity", block=2)
    blocks = bench.send()
    assert bench.hand.get(18, IMAGE, 3) == "1" * blocks
    assert bench.verify() is ImageStatus.VERIFICATION_FAILED
    assert bench.act(4) is DataAccessResult.OTHER_REASON
    assert bench.logged == [INITIATED, REFUSED]
    bench.place.end(fault)
    bench.works()


def test_a_block_that_stays_missing(bench: Bench) -> None:
    fault = bench.place.start("image-block-spoilt", "electricity", block=2, flash="erased")
    blocks = bench.send()
    assert bench.hand.get(18, IMAGE, 3) == "110" + "1" * (blocks - 3)
    assert bench.hand.get(18, IMAGE, 4) == 2
    assert bench.act(3) is DataAccessResult.TEMPORARY_FAILURE
    assert bench.status is ImageStatus.INITIATED
    bench.place.end(fault)
    image, size = build_image(bench.settings, "02.00.00", bytes(700)), bench.settings.block_size
    bench.hand.act(18, IMAGE, 2, "st{u32,oct}", [2, image[2 * size : 3 * size]])
    assert bench.verify() is ImageStatus.VERIFICATION_SUCCESSFUL
    bench.works()


def test_an_image_that_is_right_and_not_verified(bench: Bench) -> None:
    fault = bench.place.start("image-not-verified", "electricity")
    bench.send()
    assert bench.verify() is ImageStatus.VERIFICATION_FAILED
    assert bench.act(3) is DataAccessResult.OTHER_REASON
    assert bench.logged == [INITIATED, REFUSED]
    bench.place.end(fault)
    bench.works()


@pytest.mark.parametrize("per_cent", [0, 50, 99])
def test_an_activation_that_is_interrupted(bench: Bench, per_cent: int) -> None:
    meter, old = bench.meter, bench.version
    fault = bench.place.start("activation-interrupted", "electricity", per_cent=per_cent)
    bench.send()
    bench.verify()
    assert bench.act(4) is DataAccessResult.TEMPORARY_FAILURE
    bench.place.after(bench.settings.activation_time * per_cent // 100 + SECOND)
    assert not meter.mains
    bench.place.after(MINUTE + meter.firmware.boot_time)
    assert meter.ready and meter.power_failures == 1
    assert (bench.status, bench.version) == (ImageStatus.ACTIVATION_FAILED, old)
    assert bench.logged == [INITIATED, VERIFIED, FAILED]
    bench.place.after(DAY)
    assert bench.act(4) is DataAccessResult.OTHER_REASON
    bench.place.end(fault)
    bench.works()
    assert meter.power_failures == 1


def test_the_old_firmware_starts(bench: Bench) -> None:
    old, boots = bench.version, bench.meter.boots
    fault = bench.place.start("old-firmware-starts", "electricity")
    bench.send()
    bench.verify()
    assert bench.activate() is ImageStatus.ACTIVATION_FAILED
    assert (bench.version, bench.meter.boots) == (old, boots + 1)
    assert bench.logged == [INITIATED, VERIFIED, FAILED]
    bench.place.end(fault)
    bench.works()


def test_an_activation_that_stalls(bench: Bench) -> None:
    old = bench.version
    fault = bench.place.start("activation-stalls", "electricity")
    bench.send()
    bench.verify()
    assert bench.activate() is ImageStatus.ACTIVATION_INITIATED
    bench.place.after(DAY)
    assert bench.act(4) is DataAccessResult.TEMPORARY_FAILURE
    assert bench.version == old and bench.meter.ready
    bench.place.end(fault)
    assert (bench.status, bench.version) == (ImageStatus.ACTIVATION_SUCCESSFUL, b"02.00.00")
    bench.place.after(bench.meter.firmware.boot_time)
    bench.works()


def test_the_end_of_a_fault_does_not_hurry_an_activation(bench: Bench) -> None:
    fault = bench.place.start("activation-stalls", "electricity")
    bench.send()
    bench.verify()
    bench.act(4)
    bench.place.end(fault)
    assert bench.status is ImageStatus.ACTIVATION_INITIATED
    bench.place.after(bench.settings.activation_time)
    assert bench.status is ImageStatus.ACTIVATION_SUCCESSFUL


def test_faults_that_touch_the_same(bench: Bench) -> None:
    bench.place.start("old-firmware-starts", "electricity")
    with pytest.raises(FaultError, match=r"home/electricity: F1 \(old-firmware-starts\) has that already"):
        bench.place.start("activation-stalls", "electricity")
    bench.place.start("image-not-verified", "electricity")
    bench.place.faults.end_all()
    bench.works()
