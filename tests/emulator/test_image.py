"""New firmware: taken in blocks, verified, activated at once or later, refused when it is not for this meter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from emulator.electricity import ElectricityMeter
from emulator.image_transfer import ImageStatus, build_image
from emulator.load import MICRO, Constant
from emulator.premises import Premises
from emulator.time import DAY, HOUR, Clock
from protocols.dlms import axdr
from protocols.dlms.client import Refused
from protocols.dlms.enums import DataAccessResult
from protocols.dlms.objects import AccessRefused

from .conftest import START, Hand, Talker, settings_of

KILOWATT = 1000 * MICRO
IMAGE = "0-0:44.0.0"

Esme = Callable[..., ElectricityMeter]


def transfer(keeper: Any, meter: ElectricityMeter, image: bytes) -> None:
    assert meter.firmware.image is not None
    size = meter.firmware.image.block_size
    keeper.act(18, IMAGE, 1, "st{oct,u32}", [b"new", len(image)])
    for number, begin in enumerate(range(0, len(image), size)):
        keeper.act(18, IMAGE, 2, "st{u32,oct}", [number, image[begin : begin + size]])


def busy(keeper: Any, method: int) -> DataAccessResult:
    with pytest.raises(AccessRefused) as refused:
        keeper.act(18, IMAGE, method)
    return refused.value.result


def test_a_new_firmware_is_taken_verified_and_activated(esme: Esme, clock: Clock, hand: Any) -> None:
    meter = esme(Constant(KILOWATT))
    keeper, reader = hand(meter, "firmware"), hand(meter)
    settings = meter.firmware.image
    assert settings is not None
    image = build_image(settings, "02.00.00", bytes(range(256)) * 7)
    checksum = reader.get(1, "1-0:0.2.8")
    transfer(keeper, meter, image)
    assert keeper.get(18, IMAGE, 3) == "1" * -(-len(image) // settings.block_size)
    assert busy(keeper, 3) is DataAccessResult.TEMPORARY_FAILURE
    assert keeper.get(18, IMAGE, 6) == ImageStatus.VERIFICATION_INITIATED
    clock.advance_to(clock.now + settings.verification_time)
    keeper.act(18, IMAGE, 3)
    assert keeper.get(18, IMAGE, 7) == [[len(image), b"new", image[-32:]]]
    assert busy(keeper, 4) is DataAccessResult.TEMPORARY_FAILURE
    clock.advance_to(clock.now + settings.activation_time)
    assert not meter.ready
    clock.advance_to(clock.now + meter.firmware.boot_time)
    assert meter.ready and meter.boots == 2
    assert reader.get(1, "1-0:0.2.0") == b"02.00.00"
    assert reader.get(1, "1-0:0.2.8") != checksum
    assert [row[1] for row in reader.rows("0-0:99.98.3")] == [70, 71, 73]
    clock.advance_to(START + HOUR)
    assert reader.get(3, "1-0:1.8.0") == 1000


def test_a_power_cut_in_the_middle_of_verification_starts_it_anew(esme: Esme, clock: Clock, hand: Any) -> None:
    meter = esme()
    keeper = hand(meter, "firmware")
    settings = meter.firmware.image
    assert settings is not None
    transfer(keeper, meter, build_image(settings, "02.00.00", b"content"))
    busy(keeper, 3)
    clock.advance_to(clock.now + settings.verification_time // 2)
    meter.power_off()
    clock.advance_to(clock.now + HOUR)
    assert meter.image.status is ImageStatus.VERIFICATION_INITIATED
    meter.power_on()
    clock.advance_to(meter.ready_at + settings.verification_time - 1)
    assert meter.image.status is ImageStatus.VERIFICATION_INITIATED
    clock.advance_to(clock.now + 1)
    assert meter.image.status is ImageStatus.VERIFICATION_SUCCESSFUL


def test_an_image_with_one_bit_wrong_is_refused(esme: Esme, clock: Clock, hand: Any) -> None:
    meter = esme()
    keeper = hand(meter, "firmware")
    settings = meter.firmware.image
    assert settings is not None
    image = bytearray(build_image(settings, "02.00.00", b"content"))
    image[len(settings.header)] ^= 1
    transfer(keeper, meter, bytes(image))
    busy(keeper, 3)
    clock.advance_to(clock.now + settings.verification_time)
    assert keeper.get(18, IMAGE, 6) == ImageStatus.VERIFICATION_FAILED
    assert busy(keeper, 3) is DataAccessResult.OTHER_REASON
    assert busy(keeper, 4) is DataAccessResult.OTHER_REASON
    assert hand(meter).get(1, "1-0:0.2.0") == b"01.00.00"


def test_what_an_image_transfer_does_not_take(esme: Esme, hand: Any) -> None:
    meter = esme()
    keeper = hand(meter, "firmware")
    settings = meter.firmware.image
    assert settings is not None
    for size in (0, 32, settings.max_size + 1):
        with pytest.raises(AccessRefused):
            keeper.act(18, IMAGE, 1, "st{oct,u32}", [b"new", size])
    with pytest.raises(AccessRefused):
        keeper.act(18, IMAGE, 2, "st{u32,oct}", [0, b""])
    keeper.act(18, IMAGE, 1, "st{oct,u32}", [b"new", 450])
    for number, block in ((0, b"short"), (3, bytes(settings.block_size)), (2, bytes(51))):
        with pytest.raises(AccessRefused):
            keeper.act(18, IMAGE, 2, "st{u32,oct}", [number, block])
    keeper.act(18, IMAGE, 2, "st{u32,oct}", [2, bytes(50)])
    assert [keeper.get(18, IMAGE, index) for index in (3, 4)] == ["001", 0]
    assert busy(keeper, 3) is DataAccessResult.TEMPORARY_FAILURE
    keeper.set(18, IMAGE, 5, "bool", False)
    with pytest.raises(AccessRefused) as refused:
        keeper.act(18, IMAGE, 1, "st{oct,u32}", [b"new", 450])
    assert refused.value.result is DataAccessResult.READ_WRITE_DENIED


def test_firmware_activation_can_be_scheduled(esme: Esme, clock: Clock, hand: Any) -> None:
    meter = esme()
    meter.device_clock.drift = 0
    keeper = hand(meter, "firmware")
    settings = meter.firmware.image
    assert settings is not None
    transfer(keeper, meter, build_image(settings, "03.00.00", b""))
    busy(keeper, 3)
    when = [[bytes.fromhex("03000000"), bytes.fromhex("07EA0102FF")]]
    keeper.set(22, "0-0:15.0.2", 4, "arr st{oct4,oct5}", when)
    clock.advance_to(START + 2 * DAY)
    meter.settle()
    clock.advance_to(START + 2 * DAY + HOUR)
    assert hand(meter).get(1, "1-0:0.2.0") == b"03.00.00"


def test_a_firmware_is_activated_by_its_script(esme: Esme, clock: Clock, hand: Any) -> None:
    meter = esme()
    keeper = hand(meter, "firmware")
    settings = meter.firmware.image
    assert settings is not None
    transfer(keeper, meter, build_image(settings, "04.00.00", b""))
    with pytest.raises(AccessRefused):  # not verified yet
        keeper.act(9, "0-0:10.0.107", 1, "u16", 1)
    busy(keeper, 3)
    clock.advance_to(clock.now + settings.verification_time)
    with pytest.raises(AccessRefused) as refused:  # begun, which is what the script hears
        keeper.act(9, "0-0:10.0.107", 1, "u16", 1)
    assert refused.value.result is DataAccessResult.TEMPORARY_FAILURE
    assert keeper.get(18, IMAGE, 6) == ImageStatus.ACTIVATION_INITIATED
    clock.advance_to(clock.now + settings.activation_time)
    clock.advance_to(meter.ready_at)
    assert keeper.get(18, IMAGE, 6) == ImageStatus.ACTIVATION_SUCCESSFUL
    assert hand(meter).get(1, "1-0:0.2.0") == b"04.00.00"


@pytest.mark.parametrize("port", ["local-tcp", "optical"])
def test_activation_ends_associations_and_the_new_firmware_opens_them_again(
    home: Callable[..., Premises], clock: Clock, port: str
) -> None:
    meter = home().electricity
    assert meter is not None and meter.firmware.image is not None
    settings = meter.firmware.image
    talker = Talker(meter.stacks[port](), settings_of(meter, "firmware"), sap=80).open()
    image = build_image(settings, "05.00.00", b"content")
    transfer(Hand(meter, "firmware"), meter, image)
    with pytest.raises(Refused):
        talker.action(18, IMAGE, 3, axdr.i8(0))
    clock.advance_to(clock.now + settings.verification_time)
    with pytest.raises(Refused):
        talker.action(18, IMAGE, 4, axdr.i8(0))
    clock.advance_to(clock.now + settings.activation_time)
    assert list(talker.stack.associations) == []
    clock.advance_to(meter.ready_at)
    again = Talker(talker.stack, settings_of(meter, "firmware"), sap=80).open()
    assert again.value(1, "1-0:0.2.0") == b"05.00.00"
    assert again.value(18, IMAGE, 6) == ImageStatus.ACTIVATION_SUCCESSFUL


def test_a_transfer_goes_on_after_the_client_and_the_power_have_gone(esme: Esme, clock: Clock, hand: Any) -> None:
    meter = esme()
    settings = meter.firmware.image
    assert settings is not None
    size, image = settings.block_size, build_image(settings, "06.00.00", bytes(1000))
    keeper = hand(meter, "firmware")
    keeper.act(18, IMAGE, 1, "st{oct,u32}", [b"new", len(image)])
    blocks = [image[begin : begin + size] for begin in range(0, len(image), size)]
    for number in (0, 1, 3):
        keeper.act(18, IMAGE, 2, "st{u32,oct}", [number, blocks[number]])
    meter.power_off()
    clock.advance_to(clock.now + HOUR)
    meter.power_on()
    keeper = hand(meter, "firmware")
    assert keeper.get(18, IMAGE, 3) == "1101" + "0" * (len(blocks) - 4)
    while (number := keeper.get(18, IMAGE, 4)) < len(blocks):
        keeper.act(18, IMAGE, 2, "st{u32,oct}", [number, blocks[number]])
    busy(keeper, 3)
    clock.advance_to(meter.ready_at + settings.verification_time)
    keeper.act(18, IMAGE, 3)
    assert [row[1] for row in hand(meter).rows("0-0:99.98.3")] == [70, 71]


@pytest.mark.parametrize("wrong", ["header", "version"])
def test_an_image_for_another_meter_is_refused_and_logged(esme: Esme, clock: Clock, hand: Any, wrong: str) -> None:
    meter = esme()
    settings = meter.firmware.image
    assert settings is not None
    image = build_image(
        replace(settings, header=b"OTHER:") if wrong == "header" else settings,
        "bad\x07" if wrong == "version" else "07.00.00",
        b"content",
    )
    keeper = hand(meter, "firmware")
    transfer(keeper, meter, image)
    busy(keeper, 3)
    clock.advance_to(clock.now + settings.verification_time)
    assert busy(keeper, 3) is DataAccessResult.OTHER_REASON
    assert [row[1] for row in hand(meter).rows("0-0:99.98.3")] == [70, 72]
    assert hand(meter).get(1, "0-0:97.97.0") == 1 << 16
    transfer(keeper, meter, build_image(settings, "07.00.00", b"content"))
    busy(keeper, 3)
    clock.advance_to(clock.now + settings.verification_time)
    assert hand(meter).get(1, "0-0:97.97.0") == 0
