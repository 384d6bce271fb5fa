"""Faults of images of firmware: while they are taken, verified and activated (class 18)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emulator.faults.fault import Culprit, End, Fault, Layer, Site
from emulator.faults.parameters import FaultError, Number, Word
from emulator.image_transfer import ImageTroubles
from emulator.time import SECOND
from emulator.troubles import beset

if TYPE_CHECKING:
    from emulator.image_transfer import ImageTransfer

_KINDS: Final = ("hub", "electricity", "gas")
_SOUND: Final = ImageTroubles()
_ACTIVATION: Final = "activation of images"
_AGAIN: Final = "images that are sent from then on work"


def _transfer(site: Site) -> ImageTransfer:
    if site.device.firmware.image is None:
        device = site.device
        raise FaultError(f"{device.identity.device_id}: its profile {device.firmware.name} has no [image] table")
    return site.device.image


def _block_spoilt(site: Site) -> End:
    blocks, erased = frozenset((site.number("block"),)), site.word("flash") == "erased"
    return beset(_transfer(site), _SOUND, bad_blocks=blocks, erased=erased)


def _not_verified(site: Site) -> End:
    return beset(_transfer(site), _SOUND, distrusts=True)


def _falls_back(site: Site) -> End:
    return beset(_transfer(site), _SOUND, falls_back=True)


def _stalls(site: Site) -> End:
    transfer = _transfer(site)
    mend = beset(transfer, _SOUND, stalls=True, stalled=False)

    def end() -> None:
        stalled = transfer.troubles is not None and transfer.troubles.stalled
        mend()
        if stalled:
            transfer.go_on()

    return end


def _interrupted(site: Site) -> End:
    device, transfer = site.device, _transfer(site)
    per_cent, off = site.number("per_cent"), site.number("off") * SECOND
    clock = device.clock

    def activating() -> None:
        clock.schedule(clock.now + transfer.settings.activation_time * per_cent // 100, cut)

    def cut() -> None:
        if transfer.broken_off():
            device.power_off()
            clock.schedule(clock.now + off, back)

    def back() -> None:
        device.power_on()
        transfer.tell_failure()

    return beset(transfer, _SOUND, activating=activating)


FAULTS: Final = (
    Fault(
        "image-block-spoilt",
        Layer.FIRMWARE,
        "A block of an image is taken and not stored as it came",
        _KINDS,
        _block_spoilt,
        Culprit.DEVICE,
        "the block was right; the flash that it went to does not hold it",
        (
            "every block is answered with success",
            "flash that changed bits: verification ends in failure (status 4, other-reason, logged)",
            "flash that was erased: the block stays missing (attributes 3 and 4), however often it is sent",
        ),
        f"blocks are stored; {_AGAIN}",
        (
            Number("block", "Which block of each image", "", 0, 1_000_000, 0),
            Word("flash", "What it holds of the block", ("changed", "erased")),
        ),
        holds="blocks of images",
    ),
    Fault(
        "image-not-verified",
        Layer.FIRMWARE,
        "Verification of an image fails, though all of its blocks are right",
        _KINDS,
        _not_verified,
        Culprit.DEVICE,
        "the image is right; the firmware compares it with the wrong digest",
        ("all blocks are there; verification ends in failure (status 4, other-reason, logged)",),
        f"images are verified; {_AGAIN}",
        holds="verification of images",
    ),
    Fault(
        "activation-interrupted",
        Layer.FIRMWARE,
        "The power goes while an image is activated",
        _KINDS,
        _interrupted,
        Culprit.NETWORK_OPERATOR,
        "the power was cut before the new firmware was whole: the boot loader starts the old one",
        (
            "the device is off, and starts with the old version",
            "status 7 (activation failed), logged; a power failure is counted",
        ),
        f"nothing cuts the power any more; {_AGAIN}",
        (
            Number("per_cent", "How much of the activation is over when the power goes", "%", 0, 99, 50),
            Number("off", "How long there is no power", "s", 1, 86_400, 60),
        ),
        holds=_ACTIVATION,
    ),
    Fault(
        "old-firmware-starts",
        Layer.FIRMWARE,
        "The device starts with the old firmware after an activation",
        _KINDS,
        _falls_back,
        Culprit.DEVICE,
        "its boot loader finds the new firmware wrong and starts the old one",
        ("it starts anew at the end of the activation; its version is the old one", "status 7, logged"),
        _AGAIN,
        holds=_ACTIVATION,
    ),
    Fault(
        "activation-stalls",
        Layer.FIRMWARE,
        "An activation does not come to its end",
        _KINDS,
        _stalls,
        Culprit.DEVICE,
        "the task that copies the image waits for something that does not come",
        ("status 5 (activation initiated) for good; activate is answered with temporary-failure", "the old version"),
        "an activation that has stalled goes on, and the device starts with the new version",
        holds=_ACTIVATION,
    ),
)
"""Faults of images of firmware."""
