"""Faults of the device itself: power, start, firmware as it runs, keys and display."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from emulator.display import Display
from emulator.faults import power
from emulator.faults.again import Again
from emulator.faults.fault import Culprit, End, Fault, Layer, Site
from emulator.faults.parameters import FaultError, Number, Word
from emulator.front import Key
from emulator.meter import Meter
from emulator.time import SECOND
from emulator.troubles import SOUND, beset

if TYPE_CHECKING:
    from random import Random

    from emulator.device import Device
    from emulator.front import Front

ALL: Final = ("hub", "electricity", "gas", "display")
_FIRMWARE, _START = "firmware", "start"
_LONGEST_MEAN: Final = 8  # times the mean: what a draw is cut off at


# --- firmware as it runs


def _hangs(site: Site) -> End:
    device = site.device
    if not device.ready:
        raise FaultError(f"{device.identity.device_id}: has no power, or its firmware does not run yet")
    if site.word("watchdog") == "works":
        device.hang()
        return lambda: _start_anew(device)
    mend = beset(device, SOUND, no_watchdog=True)
    device.hang()

    def end() -> None:
        mend()
        _start_anew(device)

    return end


def _start_anew(device: Device) -> None:
    """Firmware that still hangs is found by its watchdog now."""
    if device.hung:
        device.watchdog()


def _reset_loop(site: Site) -> End:
    device, runs = site.device, site.number("runs") * SECOND
    return Again(device, lambda: max(0, device.ready_at - device.clock.now) + runs, device.watchdog).end


def _spontaneous_resets(site: Site) -> End:
    device, chance, mean = site.device, site.chance, site.number("mean") * SECOND

    def reset() -> None:
        if device.ready:
            device.reboot()
            device.record("ram_error")

    return Again(device, lambda: _drawn(chance, mean), reset).end


def _drawn(chance: Random, mean: int) -> int:
    """A time until what comes by chance comes next, ns."""
    return min(round(chance.expovariate(1.0) * mean), _LONGEST_MEAN * mean)


def _slow_boot(site: Site) -> End:
    device, longer = site.device, site.number("seconds") * SECOND
    mend = beset(device, SOUND, boot_delay=longer)
    boots = device.boots

    def end() -> None:
        mend()
        if device.boots > boots and device.ready_at > device.clock.now:
            device.ready_at = max(device.clock.now, device.ready_at - longer)

    return end


def _no_start(site: Site) -> End:
    device = site.device
    mend = beset(device, SOUND, no_start=True)

    def end() -> None:
        mend()
        _start_anew(device)

    return end


# --- keys and display


def _front(site: Site) -> Front:
    device = site.device
    if isinstance(device, Display):
        return device.front
    if isinstance(device, Meter) and device.account is not None:
        return device.keypad
    raise FaultError(f"{device.identity.device_id}: its profile {device.firmware.name} has no keypad and no display")


def _blank(site: Site) -> End:
    front = _front(site)
    front.blank = True

    def end() -> None:
        front.blank = False

    return end


def _key_stuck(site: Site) -> End:
    front = _front(site)
    front.press(Key(site.word("key")))
    front.stuck = True

    def end() -> None:
        front.stuck = False

    return end


FAULTS: Final = (
    Fault(
        "hangs",
        Layer.DEVICE,
        "The firmware stops: the device has power and says nothing",
        ALL,
        _hangs,
        Culprit.DEVICE,
        "its firmware is in an endless loop; the metering part counts on",
        (
            "no answer on any port, though TCP connections stay; the HAN hears nothing of it",
            "after that a watchdog reset in the log and bit 12 of the error register",
        ),
        "its watchdog starts it anew, as power off and on would have done before",
        (Word("watchdog", "Whether its watchdog ends it after the profile's watchdog_s", ("works", "fails")),),
        holds=_FIRMWARE,
    ),
    Fault(
        "reset-loop",
        Layer.DEVICE,
        "The watchdog starts the device anew again and again",
        ALL,
        _reset_loop,
        Culprit.DEVICE,
        "its firmware hangs soon after each start",
        (
            "links and associations end, and the device is silent while it starts, over and over",
            "many watchdog resets in the log, reboots counted, bit 12 of the error register",
        ),
        "it stays up after its last start",
        (Number("runs", "How long it runs after each start", "s", 0, 86_400, 30),),
        holds=_FIRMWARE,
    ),
    Fault(
        "spontaneous-resets",
        Layer.DEVICE,
        "The device starts anew by itself now and then",
        ALL,
        _spontaneous_resets,
        Culprit.DEVICE,
        "its RAM does not hold what it is given",
        (
            "links and associations end at no particular time; no power failure and no watchdog reset is logged",
            "RAM errors in the log, bit 9 of the error register",
        ),
        "it stays up",
        (Number("mean", "Mean time between two", "s", 1, 31_536_000, 3600),),
        holds=_FIRMWARE,
    ),
    Fault(
        "slow-boot",
        Layer.DEVICE,
        "The device takes longer to start",
        ALL,
        _slow_boot,
        Culprit.DEVICE,
        "it looks through a memory that is slow to answer before it starts",
        ("after a start it is silent for longer than others of its make",),
        "starts take what they took; one under way ends when it would have ended",
        (Number("seconds", "How much longer", "s", 1, 86_400, 120),),
        holds=_START,
    ),
    Fault(
        "no-start",
        Layer.DEVICE,
        "The device does not come up after its next start",
        ALL,
        _no_start,
        Culprit.DEVICE,
        "its boot loader finds no firmware that it would start; the metering part counts on",
        ("it works until it is started anew; then it has power and says nothing",),
        "it starts",
        holds=_START,
    ),
    *power.FAULTS,
    Fault(
        "display-blank",
        Layer.DEVICE,
        "The display shows nothing",
        ("electricity", "gas", "display"),
        _blank,
        Culprit.DEVICE,
        "the display is broken; keys work, and so does all else",
        ("nothing is shown whatever key is pressed",),
        "it shows what there is",
        holds="display",
    ),
    Fault(
        "key-stuck",
        Layer.DEVICE,
        "A key of the keypad is down and stays down",
        ("electricity", "gas", "display"),
        _key_stuck,
        Culprit.DEVICE,
        "the keypad notices one key at a time, and that is the one that is down",
        ("what that key does happens once; nothing comes of any other key",),
        "keys work",
        (Word("key", "Which key", tuple(key.value for key in Key)),),
        holds="keypad",
    ),
)
"""Faults of the device itself."""
